"""Live answers: the stream's broadcaster, its subscribers, and those who wait for a seal."""
