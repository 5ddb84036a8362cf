"""Other people's bytes: market data providers."""
