"""Watchdog: checks find missing, late and damaged results."""
