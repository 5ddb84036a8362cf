"""Pure computation: values and polars frames in, values and frames out. No clock, no I/O, no logging."""
