"""Attestation: sealing, disclosing, pushing and stamping."""
