"""Results -> what people and machines read."""
