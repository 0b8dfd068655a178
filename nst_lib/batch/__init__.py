"""Batches: a grid of conditions, each run as a notebook, and their results."""
