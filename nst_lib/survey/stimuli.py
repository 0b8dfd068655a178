"""The stimuli of a listening test, in a CSV file with one row for each sound.

The column `file` is required. These columns are optional:

    description      text with which participants compare the sound
    item             name of the sound in the ratings; by default the name of the file
    role             trial (the default), training or catch
    pair             name of the pair of recordings that the sound is made from
    lowest, highest  range of right answers, for a catch trial

All other columns are factors of the experiment.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nst_lib.base.validation import hint

TRIAL, TRAINING, CATCH = ROLES = ("trial", "training", "catch")
#: Columns that are not factors.
_COLUMNS = ("file", "item", "role", "pair", "description", "lowest", "highest")
#: Names that a factor cannot have: they are columns of the ratings, or of their counts.
TAKEN = (
    *("listener", "rating", "ratings", "question", "presentation", "position", "plays", "seconds"),
    *("headphones", "complete", "simulated"),
)
#: Lowest and highest rating.
SCALE = (1, 5)


class SurveyError(ValueError):
    """A survey cannot be built or used. The message says what is wrong and what to do."""


@dataclass(frozen=True)
class Stimulus:
    """One sound of a listening test.

    Attributes
    ----------
    file : str
        Name of the sound file.
    item : str
        Name of the sound in the ratings.
    role : {"trial", "training", "catch"}
        Purpose of the sound.
    pair : str
        Name of the pair of recordings that the sound is made from; empty if unknown.
    factors : dict of str to str
        The condition of the sound: factor -> level.
    description : str
        Text with which participants compare the sound.
    lowest, highest : int or None
        Range of right answers for a catch trial; None is no limit.
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
        """Whether a rating is a right answer; always true except for catch trials."""
        low, high = SCALE
        return (self.lowest or low) <= rating <= (self.highest or high)


def read(path: Path) -> list[Stimulus]:
    """Read a table of sounds.

    Raises
    ------
    SurveyError
        If the file cannot be read or has a fault. The message names the file, row and column.
    """
    advice = "choose a CSV file"
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {advice}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurveyError(f"{path}: {error}; {advice}") from error
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
    """Write a table of sounds, for :func:`read`."""
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
        raise SurveyError(f"{path}: has no column 'file'; add one with the names of the sounds")
    for name in names:
        if not name:
            raise SurveyError(f"{path}: a column has no name; give each column a name")
        if names.count(name) > 1:
            raise SurveyError(f"{path}: has two columns {name!r}; give each its own name")
        if name in TAKEN:
            raise SurveyError(
                f"{path}: a factor cannot be called {name!r}, because the ratings have a column of "
                "that name; choose another name"
            )


def _stimulus(names: list[str], row: list[str]) -> Stimulus:
    """Return a row of a table as a stimulus."""
    if len(row) != len(names):
        raise SurveyError(f"{len(row)} cells; accepted: {len(names)}, as in the header")
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=True)}
    if not cells["file"]:
        raise SurveyError("column file: is empty; write the name of a sound file")
    role = cells.get("role") or TRIAL
    if role not in ROLES:
        raise SurveyError(f"column role: {role!r}; {hint(role, ROLES)}")
    lowest, highest = (_rating(name, cells.get(name, "")) for name in ("lowest", "highest"))
    right = lowest is not None or highest is not None
    if right != (role == CATCH):
        advice = (
            "a catch trial needs `lowest`, `highest` or both"
            if role == CATCH
            else f"leave `lowest` and `highest` empty, or change the role from {role} to catch"
        )
        raise SurveyError(f"column lowest: {advice}")
    if lowest is not None and highest is not None and lowest > highest:
        raise SurveyError(
            f"column lowest: {lowest} is above `highest`; accepted: {SCALE[0]} to {highest}"
        )
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
        raise SurveyError(f"column {name}: {text!r}; accepted: {low} to {high}, or an empty cell")
    return int(text)


def _validate(stimuli: list[Stimulus], path: Path) -> None:
    """Raise SurveyError if a name of an item occurs twice, or some trials lack a pair or level."""
    trials = [one for one in stimuli if one.role == TRIAL]
    if len(trials) < 2:
        raise SurveyError(f"{path}: number of trials {len(trials)}; accepted: 2 or more")
    names = [one.item for one in stimuli]
    for name in names:
        if names.count(name) > 1:
            raise SurveyError(
                f"{path}: two items are called {name!r}; give each its own name in a column 'item'"
            )
    columns = {"pair": [one.pair for one in trials]}
    columns |= {name: [one.factors[name] for one in trials] for name in trials[0].factors}
    for name, cells in columns.items():
        if any(cells) and not all(cells):
            bare = trials[cells.index("")].item
            raise SurveyError(
                f"{path}: item {bare!r} has no {name}; fill this column for all trials, or for none"
            )
