"""Export the ratings of a survey as a table for `nst mos`, with the meaning of its columns."""

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lib.base.files import atomic, validate_output
from nst_lib.opinions.ratings import NO, YES
from nst_lib.opinions.tables import harmless
from nst_lib.survey.answers import Answers
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.stimuli import TRIAL, SurveyError
from nst_lib.survey.survey import Survey

if TYPE_CHECKING:
    import pandas as pd

RATINGS_FILE = "ratings.csv"
NOBODY = "nobody has rated yet; export the ratings after the first participant"
_RIGHT = "1 to 5; empty: no limit, or not a catch trial"
#: Columns after the factors -> meaning and values.
_AFTER = {
    "presentation": ("First rating of the sound by this listener, or a repeat", "1; 2: a repeat"),
    "lowest": ("Lowest right answer to a catch trial", _RIGHT),
    "highest": ("Highest right answer to a catch trial", _RIGHT),
    "position": ("Place in the order of the listener, after the training", "1, 2, ..."),
    "plays": ("Number of times that the sound was played before the rating", "1, 2, ..."),
    "seconds": ("Time from the appearance of the question to the rating", "seconds"),
    "headphones": ("Whether the listener passed the headphone check", "yes, no; empty: no check"),
    "complete": ("Whether the listener has rated all sounds", "yes, no"),
    "simulated": ("Whether the listener is a program", "yes, no"),
}


def table(survey: Survey, answers: Answers) -> "pd.DataFrame":
    """Return all ratings except those of the training.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.

    Returns
    -------
    pd.DataFrame
        The columns are those of :func:`dictionary`. Cells without a value are empty texts.
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
    """Return the meaning of the columns of :func:`table`.

    Returns
    -------
    pd.DataFrame
        Columns: column, meaning, values.
    """
    import pandas as pd

    rows = [(name, *about) for name, about in _columns(survey).items()]
    return pd.DataFrame(rows, columns=["column", "meaning", "values"])


def csv(frame: "pd.DataFrame") -> str:
    """Return a table as CSV that is safe in spreadsheets: no cell and no name runs as a formula.

    ``nst mos`` reads the original texts.
    """
    safe = frame.map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    return safe.rename(columns=harmless).to_csv(index=False, lineterminator="\n")


def write(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> tuple[Path, Path]:
    """Write the ratings of a survey to a file, and the meaning of the columns to a second file.

    Parameters
    ----------
    folder : path
        The folder of the survey, which may be running.
    out : path or None
        A CSV file; None is "ratings.csv" in `folder`.

    Returns
    -------
    ratings, columns : Path
        The files NAME.csv and NAME_columns.csv.

    Raises
    ------
    ValueError
        If the folder has no survey, nobody has rated yet, or the files cannot be written.
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
    """Return the columns in order, each with its meaning and values."""
    trials, settings = survey.of(TRIAL), survey.settings
    scale = ", ".join(f"{n} {label}" for n, label in enumerate(settings.labels, start=1))
    before = {
        "listener": (
            "The listener, numbered by arrival; those who withdrew are missing",
            "P001, P002, ...",
        ),
        "item": ("Name of the sound", "a name"),
        "rating": ("The rating that the listener chose", scale),
        "question": (f"The question: {settings.wording}", settings.question),
        "pair": ("The pair of recordings that the sound is made from", "a name"),
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
