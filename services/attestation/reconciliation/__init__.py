"""Reconciliation: journal and ledger get the records that they lack."""
