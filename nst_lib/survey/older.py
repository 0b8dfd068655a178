"""Surveys that older versions built: one block of ratings, described by the survey itself.

Their folders are not changed. Their settings are read as those of a survey of today.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nst_lib.base.files import checksum
from nst_lib.survey.stimuli import Stimulus, SurveyError

#: What survey.json of a survey of today says, and that of an older one does not.
FORMAT = 2
#: Texts that every survey has.
_TEXTS = ("title", "question", "wording", "labels")
#: Settings that are now those of the block.
_OF_BLOCK = ("wording", "labels", "repeats", "per_listener")


def is_older(found: Mapping[str, Any]) -> bool:
    """Whether the content of survey.json is that of an older version."""
    return "format" not in found


def modern(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of an older survey.json as that of today.

    Raises
    ------
    SurveyError
        If a text is missing.
    """
    for name in _TEXTS:
        if name not in found:
            raise SurveyError(f"{name} is missing; accepted: a text")
    block = {name: found[name] for name in _OF_BLOCK if name in found}
    if "question" in found:
        block["name"] = found["question"]
    rest = {name: value for name, value in found.items() if name not in (*block, "question")}
    headphones = "woods" if found.get("headphones") is True else None
    return {
        **rest,
        "format": FORMAT,
        "headphones": headphones,
        "blocks": [{"kind": "rating", **block, "balanced": found.get("blocks") is True}],
    }


def key(
    found: Mapping[str, Any], stimuli: Sequence[Stimulus], checksums: Mapping[str, str] | None
) -> str:
    """Return the checksum of an older survey, to which its answers belong."""
    balanced = found.get("blocks") is True
    covered = [
        found["question"],
        found["wording"],
        found["labels"],
        found["seed"],
        found["repeats"],
        found["per_listener"],
        [(one.file, one.item, one.role, one.description) for one in stimuli],
        *([balanced, checksums] if balanced else []),
    ]
    return checksum(json.dumps(covered).encode())
