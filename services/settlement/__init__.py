"""Settlement: planning, settling, committing and correcting a session; the quality gate before it."""
