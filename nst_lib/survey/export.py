"""Export the answers of a survey as tables, each with the meaning of its columns.

Each kind of block has its table: ratings, preferences, abx, mushra, questionnaire. `nst mos` reads
all but the last. Rating blocks share a table.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lib.base.files import atomic, validate_output
from nst_lib.opinions.ratings import NO, YES
from nst_lib.opinions.tables import harmless
from nst_lib.survey.answers import Answers, Participant
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.kinds.block import Block, Columns, Given
from nst_lib.survey.stimuli import TRIAL, SurveyError
from nst_lib.survey.survey import Survey

if TYPE_CHECKING:
    import pandas as pd

NOBODY = "nobody has answered yet; export the answers after the first participant"
#: Table with one row for each listener.
QUESTIONNAIRE = "questionnaire"
_LISTENER: Columns = {
    "listener": (
        "The listener, numbered by arrival; those who withdrew are missing",
        "P001, P002, ...",
    )
}
#: Columns of each answer -> meaning and values.
_ANSWER: Columns = {
    "presentation": ("How often the listener had this screen until now", "1; 2: a repeat"),
    "position": ("Place in the order of the listener, after the training", "1, 2, ..."),
    "part": ("Place of the question among the blocks of the listener", "1, 2, ..."),
    "seconds": ("Time from the appearance of the question to the answer", "seconds"),
}
#: Columns of the listener -> meaning and values.
_ABOUT: Columns = {
    "headphones": ("Whether the listener passed the headphone check", "yes, no; empty: no check"),
    "headphones_right": (
        "Number of right answers in the headphone check",
        "0 to 6; empty: no check",
    ),
    "channels": (
        "Whether the listener passed the check of the left and the right channel",
        "yes, no; empty: no check",
    ),
    "complete": ("Whether the listener has given all answers", "yes, no"),
    "simulated": ("Whether the listener is a program", "yes, no"),
}


def tables(survey: Survey) -> dict[str, list[Block]]:
    """Return the blocks of each table, in the order of the survey."""
    found: dict[str, list[Block]] = {}
    for block in survey.settings.blocks:
        found.setdefault(block.table, []).append(block)
    first = [name for name in found if name != QUESTIONNAIRE]
    return {name: found[name] for name in (*first, *(found.keys() - {*first}))}


def table(survey: Survey, answers: Answers, name: str = "ratings") -> "pd.DataFrame":
    """Return all answers of a table except those of the training.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.
    name : str
        Name of the table; see :func:`tables`.

    Returns
    -------
    pd.DataFrame
        The columns are those of :func:`dictionary`. Cells without a value are empty texts.
    """
    import pandas as pd

    blocks = {one.name: one for one in tables(survey)[name]}
    people = {one.id: one for one in answers.participants()}
    given = answers.progress()
    columns = [*_columns(survey, name)]
    rows: list[dict[str, Any]] = []
    for who, answer in answers.read_all():
        if answer.block not in blocks or not answer.position or who not in people:
            continue
        person = people[who]
        about = _about(person, complete=given.get(who) == survey.length)
        more = {
            "question": answer.block,
            "presentation": answer.presentation,
            "position": answer.position,
            "part": _part(survey, person.row, answer.block),
            "seconds": answer.seconds,
        }
        judged = Given(answer.items, answer.answer, answer.plays)
        known = survey.known.get(answer.block, {})
        rows += [{**about, **more, **cells} for cells in blocks[answer.block].cells(judged, known)]
    if name == QUESTIONNAIRE:
        rows = _by_listener(rows)
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    return pd.DataFrame(cells, columns=columns)


def dictionary(survey: Survey, name: str = "ratings") -> "pd.DataFrame":
    """Return the meaning of the columns of :func:`table`.

    Returns
    -------
    pd.DataFrame
        Columns: column, meaning, values.
    """
    import pandas as pd

    rows = [(column, *about) for column, about in _columns(survey, name).items()]
    return pd.DataFrame(rows, columns=["column", "meaning", "values"])


def csv(frame: "pd.DataFrame") -> str:
    """Return a table as CSV that is safe in spreadsheets: no cell and no name runs as a formula.

    ``nst mos`` reads the original texts.
    """
    safe = frame.map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    return safe.rename(columns=harmless).to_csv(index=False, lineterminator="\n")


def write(
    folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None
) -> tuple[Path, ...]:
    """Write the answers of a survey, each table with the meaning of its columns in a second file.

    Parameters
    ----------
    folder : path
        The folder of the survey, which may be running.
    out : path or None
        A CSV file for the first table; the others are written beside it. None is the name of each
        table in `folder`: "ratings.csv".

    Returns
    -------
    tuple of Path
        The files NAME.csv and NAME_columns.csv of each table that has answers.

    Raises
    ------
    ValueError
        If the folder has no survey, nobody has answered yet, or the files cannot be written.
    """
    survey = Survey.read(folder)
    names = [*tables(survey)]
    first = survey.folder / f"{names[0]}.csv" if out is None else Path(out)
    files = {name: first if name == names[0] else first.with_name(f"{name}.csv") for name in names}
    paths = {
        name: (file, file.with_name(f"{file.stem}_columns.csv")) for name, file in files.items()
    }
    for both in paths.values():
        for path in both:
            validate_output(path, suffixes=(".csv",))
    kept = survey.folder / ANSWERS_FILE
    if not kept.exists():
        raise SurveyError(f"{folder}: {NOBODY}")
    with closing(Answers(kept, survey.key)) as answers:
        found = {name: table(survey, answers, name) for name in names}
    found = {name: frame for name, frame in found.items() if not frame.empty}
    if not found:
        raise SurveyError(f"{folder}: {NOBODY}")
    for name, frame in found.items():
        for path, content in zip(paths[name], (frame, dictionary(survey, name)), strict=True):
            with atomic(path) as scratch:
                scratch.write_text(csv(content), encoding="utf-8", newline="")
    return tuple(path for name in found for path in paths[name])


def _columns(survey: Survey, name: str) -> Columns:
    """Return the columns of a table in order, each with its meaning and values."""
    blocks = tables(survey)[name]
    if name == QUESTIONNAIRE:
        own: Columns = {}
        for block in blocks:
            own |= block.columns(())
        return {**_LISTENER, **own, **_ABOUT}
    own = _together([block.columns(survey.of(block)) for block in blocks])
    if not any(one.pair for one in survey.stimuli if one.role == TRIAL):
        own.pop("pair", None)
    after: Columns = {
        column: own.pop(column) for column in ("lowest", "highest", "plays") if column in own
    }
    return {**_LISTENER, **own, **_ANSWER, **after, **_ABOUT}


def _together(found: Sequence[Columns]) -> Columns:
    """Return the columns of several blocks; what differs is separated by semicolons."""
    together: Columns = {}
    for columns in found:
        for name, about in columns.items():
            before = together.get(name, ("", ""))
            together[name] = tuple(  # type: ignore[assignment]
                old if new in (old, "") else f"{old}; {new}" if old else new
                for old, new in zip(before, about, strict=True)
            )
    return together


def _about(person: Participant, *, complete: bool) -> dict[str, Any]:
    return {
        "listener": f"P{person.id:03}",
        "headphones": person.headphones,
        "headphones_right": person.headphones_right,
        "channels": person.channels,
        "complete": complete,
        "simulated": person.simulated,
    }


def _part(survey: Survey, row: int, block: str) -> int:
    """Return the place of a block in the order of a row."""
    names = [one.name for one in survey.settings.blocks]
    return next(one.part for one in survey.places(row) if names[one.block] == block)


def _by_listener(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each listener, with the answers to all questionnaires."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["listener"], {}).update(row)
    return [*found.values()]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return YES if value else NO
    return "" if value is None else value
