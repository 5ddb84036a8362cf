"""Publication: the lens is filled and switched; track records and the stream are read."""
