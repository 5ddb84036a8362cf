"""Market: imports of bars, levels, actions, universes and instruments."""
