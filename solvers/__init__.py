"""Options in, certified results out: every way to solve what `formulations` state."""
