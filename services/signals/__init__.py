"""Signals: submission, acceptance, history and evidence."""
