"""Count participants and answers of a running survey.

The researcher sees counts but no answers, so that the answers cannot influence when the test ends.
"""

import json
from collections import Counter
from typing import Any

from nst_lib.survey import export
from nst_lib.survey.answers import Answers
from nst_lib.survey.kinds.block import Block, Screen
from nst_lib.survey.stimuli import TRIAL, Stimulus
from nst_lib.survey.survey import Survey


def overview(survey: Survey, answers: Answers) -> dict[str, Any]:
    """Return the number of participants, and the number of answers of each cell.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.

    Returns
    -------
    dict
        "title"; "participants", the numbers of those who started, finished, are simulated, and
        passed the headphone check; "blocks", each with "name", "kind", "cells", and the numbers of
        catch trials that were answered and missed; "tables", the names of the exported tables. A
        cell has a condition, a pair and the number of answers to its sounds, without repeats.
    """
    people, given, tally = answers.participants(), answers.progress(), answers.tally()
    blocks = []
    for block in survey.settings.blocks:
        ours = [
            (json.loads(items), answer, n) for name, items, answer, n in tally if name == block.name
        ]
        blocks.append(_counts(survey, block, ours))
    return {
        "title": survey.settings.title,
        "participants": {
            "started": len(people),
            "finished": sum(given.get(one.id) == survey.length for one in people),
            "simulated": sum(one.simulated for one in people),
            "headphones_passed": sum(bool(one.headphones) for one in people),
        },
        "blocks": blocks,
        "tables": [*export.tables(survey)],
    }


def _counts(
    survey: Survey, block: Block, tally: list[tuple[list[str], dict[str, Any], int]]
) -> dict[str, Any]:
    """Return the counts of a block. `tally` has items, answer, and how often this answer came."""
    known = survey.known.get(block.name, {})
    totals: Counter[str] = Counter()
    answered = missed = 0
    for items, answer, n in tally:
        totals.update(dict.fromkeys(items, n))
        right = (
            block.right(Screen("", tuple(known[item] for item in items)), answer) if items else None
        )
        answered += n if right is not None else 0
        missed += n if right is False else 0
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for one in known.values():
        if one.role == TRIAL:
            counts[_cell(one)] += totals[one.item]
    return {
        "name": block.name,
        "kind": block.kind,
        "cells": [{**dict(cell), "answers": count} for cell, count in counts.items()],
        "catches_answered": answered,
        "catches_missed": missed,
    }


def _cell(one: Stimulus) -> tuple[tuple[str, str], ...]:
    """Return condition and pair of a sound; if it has neither, the item."""
    pair = {"pair": one.pair} if one.pair else {}
    return tuple(({**one.factors, **pair} or {"item": one.item}).items())
