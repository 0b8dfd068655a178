"""Opinion scores: what listeners rated, what it means, and how sure that is."""
