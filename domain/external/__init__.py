"""External signals: feeds, items, polling, klines and outcomes. Pure."""
