"""Files, checks of arguments, and memory. Everything else builds on this room. No torch."""
