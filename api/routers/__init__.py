"""Routers: one a resource."""
