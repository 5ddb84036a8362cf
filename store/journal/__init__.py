"""The journal: one git repository, its packs, signatures and tokens."""
