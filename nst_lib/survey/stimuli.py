"""The stimuli of a listening test, in a CSV file with one row for each sound.

The column `file` is required. These columns are optional:

    description      text with which participants compare the sound
    item             name of the sound in the ratings; by default the name of the file
    role             trial (the default), training, catch, reference or anchor
    pair             name of the pair of recordings that the sound is made from
    block            name of the block that has the sound; by default all blocks have it
    lowest, highest  range of right answers, for a catch trial

All other columns are factors of the experiment.
"""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nst_lib.base.validation import hint

TRIAL, TRAINING, CATCH, REFERENCE, ANCHOR = ROLES = (
    *("trial", "training", "catch", "reference", "anchor"),
)
#: Columns that are not factors.
_COLUMNS = ("file", "item", "role", "pair", "block", "description", "lowest", "highest")
#: Names that a factor cannot have: they are columns of the ratings, or of their counts.
TAKEN = (
    *("listener", "rating", "ratings", "question", "presentation", "position", "plays", "seconds"),
    *("headphones", "complete", "simulated"),
)
#: Further names that factors cannot have in surveys of today.
TAKEN_TODAY = (
    *("headphones_right", "channels", "scale", "part"),
    *("first", "second", "preferred", "right", "a", "b", "x", "chosen"),
)


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
    role : {"trial", "training", "catch", "reference", "anchor"}
        Purpose of the sound. A reference belongs to all sounds of its pair.
    pair : str
        Name of the pair of recordings that the sound is made from; empty if unknown.
    factors : dict of str to str
        The condition of the sound: factor -> level.
    block : str
        Name of the block that has the sound; empty: all blocks that have sounds.
    description : str
        Text with which participants compare the sound.
    lowest, highest : float or None
        Range of right answers for a catch trial; None is no limit.
    """

    file: str
    item: str
    role: str = TRIAL
    pair: str = ""
    factors: dict[str, str] = field(default_factory=dict)
    block: str = ""
    description: str = ""
    lowest: float | None = None
    highest: float | None = None

    def accepts(self, rating: float) -> bool:
        """Whether a rating is a right answer; always true except for catch trials."""
        above = self.lowest is None or rating >= self.lowest
        return above and (self.highest is None or rating <= self.highest)


def read(path: Path, *, taken: Sequence[str] = TAKEN) -> list[Stimulus]:
    """Read a table of sounds. No factor may have one of the names that are taken.

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
    _validate_columns(names, path, taken)
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
    names = [*_COLUMNS[:5], *factors, *_COLUMNS[5:]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for one in stimuli:
            cells = {name: getattr(one, name) for name in _COLUMNS}
            writer.writerow({**cells, **one.factors})


def _validate_columns(names: list[str], path: Path, taken: Sequence[str]) -> None:
    if "file" not in names:
        raise SurveyError(f"{path}: has no column 'file'; add one with the names of the sounds")
    for name in names:
        if not name:
            raise SurveyError(f"{path}: a column has no name; give each column a name")
        if names.count(name) > 1:
            raise SurveyError(f"{path}: has two columns {name!r}; give each its own name")
        if name in taken:
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
            f"column lowest: {lowest:g} is above `highest`; accepted: up to {highest:g}"
        )
    return Stimulus(
        file=cells["file"],
        item=cells.get("item") or Path(cells["file"]).stem,
        role=role,
        pair=cells.get("pair", ""),
        block=cells.get("block", ""),
        factors={name: cell for name, cell in cells.items() if name not in _COLUMNS},
        description=cells.get("description", ""),
        lowest=lowest,
        highest=highest,
    )


def _rating(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SurveyError(f"column {name}: {text!r}; accepted: a number, or an empty cell")
    return int(value) if value.is_integer() else value


def _validate(stimuli: list[Stimulus], path: Path) -> None:
    """Raise SurveyError if a name of an item occurs twice, or some trials lack a pair or level."""
    trials = [one for one in stimuli if one.role == TRIAL]
    if len(trials) < 2:
        raise SurveyError(f"{path}: number of trials {len(trials)}; accepted: 2 or more")
    names = Counter((one.item, one.block) for one in stimuli)
    for one in stimuli:
        if names[one.item, one.block] > 1 or (one.block and names[one.item, ""]):
            raise SurveyError(
                f"{path}: two items are called {one.item!r}; give each its own name in a column "
                "'item'"
            )
    columns = {"pair": [one.pair for one in trials]}
    columns |= {name: [one.factors[name] for one in trials] for name in trials[0].factors}
    for name, cells in columns.items():
        if any(cells) and not all(cells):
            bare = trials[cells.index("")].item
            raise SurveyError(
                f"{path}: item {bare!r} has no {name}; fill this column for all trials, or for none"
            )
