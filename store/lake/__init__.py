"""The lake: immutable Parquet files, and the digests that they are held to."""
