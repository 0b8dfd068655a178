"""Choices of listeners between two sounds: one answer per row. There are two kinds of tables.

    preferences   first, second: the two sounds in the order of playing; preferred: first, second or
                  tie
    abx           a, b: the two sounds; x: the sound that was played as X, a or b; chosen: the
                  answer, a or b

Both have the column `listener`. They may have

    question       the question that was asked; each question is analysed by itself
    pair           the recordings that both sounds are made from
    presentation   1, 2, ...: counts the answers of a listener to the same comparison; of
                   preferences only the first one is analysed, of ABX trials all are
    right          first or second: the right answer to a catch trial, which is no opinion; empty
                   for all other rows (preferences)
    simulated      "yes" if nobody has listened

A factor has two columns: `first_pooling` and `second_pooling`, or `a_pooling` and `b_pooling`.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.base.validation import hint
from nst_lib.opinions import reading, tables
from nst_lib.opinions.ratings import NO, YES, cells, condition, levels
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

Codes = npt.NDArray[np.int64]
PREFERENCES, ABX = "preferences", "abx"
TIE = "tie"
#: Kind of a table -> the columns of its two sounds.
SIDES = {PREFERENCES: ("first", "second"), ABX: ("a", "b")}
#: Kind of a table -> the columns that make it this kind.
_OWN = {PREFERENCES: ("preferred",), ABX: ("x", "chosen")}
#: Column -> its texts, for each kind.
_TEXTS: dict[str, dict[str, tuple[str, ...]]] = {
    PREFERENCES: {"preferred": ("first", "second", TIE)},
    ABX: {"x": ("a", "b"), "chosen": ("a", "b")},
}


@dataclass(frozen=True)
class Choices:
    """Checked choices; :func:`check` makes them.

    Attributes
    ----------
    table : pd.DataFrame
        The answers, one per row, with the columns of this module. The index is the row number in
        the file.
    kind : {"preferences", "abx"}
        What listeners were asked for.
    source : str
        Where the answers come from, for messages.
    notes : tuple of str
        Remarks about the file that a reader may not expect.
    order : dict of str to list
        Factor -> all its levels, in the declared order.
    """

    table: "pd.DataFrame"
    kind: str
    source: str = "choices"
    notes: tuple[str, ...] = ()
    order: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[str, str]:
        """The columns of the two sounds."""
        return SIDES[self.kind]

    @property
    def simulated(self) -> bool:
        """Whether any of the answers is simulated."""
        return "simulated" in self.table and bool((self.table["simulated"] == YES).any())

    @cached_property
    def opinions(self) -> "pd.DataFrame":
        """The rows that count: no catch trials, and of preferences no repeated comparison."""
        table = self.table[~self.catch_trials]
        if self.kind == PREFERENCES and "presentation" in table:
            table = table[table["presentation"] == 1]
        return table

    @property
    def catch_trials(self) -> "pd.Series[bool]":
        """For each row, whether it is a catch trial."""
        right = self.table.get("right")
        return self.table["listener"].isna() if right is None else right != ""

    @property
    def listeners(self) -> list[str]:
        """Names of the listeners, in order of appearance."""
        return list(self.table["listener"].unique())

    @property
    def questions(self) -> list[str]:
        """Names of the questions; one empty name if there is no such column."""
        return list(self.table["question"].unique()) if "question" in self.table else [""]

    @property
    def factors(self) -> list[str]:
        """Names of the factors: those that both sounds have."""
        first, second = (f"{side}_" for side in self.sides)
        names = [name for name in map(str, self.table) if name.startswith(first)]
        names = [name.removeprefix(first) for name in names]
        return [name for name in names if second + name in self.table]

    def of(self, question: str) -> "Choices":
        """Return the answers to one question."""
        if not question and "question" not in self.table:
            return self
        return replace(self, table=self.table[self.table["question"] == question])

    def without(self, listeners: Collection[str]) -> "Choices":
        """Return the answers of all other listeners."""
        return replace(self, table=self.table[~self.table["listener"].isin(list(listeners))])

    def missed(self) -> "pd.Series[int]":
        """Return the number of catch trials that each listener answered wrongly."""
        table = self.table[self.catch_trials]
        if table.empty:
            return self.table["listener"].iloc[:0].value_counts()
        return (table["preferred"] != table["right"]).groupby(table["listener"]).sum().astype(int)

    def ordered(self, order: Mapping[str, Sequence[str]]) -> "Choices":
        """Return the same answers with a declared order of the levels of some factors.

        Raises
        ------
        RatingsError
            If there is no such factor, or the levels are not those of the factor.
        """
        for name, wanted in order.items():
            self.validate_factors([name])
            there = levels(self._long([name])[name])
            if sorted(wanted) != sorted(there):
                raise RatingsError(
                    f"{self.source}: order of {name}: {', '.join(wanted)}; name each of its levels "
                    f"once: {', '.join(there)}"
                )
        return replace(self, order={**self.order, **{k: list(v) for k, v in order.items()}})

    def validate_factors(self, factors: Sequence[str]) -> None:
        """Raise RatingsError unless both sounds have each factor, with one value per item."""
        for name in factors:
            if name not in self.factors:
                advice = hint(name, self.factors) if self.factors else "the table has no factors"
                raise RatingsError(f"{self.source}: no factor {name!r}; {advice}")
            long = self._long([name])
            bare = long.index[long[name].str.strip() == ""]
            if len(bare):
                raise RatingsError(
                    f"{self.source}: row {bare[0]}: a sound has no {name}; fill in the level"
                )
            several = long.groupby("item", sort=False)[name].nunique()
            if (several > 1).any():
                raise RatingsError(
                    f"{self.source}: item {several.idxmax()!r} has {several.max()} values of "
                    f"{name}; give an item the same value in all rows"
                )

    def coded(self, factors: Sequence[str]) -> tuple[list[str], Codes, Codes]:
        """Return the conditions, and which of them the two sounds of each opinion have.

        Parameters
        ----------
        factors : sequence of str
            Factors that make a condition; none: each item is a condition.

        Returns
        -------
        names : list of str
            Names of the conditions in the order of their levels: "stft, max".
        left, right : arrays of int, shape=(opinions,)
            Index of the condition of the first (or A) and of the second sound (or B).
        """
        import pandas as pd

        by = list(factors) or ["item"]
        long = self._long(factors)
        for name, declared in self.order.items():
            if name in by:
                long[name] = long[name].astype(pd.CategoricalDtype(declared, ordered=True))
        names = cells(long, by)
        codes = condition(long, by).map({name: k for k, name in enumerate(names)}).to_numpy(int)
        half = len(codes) // 2
        return names, codes[:half].astype(np.int64), codes[half:].astype(np.int64)

    def _long(self, factors: Sequence[str]) -> "pd.DataFrame":
        """Return the sounds of all opinions with their factors: all first ones, then the others."""
        import pandas as pd

        table = self.opinions
        return pd.concat(
            [
                pd.DataFrame(
                    {"item": table[side], **{name: table[f"{side}_{name}"] for name in factors}}
                )
                for side in self.sides
            ]
        )


def kind(columns: Iterable[str]) -> str | None:
    """Return the kind of choices that a table with these columns has; None for ratings."""
    there = set(columns)
    return next((name for name, own in _OWN.items() if there.issuperset(own)), None)


def read(
    source: str | os.PathLike[str],
    *,
    items: str | os.PathLike[str] | None = None,
    pattern: str | None = None,
) -> Choices:
    """Read choices from a file and check them.

    Parameters
    ----------
    source : path
        CSV file with the columns of this module.
    items : path, URL or None
        Table with more columns for each item: a CSV file with a column `item` (or `id`), or the
        folder of a batch. They become factors.
    pattern : str or None
        Regular expression that is searched for in the names of the items. Its named groups become
        factors.

    Raises
    ------
    RatingsError
        If there is no such file, or if something in it is wrong.
    """
    text = tables.read_table(Path(source))
    found = kind(map(str, text.frame))
    if found is None:
        raise RatingsError(
            f"{text.source}: has no choices; accepted: the columns listener, first, second, "
            "preferred, or listener, a, b, x, chosen"
        )
    table = text.frame
    for side in SIDES[found] if items is not None or pattern is not None else ():
        if side in table:
            table = _with_factors(table, side, text, items, pattern)
    return replace(check(table, source=text.source), notes=tuple(dict.fromkeys(text.notes)))


def check(table: "pd.DataFrame", *, source: str = "choices") -> Choices:
    """Check a table of choices: every cell is filled with an accepted text.

    Parameters
    ----------
    table : pd.DataFrame
        Choices with the columns of this module.
    source : str
        Where the choices come from, for messages.

    Raises
    ------
    RatingsError
        If something is wrong. The message has source, row and column of the fault.
    """
    found = kind(map(str, table))
    needed = ("listener", *SIDES[found], *_OWN[found]) if found else ()
    if found is None or not set(needed) <= set(table):
        lacking = [name for name in needed if name not in table] or ["preferred", "chosen"]
        raise RatingsError(
            f"{source}: no column {' or '.join(map(repr, lacking))}; accepted: listener, first, "
            "second, preferred, or listener, a, b, x, chosen"
        )
    if table.empty:
        raise RatingsError(f"{source}: has no answers; add one row for each answer")
    table = table.copy()
    names = [*needed[:3], *(name for name in ("question", "pair") if name in table)]
    sided = tuple(f"{side}_" for side in SIDES[found])
    optional = [name for name in table if name == "right" or str(name).startswith(sided)]
    for name in (*names, *optional):
        table[name] = table[name].map(_word)
    no_catch = table["right"] == "" if "right" in table else table["listener"].notna()
    for name in names:
        bare = table[name].str.strip() == ""
        bare &= no_catch if name == "pair" else True
        _refuse(table, name, bare, source, "give a name")
    accepted = dict(_TEXTS[found])
    if "right" in optional:
        accepted["right"] = ("first", "second", "")
    if "simulated" in table:
        accepted["simulated"] = (YES, NO)
    for name, texts in accepted.items():
        words = ", ".join(text or "nothing" for text in texts)
        _refuse(table, name, ~table[name].isin(texts), source, f"accepted: {words}")
    if "presentation" in table:
        table["presentation"] = _counted(table["presentation"], source)
    checked = Choices(table, found, source)
    if checked.opinions.empty:
        raise RatingsError(f"{source}: has only catch trials; add answers to other comparisons")
    return checked


def describe(choices: Choices) -> list[str]:
    """Return what one should know about choices before they are analysed, as lines of text."""
    table = choices.opinions
    items = set(table[choices.sides[0]]) | set(table[choices.sides[1]])
    counts = table.groupby("listener", sort=False).size()
    parts = {"answer": len(table), "listener": len(counts), "item": len(items)}
    lines = [", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in parts.items())]
    if counts.min() < counts.max():
        lines.append(f"{counts.min()} to {counts.max()} answers of a listener")
    answer = _OWN[choices.kind][-1]
    spread = table.groupby("listener", sort=False)[answer].nunique()
    same = spread[(spread == 1) & (counts > 3)].index
    if len(same):
        lines.append(f"always the same answer from {', '.join(map(str, same))}")
    return lines


def _word(cell: Any) -> str:
    """Return a cell as text: nothing is empty, and 2.0 is "2"."""
    if isinstance(cell, float):
        return "" if np.isnan(cell) else f"{cell:g}"
    return "" if cell is None else str(cell)


def _counted(column: "pd.Series[Any]", source: str) -> "pd.Series[Any]":
    """Return a column of counts as numbers."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    wrong = ~((numbers >= 1) & (numbers % 1 == 0))
    _refuse(column.to_frame(), str(column.name), wrong, source, "accepted: 1, 2, ...")
    return numbers


def _refuse(
    table: "pd.DataFrame", name: str, wrong: "pd.Series[bool]", source: str, advice: str
) -> None:
    """Raise RatingsError if a cell of a column is wrong."""
    if not wrong.any():
        return
    row = table.index[wrong][0]
    given = str(table.loc[row, name]).strip()
    what = repr(given) if given else "the cell is empty"
    more = int(wrong.sum()) - 1
    tail = f" ({more} more {'fault' if more == 1 else 'faults'})" if more else ""
    raise RatingsError(f"{source}: row {row}, column {name}: {what}; {advice}{tail}")


def _with_factors(
    table: "pd.DataFrame",
    side: str,
    text: tables.Text,
    items: str | os.PathLike[str] | None,
    pattern: str | None,
) -> "pd.DataFrame":
    """Add the factors of one of the two sounds, from a table of items or from its name."""
    sounds = table[[side]].rename(columns={side: "item"})
    if "right" in table:
        sounds = sounds[table["right"] == ""]
    known = reading.with_factors(sounds, text, items=items, pattern=pattern)
    new = known.drop(columns="item").add_prefix(f"{side}_")
    return table.join(new[[name for name in new if name not in table]])
