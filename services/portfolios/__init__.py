"""Multi-factor portfolios: their members, states and daily signals."""
