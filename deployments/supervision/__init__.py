"""Supervision: child processes, their readiness and their restarts."""
