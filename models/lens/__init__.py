"""Tables of the lens: names, columns, types and comments."""
