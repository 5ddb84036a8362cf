"""Use cases over stores, sources and domain. No Prefect, no HTTP."""
