"""Stores of our own data: the ledger (SQL), the lake (Parquet), the lens (DuckDB) and the journal (git)."""
