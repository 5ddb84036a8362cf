"""Reconciliation: what journal and ledger lack of each other."""
