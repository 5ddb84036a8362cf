"""The HTTP API: one router a resource. It reads the ledger and the lens, and never imports flows or tasks."""
