"""Count participants and ratings of a running survey.

The researcher sees counts but no ratings, so that the ratings cannot influence when the test ends.
"""

from typing import Any

from nst_lib.survey.answers import Answers
from nst_lib.survey.stimuli import CATCH, TRIAL, Stimulus
from nst_lib.survey.survey import Survey


def overview(survey: Survey, answers: Answers) -> dict[str, Any]:
    """Return the number of participants, and the number of ratings of each cell.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.

    Returns
    -------
    dict
        "title" and "question"; "participants", the numbers of those who started, finished, are
        simulated, and passed the headphone check; "cells", each with a condition, a pair and the
        number of "ratings" without repeats; the numbers of catch trials that were answered and
        missed.
    """
    people, given, tally = answers.participants(), answers.progress(), answers.tally()
    totals: dict[str, int] = {}
    for item, _, count in tally:
        totals[item] = totals.get(item, 0) + count
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for one in survey.of(TRIAL):
        cell = _cell(one)
        counts[cell] = counts.get(cell, 0) + totals.get(one.item, 0)
    catches = {one.item: one for one in survey.of(CATCH)}
    answered = [(catches[item], rating, n) for item, rating, n in tally if item in catches]
    return {
        "title": survey.settings.title,
        "question": survey.settings.question,
        "participants": {
            "started": len(people),
            "finished": sum(given.get(one.id) == survey.length for one in people),
            "simulated": sum(one.simulated for one in people),
            "headphones_passed": sum(bool(one.headphones) for one in people),
        },
        "cells": [{**dict(cell), "ratings": count} for cell, count in counts.items()],
        "catches answered": sum(count for _, _, count in answered),
        "catches missed": sum(n for one, rating, n in answered if not one.accepts(rating)),
    }


def _cell(one: Stimulus) -> tuple[tuple[str, str], ...]:
    """Return condition and pair of a sound; if it has neither, the item."""
    pair = {"pair": one.pair} if one.pair else {}
    return tuple(({**one.factors, **pair} or {"item": one.item}).items())
