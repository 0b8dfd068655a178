"""The study's claims, checked on the table of results of a batch.

:mod:`nst_lib.opinions.comparison` compares the two levels that a claim is about, and pairs of
recordings are the sample. A claim gets one of these verdicts:

- A claim that a > b is "supported" if the 95 % interval of a - b is above 0, and "contradicted" if
  it is below 0.
- A claim that a = b is "supported" if the 90 % interval is within +-margin, even if it excludes 0.
  It is "contradicted" if that is not so, the 95 % interval excludes 0 and the mean is outside
  +-margin.
- Otherwise the claim is "undecided".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nst_lib.opinions.comparison import (
    paired_difference,
    rows_where,
    validate_columns,
    without_gaps,
)
from nst_lib.opinions.paired import Difference, holm

if TYPE_CHECKING:
    import pandas as pd

#: Smallest difference of interest in each score, in units of the score: our choice.
MARGINS = {"timbre": 0.05, "texture": 0.05, "rhythm": 0.05, "noise": 1.0}
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
#: Verdict if the table has nothing to compare.
MISSING = "not in this table"


@dataclass(frozen=True)
class Claim:
    """A claim about two levels of a factor.

    Attributes
    ----------
    text : str
        The claim in words.
    factor, a, b : str
        A setting and two of its values.
    scores : tuple of str
        The scores that the claim is about.
    equal : bool
        True if the claim is a = b, False if it is a > b.
    """

    text: str
    factor: str
    a: str
    b: str
    scores: tuple[str, ...]
    equal: bool = False


#: The claims of the study (D. Milacic, *Neural Style Transfer of Environmental Audio
#: Spectrograms*, 2020).
CLAIMS = (
    Claim("Pooling makes no difference", "pooling", "max", "average", tuple(MARGINS), equal=True),
    Claim("CQT adds noise", "transform", "cqt", "stft", ("noise",)),
    Claim("STFT is nearer the style", "transform", "stft", "cqt", ("timbre", "texture")),
    Claim("CQT keeps more of the content", "transform", "cqt", "stft", ("rhythm",)),
)


@dataclass(frozen=True)
class Finding:
    """What a table says about a claim, for one score.

    Attributes
    ----------
    claim : Claim
        The claim.
    circumstance : str
        The part of the table that was looked at, in words.
    score : str
        The score.
    margin : float
        Smallest difference of interest.
    difference : Difference
        Difference between the two levels; it has no pairs if the table has nothing to compare.
    """

    claim: Claim
    circumstance: str
    score: str
    margin: float
    difference: Difference

    @property
    def verdict(self) -> str:
        """Verdict by the rules of this module, or `MISSING`."""
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
        """Whether the 90 % interval is outside the margin: "yes", "no" (inside) or "open"."""
        low, high = self.difference.interval(0.90)
        if -self.margin < low and high < self.margin:
            return "no"
        return "yes" if low > self.margin or high < -self.margin else "open"

    @property
    def p(self) -> float:
        """The p of the test of equivalence if the claim is a = b, else p of the t test."""
        return self.difference.equivalence(self.margin) if self.claim.equal else self.difference.p


def examine(
    table: "pd.DataFrame",
    *,
    margins: Mapping[str, float] = MARGINS,
    split: str | None = "layer_weights",
    claims: Sequence[Claim] = CLAIMS,
) -> list[Finding]:
    """Check each claim in each of its scores, separately for each level of another factor.

    Parameters
    ----------
    table : pd.DataFrame
        Table of results.
    margins : mapping of str to float > 0
        Score -> smallest difference of interest.
    split : str or None
        The other factor. If it is None, or not in the table, the whole table is one part.
    claims : sequence of Claim
        Claims to check.

    Raises
    ------
    ValueError
        If the table has no pairs, or if a score has no margin.
    """
    validate_columns(table, "pair")
    table = without_gaps(table)
    for score in (score for claim in claims for score in claim.scores):
        if score not in margins:
            raise ValueError(f"score {score!r} has no margin; accepted: {', '.join(margins)}")
    parts: dict[str, dict[str, Any]] = {"all": {}}
    if split is not None and split in table:
        words = split.replace("_", " ")
        parts = {f"{value} {words}": {split: value} for value in table[split].unique()}
    return [
        Finding(
            claim, name, score, margins[score], _claimed(rows_where(table, where), claim, score)
        )
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
        Columns: claim; circumstance; score; difference, "a − b"; n, the number of pairs; mean; low
        and high, the 95 % interval; d_z and g, effect sizes; p, of the test of equivalence if the
        claim is a = b; p Holm, corrected for the number of rows; margin; beyond margin, "yes", "no"
        or "open"; verdict, by intervals that are not corrected.
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
    """Return the difference of a claim; it has no pairs if a column or a level is missing."""
    there = claim.factor in table and score in table
    if not there or not {claim.a, claim.b} <= set(table[claim.factor]):
        return Difference(claim.factor, claim.a, claim.b, score, {}, 0)
    return paired_difference(table, claim.factor, claim.a, claim.b, score)
