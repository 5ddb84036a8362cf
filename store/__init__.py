"""Our own bytes at rest: the ledger (SQL), the lake (Parquet) and the lens (DuckDB)."""
