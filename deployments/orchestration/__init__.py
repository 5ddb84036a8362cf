"""Orchestration: Prefect's server, schedules, runner and deployments."""
