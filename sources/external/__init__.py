"""Signal feeds."""
