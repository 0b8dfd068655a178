"""Training of a network that recognises sounds, for the systems that use trained weights."""
