"""What a person sees of a transfer: figures, players, progress, reports and pages."""
