"""Mixed-integer formulations, each a `build` and a `read`."""
