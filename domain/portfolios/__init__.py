"""Multi-factor portfolios: target weights out of factor values. Pure."""
