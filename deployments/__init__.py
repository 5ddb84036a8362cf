"""Schedules and how to run them: everything on one machine with `up`, or a work pool with `deploy`."""
