"""Strategies: opening them and moving them through their states."""
