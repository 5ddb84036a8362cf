"""Market: bars, instruments, the exchange's rules, the quality gate. Pure."""
