"""Sources: market data providers, signal feeds, files, and other bytes that are not ours."""
