"""Show a transfer to people: figures, players, progress, reports and pages."""
