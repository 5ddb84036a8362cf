"""Prefect tasks: load, one domain call, publish. Retries are declared here."""
