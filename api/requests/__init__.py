"""Requests: bounds, limits and bodies."""
