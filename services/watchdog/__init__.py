"""Watchdog: checks that find what is missing, late or damaged."""
