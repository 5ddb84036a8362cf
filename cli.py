"""The `countersign` command: arguments and printing only."""
