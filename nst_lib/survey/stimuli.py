"""Sounds and what is known of them: a CSV file with a row for each.

Columns: `file`, `description`; and where they are there

    item             what the sound is called in the ratings; else the name of the file
    role             trial (else), training or catch
    pair             the recordings that it is made from
    lowest, highest  answers that are right where it is a catch trial

All others are factors of the experiment.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nst_lib.base.validation import hint

TRIAL, TRAINING, CATCH = ROLES = ("trial", "training", "catch")
#: Columns that are no factors.
_COLUMNS = ("file", "item", "role", "pair", "description", "lowest", "highest")
#: Names that a factor cannot have: the ratings, or their counts, have columns of that name.
TAKEN = (
    *("listener", "rating", "ratings", "question", "presentation", "position", "plays", "seconds"),
    *("headphones", "complete", "simulated"),
)
SCALE = (1, 5)


class SurveyError(ValueError):
    """A survey that cannot be used; the message has the file and what is accepted."""


@dataclass(frozen=True)
class Stimulus:
    """One sound.

    Attributes
    ----------
    file : str
        Its name in a folder of sounds.
    item : str
        What it is called in the ratings.
    role : {"trial", "training", "catch"}
        What it is for.
    pair : str
        The recordings that it is made from; empty where that is not known.
    factors : dict of str to str
        Its condition.
    description : str
        What it is compared with.
    lowest, highest : int or None
        Answers that are right where it is a catch trial.
    """

    file: str
    item: str
    role: str = TRIAL
    pair: str = ""
    factors: dict[str, str] = field(default_factory=dict)
    description: str = ""
    lowest: int | None = None
    highest: int | None = None

    def accepts(self, rating: int) -> bool:
        """Whether a rating is right; always, unless it is a catch trial."""
        low, high = SCALE
        return (self.lowest or low) <= rating <= (self.highest or high)


def read(path: Path) -> list[Stimulus]:
    """Read a table of sounds.

    Raises
    ------
    SurveyError
        If it cannot be read, or something in it is wrong: file, row, column, what is accepted.
    """
    accepted = "accepted: a CSV file"
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {accepted}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurveyError(f"{path}: {error}; {accepted}") from error
    names = [name.strip() for name in rows[0]] if rows else []
    _validate_columns(names, path)
    found = []
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            try:
                found.append(_stimulus(names, row))
            except SurveyError as error:
                raise SurveyError(f"{path}: row {number}, {error}") from None
    _validate(found, path)
    return found


def write(path: Path, stimuli: Sequence[Stimulus]) -> None:
    """Write a table that :func:`read` reads."""
    factors = list(stimuli[0].factors)
    names = [*_COLUMNS[:4], *factors, *_COLUMNS[4:]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for one in stimuli:
            cells = {name: getattr(one, name) for name in _COLUMNS}
            writer.writerow({**cells, **one.factors})


def _validate_columns(names: list[str], path: Path) -> None:
    if "file" not in names:
        raise SurveyError(f"{path}: no column 'file'; accepted: file, description and factors")
    for name in names:
        if not name or names.count(name) > 1:
            raise SurveyError(f"{path}: column {name!r}; accepted: a name for each, once")
        if name in TAKEN:
            raise SurveyError(
                f"{path}: column {name!r}: the ratings have one of that name; accepted: another"
            )


def _stimulus(names: list[str], row: list[str]) -> Stimulus:
    """Return what a row of a table says."""
    if len(row) != len(names):
        raise SurveyError(f"{len(row)} columns; accepted: {len(names)}, as in the header")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
    if not cells["file"]:
        raise SurveyError("column file: empty; accepted: a sound")
    role = cells.get("role") or TRIAL
    if role not in ROLES:
        raise SurveyError(f"column role: {role!r}; {hint(role, ROLES)}")
    lowest, highest = (_rating(name, cells.get(name, "")) for name in ("lowest", "highest"))
    right = lowest is not None or highest is not None
    if right != (role == CATCH):
        what = "lowest, highest or both" if role == CATCH else "nothing"
        raise SurveyError(f"column lowest: the role is {role}; accepted: {what}")
    if lowest is not None and highest is not None and lowest > highest:
        raise SurveyError(f"column lowest: {lowest}, above the highest; accepted: up to {highest}")
    return Stimulus(
        file=cells["file"],
        item=cells.get("item") or Path(cells["file"]).stem,
        role=role,
        pair=cells.get("pair", ""),
        factors={name: cell for name, cell in cells.items() if name not in _COLUMNS},
        description=cells.get("description", ""),
        lowest=lowest,
        highest=highest,
    )


def _rating(name: str, text: str) -> int | None:
    low, high = SCALE
    if not text:
        return None
    if not text.isdecimal() or not low <= int(text) <= high:
        raise SurveyError(f"column {name}: {text!r}; accepted: {low} to {high}, or nothing")
    return int(text)


def _validate(stimuli: list[Stimulus], path: Path) -> None:
    """Raise SurveyError unless items have different names, and trials all that others have."""
    trials = [one for one in stimuli if one.role == TRIAL]
    if len(trials) < 2:
        raise SurveyError(f"{path}: {len(trials)} trials; accepted: two sounds or more")
    names = [one.item for one in stimuli]
    for name in names:
        if names.count(name) > 1:
            raise SurveyError(f"{path}: item {name!r} twice; accepted: a column 'item' of names")
    columns = {"pair": [one.pair for one in trials]}
    columns |= {name: [one.factors[name] for one in trials] for name in trials[0].factors}
    for name, cells in columns.items():
        if any(cells) and not all(cells):
            bare = trials[cells.index("")].item
            raise SurveyError(f"{path}: item {bare!r} has no {name}; accepted: all trials, or none")
