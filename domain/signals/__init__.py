"""Signals: what a portfolio must satisfy, how it is written down, and the payload that is sealed. Pure."""
