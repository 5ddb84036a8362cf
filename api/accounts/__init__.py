"""Accounts: passwords and tokens."""
