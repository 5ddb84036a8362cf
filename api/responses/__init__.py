"""Responses: JSON, errors, paging and the response cache."""
