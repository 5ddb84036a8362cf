"""Market data providers."""
