"""One file per solver; each takes a `LinearModel` and gives back a `RawResult`."""
