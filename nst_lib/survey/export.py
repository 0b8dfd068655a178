"""The ratings of a survey as a table for `nst mos`, and what its columns mean."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lib.base.files import atomic, validate_output
from nst_lib.opinions.ratings import NO, YES
from nst_lib.opinions.tables import harmless
from nst_lib.survey.answers import Answers
from nst_lib.survey.stimuli import TRIAL, SurveyError
from nst_lib.survey.survey import ANSWERS_FILE, Survey

if TYPE_CHECKING:
    import pandas as pd

RATINGS_FILE = "ratings.csv"
NOBODY = "nobody has rated yet; accepted: a survey with ratings"
#: Columns after the factors: what each means, and its values.
_RIGHT = "1 to 5; empty: any, or no catch trial"
_AFTER = {
    "presentation": ("How often the listener had heard the sound by then", "1; 2: a repeat"),
    "lowest": ("Of a catch trial: the lowest right answer", _RIGHT),
    "highest": ("Of a catch trial: the highest right answer", _RIGHT),
    "position": ("Place in the order of the listener, after the training", "1, 2, ..."),
    "plays": ("How often the sound was played before the rating", "1, 2, ..."),
    "seconds": ("From the appearance of the question to the rating", "seconds"),
    "headphones": ("Whether the headphone check was passed", "yes, no; empty: not made"),
    "complete": ("Whether the listener has rated everything", "yes, no"),
    "simulated": ("Whether nobody has listened", "yes, no"),
}


def table(survey: Survey, answers: Answers) -> "pd.DataFrame":
    """Return all ratings but those of the training.

    Parameters
    ----------
    survey : Survey
        Whose sounds they are of.
    answers : Answers
        Its answers.

    Returns
    -------
    pd.DataFrame
        Columns: see :func:`dictionary`. What is empty in the file is an empty text here.
    """
    import pandas as pd

    known = {one.item: one for one in survey.stimuli}
    people = {one.id: one for one in answers.participants()}
    given = answers.progress()
    rated = [(people[who], a) for who, a in answers.read_all() if a.position and who in people]
    columns = list(_columns(survey))
    rows = []
    for who, answer in rated:
        one = known[answer.item]
        cells = {
            **vars(answer),
            **one.factors,
            "listener": f"P{who.id:03}",
            "pair": one.pair or one.item,
            "lowest": _cell(one.lowest),
            "highest": _cell(one.highest),
            "headphones": _cell(who.headphones),
            "complete": _cell(given.get(who.id) == survey.length),
            "simulated": _cell(who.simulated),
        }
        rows.append([cells[name] for name in columns])
    return pd.DataFrame(rows, columns=columns)


def dictionary(survey: Survey) -> "pd.DataFrame":
    """Return what the columns of :func:`table` mean.

    Returns
    -------
    pd.DataFrame
        Columns: column, meaning, values.
    """
    import pandas as pd

    rows = [(name, *about) for name, about in _columns(survey).items()]
    return pd.DataFrame(rows, columns=["column", "meaning", "values"])


def csv(frame: "pd.DataFrame") -> str:
    """Return a table as CSV, of whose cells and names no spreadsheet runs any as a formula.

    ``nst mos`` reads what they were.
    """
    safe = frame.map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    return safe.rename(columns=harmless).to_csv(index=False, lineterminator="\n")


def write(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> tuple[Path, Path]:
    """Write the ratings of a survey, and beside them what the columns mean.

    Parameters
    ----------
    folder : path
        Of the survey; it may be running.
    out : path or None
        A CSV file; None is "ratings.csv" in `folder`.

    Returns
    -------
    ratings, columns : Path
        NAME.csv and NAME_columns.csv.

    Raises
    ------
    ValueError
        If there is no survey, nobody has rated, or the files cannot be written.
    """
    survey = Survey.read(folder)
    out = survey.folder / RATINGS_FILE if out is None else Path(out)
    paths = (out, out.with_name(f"{out.stem}_columns{out.suffix}"))
    for path in paths:
        validate_output(path, suffixes=(".csv",))
    path = survey.folder / ANSWERS_FILE
    if not path.exists():
        raise SurveyError(f"{folder}: {NOBODY}")
    with closing(Answers(path, survey.key)) as answers:
        ratings = table(survey, answers)
    if ratings.empty:
        raise SurveyError(f"{folder}: {NOBODY}")
    for path, frame in zip(paths, (ratings, dictionary(survey)), strict=True):
        with atomic(path) as scratch:
            scratch.write_text(csv(frame), encoding="utf-8", newline="")
    return paths


def _columns(survey: Survey) -> dict[str, tuple[str, str]]:
    """Return the columns in order: what each means, and its values."""
    trials = survey.of(TRIAL)
    scale = ", ".join(f"{n} {label}" for n, label in enumerate(survey.labels, start=1))
    before = {
        "listener": ("Who rated, in order of arrival; who withdrew is missing", "P001, P002, ..."),
        "item": ("The sound", "a name"),
        "rating": ("What the listener chose", scale),
        "question": (f"What was asked: {survey.wording}", survey.question),
        "pair": ("The recordings that the sound is made from", "a name"),
    }
    if not any(one.pair for one in trials):
        del before["pair"]
    factors = {}
    for name in survey.factors:
        levels = dict.fromkeys(one.factors[name] for one in trials)
        factors[name] = ("Factor of the experiment", f"{', '.join(levels)}; empty: a catch trial")
    return {**before, **factors, **_AFTER}


def _cell(value: int | bool | None) -> str:
    if isinstance(value, bool):
        return YES if value else NO
    return "" if value is None else str(value)
