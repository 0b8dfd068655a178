"""Rules that say which listeners are left out. They are fixed before anybody has rated.

As in ITU-T P.808 (2018), listeners are left out who answered catch trials wrongly, who gave nearly
the same rating to everything, or whose ratings disagree with those of all others. Results are
always given with these listeners and without them.
"""

import os
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import field_validator

from nst_lib.base.validation import Model, hint, setting
from nst_lib.opinions import reliability
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.tables import RatingsError

#: Share of the range of a scale that the standard deviation of many ratings cannot exceed.
HALF = 0.5
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

    def validate_listeners(self, ratings: Ratings) -> None:
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
        least = self.min_sd * (high - low)
        found = {}
        for row in reliability.listeners(ratings).to_dict("records"):
            reasons = []
            missed = row["missed"]
            if row["listener"] in self.listeners:
                reasons.append("named in the rules")
            if missed > self.max_missed:
                trials = "catch trial" if missed == 1 else "catch trials"
                reasons.append(f"{missed} {trials} answered wrongly, {self.max_missed} allowed")
            if row["n"] > 1 and row["sd"] < least:
                reasons.append(f"standard deviation {row['sd']:.2f} is below {least:g}")
            elif row["correlation"] < self.min_correlation:
                reasons.append(
                    f"correlation {row['correlation']:.2f} with the others is below "
                    f"{self.min_correlation:g}"
                )
            if reasons:
                found[str(row["listener"])] = "; ".join(reasons)
        return found
