"""Prefect flows: order and parameters only. They pass keys (dates, ids, paths), never frames."""
