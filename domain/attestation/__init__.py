"""Attestation: the journal's records, written and read byte for byte, and who signs them. Pure."""
