"""Recordings: files that are read and written, data sets, and simulated sounds."""
