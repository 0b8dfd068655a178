"""The study's claims, checked on the table of results of a batch.

Two levels of a factor are compared at otherwise equal conditions: same pair of recordings, same
other settings, same seed; :mod:`nst_lib.batch.results` says which columns are settings. These
differences are averaged within each pair of recordings, and *pairs* are what is counted: a claim is
about recordings in general, of which the conditions and seeds of one pair are no independent
samples; :mod:`nst_lib.opinions.paired` has their statistics.

Verdict of a claim that a > b: "supported" if the 95 % interval is above 0, "contradicted" if below.
Of a claim that a = b: "supported" if the 90 % interval is within +-margin, however surely it
excludes 0; "contradicted" if not, and the 95 % interval excludes 0, and the mean is outside
+-margin. Else "undecided".
"""

import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lib.base.validation import hint
from nst_lib.batch.results import RESULTS, SCORES, collect, declare, settings
from nst_lib.batch.store import Store
from nst_lib.opinions.paired import Difference, holm, t_interval

if TYPE_CHECKING:
    import pandas as pd

#: Smallest differences of interest, in units of the score: our choice.
MARGINS = {"timbre": 0.05, "texture": 0.05, "rhythm": 0.05, "noise": 1.0}
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
MISSING = "not in this table"
#: What a setting that is not set is called.
_UNSET = "none"


@dataclass(frozen=True)
class Claim:
    """What is claimed of two levels of a factor.

    Attributes
    ----------
    text : str
        In words.
    factor, a, b : str
        A setting and two of its values.
    scores : tuple of str
        What it is claimed of.
    equal : bool
        Whether the claim is a = b; else a > b.
    """

    text: str
    factor: str
    a: str
    b: str
    scores: tuple[str, ...]
    equal: bool = False


#: The study's (D. Milacic, *Neural Style Transfer of Environmental Audio Spectrograms*, 2020).
CLAIMS = (
    Claim("Pooling makes no difference", "pooling", "max", "average", tuple(MARGINS), equal=True),
    Claim("CQT adds noise", "transform", "cqt", "stft", ("noise",)),
    Claim("STFT is nearer the style", "transform", "stft", "cqt", ("timbre", "texture")),
    Claim("CQT keeps more of the content", "transform", "cqt", "stft", ("rhythm",)),
)


@dataclass(frozen=True)
class Finding:
    """What a table says of a claim, in one score.

    Attributes
    ----------
    claim : Claim
        Of what.
    circumstance : str
        Which part of the table.
    score : str
        In what.
    margin : float
        Smallest difference of interest.
    difference : Difference
        Of the two levels; of no pair, where the table has nothing to compare.
    """

    claim: Claim
    circumstance: str
    score: str
    margin: float
    difference: Difference

    @property
    def verdict(self) -> str:
        """One of four words; the module has the rules."""
        if not self.difference.n:
            return MISSING
        low, high = self.difference.interval(0.95)
        if not self.claim.equal:
            return SUPPORTED if low > 0 else CONTRADICTED if high < 0 else UNDECIDED
        if self.beyond == "no":
            return SUPPORTED
        differs = (low > 0 or high < 0) and abs(self.difference.mean) > self.margin
        return CONTRADICTED if differs else UNDECIDED

    @property
    def beyond(self) -> str:
        """Whether the difference exceeds the margin: "yes" or "no" if all of the 90 % interval."""
        low, high = self.difference.interval(0.90)
        if -self.margin < low and high < self.margin:
            return "no"
        return "yes" if low > self.margin or high < -self.margin else "open"

    @property
    def p(self) -> float:
        """The p of equivalence where that is claimed, else of the t test."""
        return self.difference.equivalence(self.margin) if self.claim.equal else self.difference.p


def load(source: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read a table of results.

    Parameters
    ----------
    source : path or URL
        A results.csv, or what `nst batch` wrote it to; where it has not yet, what is done so far.

    Returns
    -------
    pd.DataFrame
        Names its settings: columns that are added to it are none.

    Raises
    ------
    ValueError
        If there is no such table, or it is not clear which of its columns are settings.
    """
    accepted = f"accepted: a {RESULTS}, or the folder that `nst batch` wrote it to"
    if Path(source).is_dir() or "://" in str(source):
        store = Store(source)
        table = _parse(store.read(RESULTS)) if store.exists(RESULTS) else collect(store)
    else:
        try:
            table = _parse(Path(source).read_bytes())
        except OSError as error:
            raise ValueError(f"{source}: cannot read ({error.strerror}); {accepted}") from error
    if "pair" not in table or table.empty:
        raise ValueError(f"{source}: has no results; {accepted}")
    try:
        return declare(table)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def factors(table: "pd.DataFrame") -> dict[str, list[Any]]:
    """Return the settings that vary within a table, with their values, both in order."""
    tidy = _tidy(table)
    levels = {name: list(tidy[name].unique()) for name in settings(table)}
    return {name: values for name, values in levels.items() if len(values) > 1}


def pair_means(
    table: "pd.DataFrame", by: str | Sequence[str], scores: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Return the mean scores of every pair of recordings under every condition.

    Parameters
    ----------
    table : pd.DataFrame
        Of results.
    by : str or sequence of str
        Columns that make a condition; everything else is averaged over, seeds among them.
    scores : sequence of str or None
        Columns to average; None is those of `SCORES` that there are.

    Returns
    -------
    pd.DataFrame
        Columns: those of `by`, pair, scores.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    by = [by] if isinstance(by, str) else list(by)
    chosen = [name for name in SCORES if name in table] if scores is None else list(scores)
    _need(table, "pair", *by, *chosen)
    rows = _tidy(table).groupby([*by, "pair"], sort=False, as_index=False)
    return rows[chosen].mean()


def summarise(
    table: "pd.DataFrame", by: str | Sequence[str], scores: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Return the mean of each score under every condition, with a 95 % t interval over pairs.

    Parameters
    ----------
    table : pd.DataFrame
        Of results.
    by : str or sequence of str
        Columns that make a condition.
    scores : sequence of str or None
        Columns to average; None is those of `SCORES` that there are.

    Returns
    -------
    pd.DataFrame
        Columns: those of `by`, score, mean, low, high, n (pairs). One pair has no interval: NaN.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    by = [by] if isinstance(by, str) else list(by)
    tidy = pair_means(table, by, scores).melt([*by, "pair"], var_name="score", value_name="mean")
    result = tidy.groupby([*by, "score"], sort=False)["mean"].agg(["mean", "std", "count"])
    result["low"], result["high"] = t_interval(result["mean"], result.pop("std"), result["count"])
    return result.assign(n=result.pop("count")).reset_index()


def difference(
    table: "pd.DataFrame",
    factor: str,
    a: Any,
    b: Any,
    score: str,
    where: Mapping[str, Any] | None = None,
) -> Difference:
    """Return the paired difference a - b between two levels of a factor.

    Parameters
    ----------
    table : pd.DataFrame
        Of results.
    factor : str
        A column.
    a, b : Any
        Two of its values.
    score : str
        A column of numbers.
    where : mapping of str to Any or None
        Columns and the value that they must have.

    Raises
    ------
    ValueError
        If a column or a value is not there, or there are less than two pairs to compare.
    """
    found = _difference(_where(table, where or {}), factor, a, b, score)
    if found.n < 2:
        same = [name for name in settings(table) if name != factor] or ["nothing"]
        raise ValueError(
            f"{factor}: {found.n} pairs of recordings have {score} of both {a} and {b}, with all "
            f"else ({', '.join(same)}) equal; accepted: two or more"
        )
    return found


def examine(
    table: "pd.DataFrame",
    *,
    margins: Mapping[str, float] = MARGINS,
    split: str | None = "layer_weights",
    claims: Sequence[Claim] = CLAIMS,
) -> list[Finding]:
    """Look at each claim in each of its scores, for every value of another factor.

    Parameters
    ----------
    table : pd.DataFrame
        Of results.
    margins : mapping of str to float > 0
        Smallest difference of interest in each score.
    split : str or None
        The other factor; None, or one that the table has not, looks at the whole table at once.
    claims : sequence of Claim
        What to look at.

    Raises
    ------
    ValueError
        If the table has no pairs, or a score no margin.
    """
    _need(table, "pair")
    for score in (score for claim in claims for score in claim.scores):
        if score not in margins:
            raise ValueError(f"score {score!r} has no margin; accepted: {', '.join(margins)}")
    parts: dict[str, dict[str, Any]] = {"all": {}}
    if split is not None and split in table:
        words = split.replace("_", " ")
        parts = {f"{value} {words}": {split: value} for value in _tidy(table)[split].unique()}
    return [
        Finding(claim, name, score, margins[score], _claimed(_where(table, where), claim, score))
        for claim in claims
        for score in claim.scores
        for name, where in parts.items()
    ]


def verdicts(
    table: "pd.DataFrame",
    *,
    margins: Mapping[str, float] = MARGINS,
    split: str | None = "layer_weights",
    claims: Sequence[Claim] = CLAIMS,
) -> "pd.DataFrame":
    """Return a table of verdicts; parameters and errors are those of :func:`examine`.

    Returns
    -------
    pd.DataFrame
        Columns: claim; circumstance; score; difference, of what and what; n, pairs; mean; low and
        high, the 95 % interval; d_z; g; p, of equivalence where that is claimed; p Holm, corrected
        for the number of rows; margin; beyond margin, "yes", "no" or "open"; verdict, by p alone.
    """
    import pandas as pd

    rows = [
        {
            "claim": finding.claim.text,
            "circumstance": finding.circumstance,
            "score": finding.score,
            "difference": f"{finding.claim.a} − {finding.claim.b}",
            **{name: getattr(finding.difference, name) for name in ("n", "mean", "low", "high")},
            "d_z": finding.difference.d,
            "g": finding.difference.g,
            "p": finding.p,
            "p Holm": math.nan,
            "margin": finding.margin,
            "beyond margin": finding.beyond,
            "verdict": finding.verdict,
        }
        for finding in examine(table, margins=margins, split=split, claims=claims)
    ]
    result = pd.DataFrame(rows)
    result["p Holm"] = holm(result["p"].tolist())
    return result


def _claimed(table: "pd.DataFrame", claim: Claim, score: str) -> Difference:
    """Return what a claim is about; of no pair, where a column or a level is missing."""
    there = claim.factor in table and score in table
    if not there or not {claim.a, claim.b} <= set(table[claim.factor]):
        return Difference(claim.factor, claim.a, claim.b, score, {}, 0)
    return _difference(table, claim.factor, claim.a, claim.b, score)


def _difference(table: "pd.DataFrame", factor: str, a: Any, b: Any, score: str) -> Difference:
    """Return the difference over however many pairs there are."""
    _need(table, "pair", factor, score)
    same = [name for name in (*settings(table), "seed") if name in table and name != factor]
    sides = [
        _where(table, {factor: level}).groupby(["pair", *same], sort=False)[score].mean()
        for level in (a, b)
    ]
    found = (sides[0] - sides[1]).dropna()
    means = found.groupby(level="pair").mean().to_dict()
    values = {str(pair): float(means[pair]) for pair in table["pair"].unique() if pair in means}
    return Difference(factor, a, b, score, values, len(found))


def _where(table: "pd.DataFrame", where: Mapping[str, Any]) -> "pd.DataFrame":
    """Return the rows with these values."""
    _need(table, *where)
    table = _tidy(table)
    for name, value in where.items():
        rows = table[table[name] == value]
        if rows.empty:
            levels = [str(level) for level in table[name].unique()]
            raise ValueError(f"{name} {value!r} is not in this table; {hint(str(value), levels)}")
        table = rows
    return table


def _tidy(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table in which no setting is NaN, which equals nothing."""
    columns = {name: table[name].astype(object) for name in settings(table)}
    return table.assign(**{name: c.where(c.notna(), _UNSET) for name, c in columns.items()})


def _need(table: "pd.DataFrame", *columns: str) -> None:
    """Raise ValueError unless a table has these columns."""
    for name in columns:
        if name not in table:
            raise ValueError(f"no column {name!r} in this table; {hint(name, map(str, table))}")


def _parse(data: bytes) -> "pd.DataFrame":
    """Read a CSV file; what is not one has no columns."""
    import pandas as pd

    try:
        return pd.read_csv(io.BytesIO(data))
    except ValueError:  # pandas' own errors, and text that is none
        return pd.DataFrame()
