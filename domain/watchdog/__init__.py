"""Watchdog: the order in which due runs begin. Pure."""
