"""Notifications: the addresses that they may be sent to. Pure."""
