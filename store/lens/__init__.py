"""The lens: the published DuckDB file, opened for reading."""
