"""The plan of a listening test: its blocks, before their sounds are known.

A plan is a list of blocks as survey.json has them, in which most settings may be left out.
`question` is what the block is about: "style", "content" or "quality". It decides the descriptions,
catch trials and references, and gives the texts that are left out, in the language of the test.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_lib.base.validation import hint
from nst_lib.survey import kinds
from nst_lib.survey.files import read_yaml
from nst_lib.survey.languages import Language
from nst_lib.survey.stimuli import SurveyError

QUESTIONS = ("style", "content", "quality")
#: Questions that are about a recording, which can be the reference.
ABOUT_A_RECORDING = QUESTIONS[:2]
Plan = list[dict[str, Any]]


def of_questions(questions: Sequence[str], **settings: Any) -> Plan:
    """Return a plan with one block for each question.

    Parameters
    ----------
    questions : sequence of str
        What the blocks are about.
    **settings : Any
        Settings of all blocks: `kind`, `repeats`, and so on. Those that are None are left out.

    Raises
    ------
    SurveyError
        If a question is unknown or comes twice.
    """
    for one in questions:
        if one not in QUESTIONS:
            raise SurveyError(f"question {one!r}; {hint(one, QUESTIONS)}")
        if list(questions).count(one) > 1:
            raise SurveyError(f"question {one!r} comes twice; accepted: each question once")
    given = {name: value for name, value in settings.items() if value is not None}
    return [{"kind": "rating", **given, "question": one} for one in questions]


def read(path: str | os.PathLike[str]) -> Plan:
    """Read a plan from a YAML file: a list of blocks.

    Raises
    ------
    SurveyError
        If the file cannot be read, or has other content.
    """
    advice = "write a YAML list of blocks, such as `- {kind: rating, question: style}`"
    found = read_yaml(Path(path), advice=advice)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found) or not found:
        raise SurveyError(f"{path}: is no list of blocks; {advice}")
    return found


def questionnaires(plan: Plan, language: Language) -> Plan:
    """Return a plan with our questionnaires before and after its blocks."""
    before, after = (
        {"kind": "questionnaire", "name": name, **language.survey["questionnaires"][name]}
        for name in ("before", "after")
    )
    return [before, *plan, after]


def complete(plan: Plan, language: Language) -> Plan:
    """Return a plan in which each block has a name and all texts.

    Raises
    ------
    SurveyError
        If a block is of an unknown kind, or has no question although it needs one.
    """
    names = [str(one.get("question")) for one in plan if one.get("kind") == "rating"]
    return [_complete(one, language, rated=names) for one in plan]


def _complete(
    one: Mapping[str, Any], language: Language, *, rated: Sequence[str]
) -> dict[str, Any]:
    kind, question = one.get("kind", "rating"), one.get("question")
    if kind not in kinds.KINDS:
        raise SurveyError(f"kind of a block {kind!r}; {hint(str(kind), kinds.KINDS)}")
    if kind == "questionnaire":
        return {**one, "kind": kind}
    if kind == "abx":
        return {"name": "abx", **one, "kind": kind}
    if question not in QUESTIONS:
        known = ", ".join(QUESTIONS)
        advice = f"accepted: {known}" if question is None else hint(str(question), QUESTIONS)
        raise SurveyError(f"block of the kind {kind}: question {question!r}; {advice}")
    reference = kind == "mushra" or bool(one.get("reference"))
    if reference and question not in ABOUT_A_RECORDING:
        raise SurveyError(
            f"question {question!r} has no reference; accepted: {', '.join(ABOUT_A_RECORDING)}"
        )
    name = question if kind == "rating" or question not in rated else f"{question}_{kind}"
    texts = language.survey
    defaults: dict[str, Any] = {"name": name}
    if kind == "rating":
        wordings = texts["similarity"] if reference else texts["wordings"]
        labels = texts["similarity"]["labels"] if reference else texts["labels"][question]
        defaults |= {"wording": wordings[question], "labels": labels}
    elif kind == "pair":
        defaults["wording"] = texts["preference"][question]
    else:
        defaults |= {"wording": texts["mushra"][question], "labels": texts["mushra"]["labels"]}
    return {**defaults, **one, "kind": kind}
