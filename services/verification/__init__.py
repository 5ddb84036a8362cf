"""Verification: a clone is read, checked and reported on."""
