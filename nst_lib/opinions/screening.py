"""Who is left out, by rules that are fixed before anybody has rated.

In the manner of ITU-T P.808 (2018): listeners who failed catch trials, or gave the same rating to
nearly everything, or rate against all others. Results are always given with and without them.
"""

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path

from nst_lib.base.validation import hint
from nst_lib.opinions import reliability
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.tables import RatingsError

#: Share of the range of a scale that no standard deviation of many ratings exceeds.
HALF = 0.5


@dataclass(frozen=True)
class Rules:
    """When a listener is left out. The numbers are our choice.

    Attributes
    ----------
    max_missed : int
        Catch trials that may be answered wrongly.
    min_sd : float
        Standard deviation of a listener's ratings, as a share of the range of the scale: 0.0625 is
        a quarter of a point from 1 to 5.
    min_correlation : float
        Correlation with the mean of all others, over the items that the listener rated.
    listeners : tuple of str
        Who is left out whatever they rated, for reasons from elsewhere.
    """

    max_missed: int = 0
    min_sd: float = 0.0625
    min_correlation: float = 0.2
    listeners: tuple[str, ...] = field(default=())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Rules":
        """Read rules from a YAML file; what it does not name keeps its default.

        Raises
        ------
        RatingsError
            If it cannot be read, or names something else.
        """
        import yaml

        names = [f.name for f in dataclasses.fields(cls)]
        accepted = f"accepted: a YAML file with some of {', '.join(names)}"
        try:
            given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise RatingsError(f"{path}: cannot read ({error.strerror}); {accepted}") from error
        except (ValueError, yaml.YAMLError) as error:
            raise RatingsError(f"{path}: {' '.join(str(error).split())}; {accepted}") from error
        if not isinstance(given, dict):
            raise RatingsError(f"{path}: is no table of settings; {accepted}")
        for name, value in given.items():
            if name not in names:
                raise RatingsError(f"{path}: {name!r}; {hint(str(name), names)}")
            right = isinstance(value, list) if name == "listeners" else _is_number(value)
            if not right:
                what = "a list of names" if name == "listeners" else "a number"
                raise RatingsError(f"{path}: {name}: {value!r}; accepted: {what}")
        if given.get("min_sd", 0) > HALF:
            raise RatingsError(
                f"{path}: min_sd: {given['min_sd']:g}; accepted: a share of the range of the "
                "scale, from 0 to 0.5; divide points of the scale by that range, as 0.25 / 4"
            )
        if "listeners" in given:
            given["listeners"] = tuple(str(name) for name in given["listeners"])
        return cls(**given)

    def validate_listeners(self, ratings: Ratings) -> None:
        """Raise RatingsError unless the listeners that the rules name are there."""
        for name in self.listeners:
            if name not in ratings.listeners:
                raise RatingsError(f"rules: no listener {name!r}; {hint(name, ratings.listeners)}")

    def excluded(self, ratings: Ratings) -> dict[str, str]:
        """Return who is left out, and why; it may be everybody.

        Parameters
        ----------
        ratings : Ratings
            Of one question.
        """
        low, high = ratings.scale
        least = self.min_sd * (high - low)
        found = {}
        for row in reliability.listeners(ratings).to_dict("records"):
            reasons = []
            if row["listener"] in self.listeners:
                reasons.append("named in the rules")
            if row["missed"] > self.max_missed:
                reasons.append(f"{row['missed']} catch trials missed, {self.max_missed} allowed")
            if row["n"] > 1 and row["sd"] < least:
                reasons.append(f"sd {row['sd']:.2f}, below {least:g}")
            elif row["correlation"] < self.min_correlation:
                reasons.append(
                    f"correlation {row['correlation']:.2f} with others, "
                    f"below {self.min_correlation:g}"
                )
            if reasons:
                found[str(row["listener"])] = "; ".join(reasons)
        return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
