"""Factors: values, validation, revalidation and out-of-sample tracking."""
