"""Experiments in batch: a grid of conditions, each an executed notebook, and their results."""
