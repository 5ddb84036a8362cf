"""Tables of the ledger: one module a subject. `registry` imports them all."""
