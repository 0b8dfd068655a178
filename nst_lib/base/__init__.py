"""Files, checks of arguments and memory: what everything else stands on, without torch."""
