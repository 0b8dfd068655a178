"""Rules that say which listeners are left out. They are fixed before anybody has rated.

As in ITU-T P.808 (2018), listeners are left out who answered catch trials wrongly, who gave nearly
the same rating to everything, or whose ratings disagree with those of all others. If a test has
hidden references and anchors, the post-screening of ITU-R BS.1534-3 (2015) leaves out listeners who
rated the hidden reference below 90 on more than 15 % of the pages, or the mid-range
anchor above 90. Pages on which more than 25 % of the listeners rated this anchor above 90 do not
count for the anchor. Results are always given with these listeners and without them.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import field_validator

from nst_lib.base.validation import Model, hint, setting
from nst_lib.opinions import reliability
from nst_lib.opinions.choices import Choices
from nst_lib.opinions.ratings import REFERENCE, Ratings
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

#: Share of the range of a scale that the standard deviation of many ratings cannot exceed.
HALF = 0.5
#: The score 90 of BS.1534-3, as a share of the range of the scale.
NINETY = 0.9
#: If more listeners than this share rate the anchor of a page above it, the page does not count.
TOO_GOOD = 0.25
#: Names of the mid-range anchor: ours, and webMUSHRA's.
_MIDDLE = re.compile(r"anchor *(7|7\.0|70|7000)( *k?Hz)?", re.IGNORECASE)
_SHARE = "a share of the range of the scale (0.25 points on a scale from 1 to 5 are 0.25 / 4)"


class Rules(Model):
    """Limits beyond which a listener is left out. The default numbers are our choice."""

    Error: ClassVar[type[ValueError]] = RatingsError
    noun: ClassVar[str] = "rule"

    max_missed: int = setting(0, "Number of catch trials that may be answered wrongly.", ge=0)
    min_sd: float = setting(
        0.0625,
        "Least standard deviation of a listener's ratings, as a share of the range of the scale.",
        words=_SHARE,
        ge=0,
        le=HALF,
    )
    min_correlation: float = setting(
        0.2,
        "Least correlation with the mean of all other listeners, over the items that were rated.",
        allow_inf_nan=True,
    )
    max_reference: float = setting(
        0.15,
        "Largest share of the pages on which the hidden reference may be rated below 90.",
        ge=0,
        le=1,
    )
    max_anchor: float = setting(
        0.15,
        "Largest share of the pages on which the mid-range anchor may be rated above 90.",
        ge=0,
        le=1,
    )
    listeners: tuple[str, ...] = setting(
        (), "Listeners who are left out for reasons from elsewhere.", words="a list of names"
    )

    @field_validator("listeners", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Return names as text: YAML reads some of them as numbers."""
        return tuple(map(str, value)) if isinstance(value, list | tuple) else value

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read rules from a YAML file. Rules that are not in the file keep their defaults.

        Raises
        ------
        RatingsError
            If the file cannot be read, or if it has an unknown rule or a wrong value.
        """
        import yaml

        accepted = f"accepted: a YAML file with some of {', '.join(cls.model_fields)}"
        try:
            given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise RatingsError(f"{path}: cannot read ({error.strerror}); {accepted}") from error
        except (ValueError, yaml.YAMLError) as error:
            raise RatingsError(f"{path}: {' '.join(str(error).split())}; {accepted}") from error
        if not isinstance(given, dict):
            raise RatingsError(f"{path}: has no rules; {accepted}")
        try:
            return cls(**{str(name): value for name, value in given.items()})
        except RatingsError as error:
            raise RatingsError(f"{path}: {error}") from None

    def validate_listeners(self, ratings: Ratings | Choices) -> None:
        """Raise RatingsError unless the listeners whom the rules name are there."""
        for name in self.listeners:
            if name not in ratings.listeners:
                raise RatingsError(f"rules: no listener {name!r}; {hint(name, ratings.listeners)}")

    def excluded(self, ratings: Ratings) -> dict[str, str]:
        """Return the listeners who are left out and the reasons; it may be all listeners.

        Parameters
        ----------
        ratings : Ratings
            Ratings of one question.
        """
        low, high = ratings.scale
        pages = self._pages(ratings)
        least = self.min_sd * (high - low)
        found = {}
        for row in reliability.listeners(ratings).to_dict("records"):
            reasons = self._reasons(str(row["listener"]), row["missed"])
            if row["n"] > 1 and row["sd"] < least:
                reasons.append(f"standard deviation {row['sd']:.2f} is below {least:g}")
            elif row["correlation"] < self.min_correlation:
                reasons.append(
                    f"correlation {row['correlation']:.2f} with the others is below "
                    f"{self.min_correlation:g}"
                )
            reasons += pages.get(str(row["listener"]), [])
            if reasons:
                found[str(row["listener"])] = "; ".join(reasons)
        return found

    def _pages(self, ratings: Ratings) -> dict[str, list[str]]:
        """Return why listeners are left out by the post-screening of BS.1534-3."""
        found: dict[str, list[str]] = {}
        for what, way, limit in (
            ("hidden reference", "below", self.max_reference),
            ("mid-range anchor", "above", self.max_anchor),
        ):
            wrong = misrated(ratings, reference=way == "below")
            for name, own in wrong.groupby(wrong["listener"], sort=False)["wrong"]:
                if own.mean() > limit:
                    text = f"the {what} is rated {way} {_ninety(ratings):g} on {own.sum()} of "
                    text += f"{len(own)} pages, {limit:.0%} allowed"
                    found.setdefault(str(name), []).append(text)
        return found

    def excluded_choosers(self, choices: Choices) -> dict[str, str]:
        """Return the listeners who are left out of choices between two sounds, and the reasons.

        Only `max_missed` and `listeners` apply.

        Parameters
        ----------
        choices : Choices
            Choices of one question.
        """
        missed = choices.missed()
        found = {name: self._reasons(name, int(missed.get(name, 0))) for name in choices.listeners}
        return {name: "; ".join(reasons) for name, reasons in found.items() if reasons}

    def _reasons(self, listener: str, missed: int) -> list[str]:
        """Return why a listener is left out, whatever the kind of test."""
        reasons = []
        if listener in self.listeners:
            reasons.append("named in the rules")
        if missed > self.max_missed:
            trials = "catch trial" if missed == 1 else "catch trials"
            reasons.append(f"{missed} {trials} answered wrongly, {self.max_missed} allowed")
        return reasons


def misrated(ratings: Ratings, *, reference: bool) -> "pd.DataFrame":
    """Return whether hidden references or mid-range anchors were rated on the wrong side of 90.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    reference : bool
        True for hidden references (below 90 is wrong), False for mid-range anchors (above 90 is
        wrong). Anchors of pages on which more than a quarter of the listeners rated them above 90
        are left out.

    Returns
    -------
    pd.DataFrame
        Columns: listener, item, wrong. Empty if the test has no such sounds.
    """
    table = ratings.hidden.table
    if reference:
        rows = table[table["condition"] == REFERENCE]
        return rows[["listener", "item"]].assign(wrong=rows["rating"] < _ninety(ratings))
    names = [name for name in table["condition"].unique() if _MIDDLE.fullmatch(name)]
    rows = table[table["condition"].isin(names)]
    result = rows[["listener", "item"]].assign(wrong=rows["rating"] > _ninety(ratings))
    return result[result.groupby("item")["wrong"].transform("mean") <= TOO_GOOD]


def _ninety(ratings: Ratings) -> float:
    low, high = ratings.scale
    return low + NINETY * (high - low)
