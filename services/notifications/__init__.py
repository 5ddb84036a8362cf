"""Notifications: inboxes, reminders, addresses and delivery."""
