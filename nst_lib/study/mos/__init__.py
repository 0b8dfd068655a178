"""Opinion scores: ratings of listeners, what they mean, and how sure that is."""
