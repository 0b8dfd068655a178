"""Recordings: reading and writing sound files, datasets, and simulated sounds."""
