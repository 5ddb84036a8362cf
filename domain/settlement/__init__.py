"""Settlement: one session's signals, traded and marked. Pure."""
