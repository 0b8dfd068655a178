"""What participants read, where the researcher gives no other text."""

#: The words of ITU-T P.800's absolute category rating, for 1 to 5: its listeners rate quality.
ACR = ("bad", "poor", "fair", "good", "excellent")
#: Of the ratings 1 to 5: P.800's words, as answers to what is asked; with "match" they are ours.
LABELS = {
    "style": tuple(f"{word} match" for word in ACR),
    "content": tuple(f"{word} match" for word in ACR),
    "quality": ACR,
}
TITLES = {
    "style": "What does it sound like?",
    "content": "What happens in it?",
    "quality": "How good does it sound?",
}
WORDINGS = {
    "style": "How well does this sound match the description “{description}”?",
    "content": "How well do the events in this sound match the description “{description}”?",
    "quality": "How good is the quality of this sound?",
}
CONSENT = """\
You will hear short sounds and say of each what you think of it. There is no right or wrong.

Taking part is voluntary. You may stop at any time, without saying why.

We keep your ratings, how often you played each sound, how long you took, and whether the \
headphone check was passed, under a number. We keep no name, no address and no IP address. You \
will get a code; with it you can delete all of this at any time.

The ratings may be published, as a table and in statistics."""
THANKS = "Thank you. Your ratings are stored."
