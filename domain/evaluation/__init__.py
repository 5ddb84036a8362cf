"""Evaluation: the metrics of a NAV history, and how far it strays from a claim. Pure."""
