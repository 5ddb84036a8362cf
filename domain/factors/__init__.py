"""Factors: their values, IC, validation and tracking. Pure."""
