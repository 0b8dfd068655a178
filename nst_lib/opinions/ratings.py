"""Ratings of listeners: one rating per row.

A table has the columns `listener`, `item` (the sound that was rated) and `rating`. It may have

    question         the question that was asked; each question is analysed by itself
    pair             the recordings that an item is made from; the same pair occurs under several
                     conditions
    presentation     1, 2, ...: counts the ratings that a listener gave to the same item; only the
                     first one is analysed
    scale            the range of the ratings, "0,100"; the same for all ratings of a question
    role             trial, reference or anchor (MUSHRA): the hidden reference and the anchors are
                     shown with the conditions and belong to none of them
    lowest, highest  limits of the right answers to a catch trial; a catch trial is no opinion
    simulated        "yes" if nobody has listened

All other columns may be factors of the experiment. The levels of a factor have the same order
everywhere: the declared order if there is one, the sorted order otherwise. Row numbers are those of
a spreadsheet: the header is row 1.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nst_lib.base.validation import hint
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

#: Range of P.800's absolute category rating: bad, poor, fair, good, excellent.
ACR = (1.0, 5.0)
COLUMNS = ("listener", "item", "rating")
YES, NO = "yes", "no"
#: Columns that cannot be factors.
KNOWN = (*COLUMNS, "question", "role", "presentation", "lowest", "highest", "simulated")
#: Roles of the sounds of a MUSHRA page.
TRIAL, REFERENCE, ANCHOR = ROLES = ("trial", "reference", "anchor")


@dataclass(frozen=True)
class Ratings:
    """Checked ratings; :func:`nst_lib.opinions.reading.check` makes them.

    Attributes
    ----------
    table : pd.DataFrame
        The ratings, one per row, with the columns of this module. The index is the row number in
        the file.
    scale : (low, high)
        Range of the ratings; of several questions, that of the first one.
    source : str
        Where the ratings come from, for messages.
    notes : tuple of str
        Remarks about the file that a reader may not expect.
    scales : dict of str to (low, high)
        Question -> range of its ratings, if the table has ranges.
    """

    table: "pd.DataFrame"
    scale: tuple[float, float] = ACR
    source: str = "ratings"
    notes: tuple[str, ...] = ()
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether any of the ratings is simulated."""
        return "simulated" in self.table and bool((self.table["simulated"] == YES).any())

    @cached_property
    def opinions(self) -> "pd.DataFrame":
        """The rows that count: trials only, and only the first rating of a repeated item.

        Catch trials, hidden references and anchors are no trials.
        """
        table = self._first
        return table[table["role"] == TRIAL] if "role" in table else table

    @property
    def _first(self) -> "pd.DataFrame":
        """The first ratings of all sounds that are no catch trials."""
        table = self.table[~catch_trials(self.table)]
        return table[table["presentation"] == 1] if "presentation" in table else table

    @cached_property
    def hidden(self) -> "Ratings":
        """The ratings of hidden references and anchors, which have the column `condition`.

        Its levels are "reference", and the names of the anchors without that of their pair: "anchor
        7 kHz" or "anchor70". There may be no such ratings.
        """
        table = self._first
        table = table[table["role"] != TRIAL] if "role" in table else table.iloc[:0]
        names = [
            REFERENCE if row["role"] == REFERENCE else _without(row["item"], row.get("pair", ""))
            for row in table.to_dict("records")
        ]
        return replace(self, table=table.assign(role=TRIAL, condition=names))

    @property
    def listeners(self) -> list[str]:
        """Names of the listeners, in order of appearance."""
        return list(self.table["listener"].unique())

    @property
    def questions(self) -> list[str]:
        """Names of the questions; one empty name if there is no such column."""
        return list(self.table["question"].unique()) if "question" in self.table else [""]

    @property
    def unit(self) -> str:
        """The random sample besides listeners: "pair" if there is such a column, else "item"."""
        return "pair" if "pair" in self.table else "item"

    @property
    def units(self) -> tuple[str, str]:
        """The two columns that are random samples: "listener", and :attr:`unit`."""
        return "listener", self.unit

    def of(self, question: str) -> "Ratings":
        """Return the ratings of one question."""
        if not question and "question" not in self.table:
            return self
        if question not in self.questions:
            raise RatingsError(
                f"{self.source}: no question {question!r}; {hint(question, self.questions)}"
            )
        table = self.table[self.table["question"] == question]
        return replace(self, table=table, scale=self.scales.get(question, self.scale))

    def without(self, listeners: Collection[str]) -> "Ratings":
        """Return the ratings of all other listeners."""
        return replace(self, table=self.table[~self.table["listener"].isin(list(listeners))])

    def ordered(self, order: Mapping[str, Sequence[Any]]) -> "Ratings":
        """Return the same ratings with a declared order of the levels of some factors.

        All tables and figures use this order, and a difference is the later level - the earlier
        one. Factors that are not named keep the order of :func:`levels`.

        Parameters
        ----------
        order : mapping of str to sequence
            Factor -> all its levels.

        Raises
        ------
        RatingsError
            If there is no such factor, or the levels are not those of the factor.
        """
        import pandas as pd

        table = self.table
        for name, wanted in order.items():
            if name not in self.factors:
                raise RatingsError(f"{self.source}: order: {self._no_factor(name)}")
            there = {_text(level): level for level in levels(self.opinions[name])}
            given = [_text(level) for level in wanted]
            if sorted(given) != sorted(there):
                raise RatingsError(
                    f"{self.source}: order of {name}: {', '.join(given)}; name each of its levels "
                    f"once: {', '.join(there)}"
                )
            kinds = pd.CategoricalDtype([there[level] for level in given], ordered=True)
            table = table.assign(**{name: table[name].astype(kinds)})
        return replace(self, table=table)

    def design(self, factors: Sequence[str]) -> "pd.DataFrame":
        """Return the opinions with factors as ordered categories, so that they group in order."""
        import pandas as pd

        table = self.opinions
        kinds = {name: pd.CategoricalDtype(levels(table[name]), ordered=True) for name in factors}
        return table.astype(kinds)

    @property
    def factors(self) -> list[str]:
        """Names of the columns that may be factors."""
        ranges = ("scale",) if self.scales else ()
        return [str(name) for name in self.table if name not in (*KNOWN, *ranges)]

    def validate_factors(self, factors: Sequence[str]) -> None:
        """Raise RatingsError unless each factor has two or more levels and one value per item."""
        table = self.opinions
        for name in factors:
            if name in KNOWN or name not in table:
                raise RatingsError(f"{self.source}: {self._no_factor(name)}")
        for name in dict.fromkeys((*factors, *(["pair"] if "pair" in table else []))):
            self._validate_items(name)
        for name in factors:
            if table[name].nunique() < 2:
                raise RatingsError(
                    f"{self.source}: column {name} is {table[name].iloc[0]!r} in all rows; choose "
                    "a factor with two or more levels"
                )

    def _validate_items(self, name: str) -> None:
        """Raise RatingsError unless a column has one value per item."""
        table = self.opinions
        first: dict[str, Any] = {}
        bare = table.index[table[name].isna() | (table[name].astype(str).str.strip() == "")]
        if len(bare):
            raise RatingsError(
                f"{self.source}: row {bare[0]}, column {name}: the cell is empty; fill in a value"
            )
        for row, item, value in zip(table.index, table["item"], table[name], strict=True):
            seen = first.setdefault(item, (value, row))
            if seen[0] != value:
                raise RatingsError(
                    f"{self.source}: row {row}, column {name}: {value!r}, but item {item!r} has "
                    f"{seen[0]!r} in row {seen[1]}; give an item the same value in all rows"
                )

    def _no_factor(self, name: str) -> str:
        """Return the message about a name that is no factor."""
        advice = hint(name, self.factors) if self.factors else "the table has no factors"
        return f"no factor {name!r}; {advice}"


def levels(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels of a factor: in the declared order if there is one, sorted otherwise.

    Levels that look like numbers come first and are sorted as numbers. Numbers within names are
    compared as numbers too, so that "system 2" comes before "system 10".
    """
    import pandas as pd

    there = list(column.unique())
    if isinstance(column.dtype, pd.CategoricalDtype):
        return sorted(there, key=list(column.cat.categories).index)
    return sorted(there, key=_rank)


def condition(table: "pd.DataFrame", factors: Sequence[str]) -> "pd.Series[Any]":
    """Return the name of the condition of each row: "stft, max"."""
    return table[list(factors)].astype(str).agg(", ".join, axis=1)


def cells(table: "pd.DataFrame", factors: Sequence[str]) -> list[str]:
    """Return the names of the conditions that occur, in the order of their levels."""
    import pandas as pd

    there = table[list(factors)].drop_duplicates(ignore_index=True)
    places = {name: there[name].map(levels(there[name]).index).astype(int) for name in factors}
    order = pd.DataFrame(places).sort_values(list(factors)).index
    return condition(there.loc[order], factors).tolist()


def catch_trials(table: "pd.DataFrame") -> "pd.Series[bool]":
    """Return for each row whether it is a catch trial."""
    answers = table.reindex(columns=["lowest", "highest"])
    return (answers.notna() & (answers.astype(str) != "")).any(axis=1)


def describe(ratings: Ratings) -> list[str]:
    """Return what one should know about ratings before they are analysed, as lines of text."""
    table = ratings.opinions
    items = table[["item"] + (["question"] if "question" in table else [])].drop_duplicates()
    counts = table.groupby("listener", sort=False).size()
    parts = {"rating": len(table), "listener": len(counts), "item": table["item"].nunique()}
    lines = [", ".join(_count(*part) for part in parts.items())]
    short = counts[counts < len(items)]
    if len(short):
        lines.append(
            f"missing: {_count('rating', len(items) * len(counts) - len(table))} of "
            f"{_count('listener', len(short))}; {short.idxmin()} gave {short.min()} of {len(items)}"
        )
    spread = table.groupby("listener", sort=False)["rating"].nunique()
    same = spread[(spread == 1) & (counts > 1)].index
    if len(same):
        lines.append(f"always the same rating from {', '.join(map(str, same))}")
    return lines


def _rank(level: Any) -> tuple[bool, float, list[Any]]:
    """Return the key by which levels are sorted."""
    parts: list[Any] = re.split(r"(\d+)", str(level))
    parts[1::2] = map(int, parts[1::2])
    try:
        number = float(level)
    except ValueError:
        return True, 0.0, parts
    return (True, 0.0, parts) if math.isnan(number) else (False, number, parts)


def _without(item: str, pair: str) -> str:
    """Return the name of an anchor without that of its pair."""
    return (item.replace(pair, "") if pair else item).strip(" /_-~") or ANCHOR


def _text(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _count(name: str, count: int) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
