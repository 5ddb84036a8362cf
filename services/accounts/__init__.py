"""Accounts: invitations, keys, tiers and tickets."""
