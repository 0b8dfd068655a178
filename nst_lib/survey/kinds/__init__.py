"""The kinds of blocks of a listening test. A new kind is a module here, and one of the page."""

from collections.abc import Mapping
from typing import Any

from nst_lib.base.validation import hint
from nst_lib.survey.kinds.abx import ABX
from nst_lib.survey.kinds.block import Block
from nst_lib.survey.kinds.mushra import Mushra
from nst_lib.survey.kinds.pair import Pair
from nst_lib.survey.kinds.questionnaire import Questionnaire
from nst_lib.survey.kinds.rating import Rating
from nst_lib.survey.stimuli import SurveyError

KINDS: dict[str, type[Block]] = {
    "rating": Rating,
    "pair": Pair,
    "abx": ABX,
    "mushra": Mushra,
    "questionnaire": Questionnaire,
}


def read(found: object) -> Block:
    """Return a block of survey.json.

    Raises
    ------
    SurveyError
        If it is of no known kind, or a setting is not accepted.
    """
    if not isinstance(found, Mapping):
        raise SurveyError(f"block {found!r}; accepted: a mapping with kind, name and more")
    kind: Any = found.get("kind")
    if kind not in KINDS:
        raise SurveyError(f"kind of a block {kind!r}; {hint(str(kind), KINDS)}")
    return KINDS[kind](**found)
