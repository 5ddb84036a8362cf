"""Verification: every check of a journal that a sceptic runs. Pure."""
