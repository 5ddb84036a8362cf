"""Evaluation: metrics of settled sessions, and claimed performance beside them."""
