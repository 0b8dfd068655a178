"""The texts that participants read, unless the researcher gives other texts."""

#: The words of the absolute category rating (ACR) of ITU-T P.800, for ratings of quality 1 to 5.
ACR = ("bad", "poor", "fair", "good", "excellent")
#: Labels of the ratings 1 to 5. We added "match" to the words of P.800, so that they answer the
#: question.
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
You will hear short sounds and rate each of them. There are no right or wrong answers.

Taking part is voluntary. You can stop at any time, and you do not have to give a reason.

We store your ratings, how often you played each sound, how long each rating took, and whether you \
passed the headphone check. We store them under a number, without your name, your address or your \
IP address. You will get a withdrawal code. With this code you can delete all of your data at any \
time.

The ratings may be published, as a table and in statistics."""
THANKS = "Thank you. Your ratings are stored."
