"""External signals: sources, polling, klines and outcomes."""
