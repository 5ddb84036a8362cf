"""The ledger: one SQL database, its migrations, leases and facts."""
