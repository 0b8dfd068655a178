"""Opinion scores: ratings of listeners, their analysis, and how certain its results are."""
