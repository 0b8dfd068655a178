"""A network that learns to recognise sounds, for the systems that take trained weights."""
