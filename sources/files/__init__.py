"""Tables in files: Parquet, CSV, Excel and packed ones."""
