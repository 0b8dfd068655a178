"""Analyse preferences: worths of conditions, win probabilities, order, listeners.

The model is that of :mod:`nst_lib.opinions.davidson`. Its estimates use all answers of all
listeners. What is said about their uncertainty differs:

    interval over listeners    estimate +- t(n - 1) times the standard error of the sandwich
                               estimator: the scores of the n listeners are the sample, and the
                               answers of one listener may resemble each other in any way
    bootstrap                  over other listeners and other pairs, as for ratings
                               (:mod:`nst_lib.opinions.conditions`)
    likelihood ratio           as if all answers were independent; too small p if listeners differ
    test over listeners        Hotelling's T2 of all worths, with the sandwich estimator

In 300 simulated tests of 18 equal-minded or of 18 different listeners without any effect, the test
over listeners was significant at the 5 % level in 4 and 5 %, the likelihood ratio in 4 and 26 %.
Worths are those of the answers of all listeners together. If listeners differ, they are closer to
each other than the worths of a single listener are on average.

Listeners (or pairs) differ if their own worths deviate from those of all. The statistic is the sum
of squares of their scores by the worths: the score test of a variance of normally distributed
deviations. Its distribution is that of simulated answers without such deviations. The standard
deviation of the deviations is found from the same sum of squares by its expected value, to the
first order of the variance; this estimate is our choice, and it is too small where deviations are
large.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from scipy import special

from nst_lib.opinions import davidson
from nst_lib.opinions.choices import TIE, Choices, describe
from nst_lib.opinions.paired import ratio, with_holm

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
#: Number of simulated sets of answers for the tests of the model.
SIMULATIONS = 999
_CHUNK = 100
#: Largest number of values of an array that a chunk of draws needs.
_VALUES = 4_000_000
#: A standard error below this is zero, and a covariance above this condition is singular.
_TINY, _SINGULAR = 1e-9, 1e12
#: Names of conditions that a message lists.
_SHOWN = 6


@dataclass(frozen=True)
class Heterogeneity:
    """How much listeners (or pairs) differ.

    Attributes
    ----------
    unit : {"listener", "pair"}
        Who or what differs.
    count : int
        Their number.
    sd : float
        Standard deviation of their log-worths of a condition around those of all.
    p : float
        p of the test that it is zero, from simulated answers.
    """

    unit: str
    count: int
    sd: float
    p: float


@dataclass(frozen=True)
class Preferences:
    """Analysis of the preferences of one question. Each result is computed when it is first used.

    Attributes
    ----------
    choices : Choices
        Preferences of one question.
    factors : tuple of str
        Factors that make a condition; none: each item is a condition.
    n_boot : int >= 0
        Number of draws of the bootstrap.
    seed : int
        Seed of the bootstrap and of simulated answers.
    """

    choices: Choices
    factors: tuple[str, ...] = ()
    n_boot: int = 10000
    seed: int = 0

    @cached_property
    def _coded(self) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self.choices.coded(self.factors)

    @property
    def names(self) -> list[str]:
        """Names of the conditions."""
        return self._coded[0]

    @cached_property
    def equal(self) -> int:
        """Number of answers that compare two sounds of one condition; they are left out."""
        _, left, right = self._coded
        return int((left == right).sum())

    @cached_property
    def answers(self) -> Array:
        """Number of answers, shape ``(listeners, pairs, cells, 3)``; see :class:`davidson.Design`.

        The last axis has: first preferred, second preferred, tie.
        """
        _, left, right = self._coded
        used = left != right
        table = self.choices.opinions[used]
        outcome = table["preferred"].map({"first": 0, "second": 1, TIE: 2}).to_numpy(int)
        codes = [table.groupby("listener", sort=False).ngroup().to_numpy()]
        pairs = table.groupby("pair", sort=False).ngroup() if self._paired else 0 * outcome
        codes.append(np.asarray(pairs))
        codes.append(self._cells[1][used])
        sizes = [int(code.max()) + 1 for code in codes]
        counts = np.zeros((*sizes, 3))
        np.add.at(counts, (*codes, outcome), 1)
        return counts

    @property
    def _paired(self) -> bool:
        """Whether pairs of recordings are a sample: conditions are compared in several pairs."""
        table = self.choices.opinions
        return bool(self.factors) and "pair" in table and table["pair"].nunique() > 1

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The ordered pairs of conditions that were compared, and the cell of each opinion."""
        names, left, right = self._coded
        keys = left * len(names) + right
        there = np.unique(keys[left != right])
        return np.column_stack(np.divmod(there, len(names))), np.searchsorted(there, keys)

    @cached_property
    def fault(self) -> str:
        """Why there is no model, in a sentence; empty if there is one."""
        if not len(self._cells[0]):
            return "No two conditions were compared: all answers compare sounds of one condition."
        groups = self._design(order=False).groups()
        if len(groups) == 1:
            return ""
        words = " and ".join(_listed([self.names[k] for k in group]) for group in groups[:2])
        more = f" and {len(groups) - 2} more" if len(groups) > 2 else ""
        advice = "" if self.factors else "; name the columns that make a condition (--by)"
        return f"Nobody compared the conditions of {words}{more} with each other{advice}."

    def _design(self, *, order: bool) -> davidson.Design:
        cells = self._cells[0]
        ties = bool((self.choices.opinions["preferred"] == TIE).any())
        return davidson.Design(cells[:, 0], cells[:, 1], len(self.names), ties=ties, order=order)

    @cached_property
    def model(self) -> davidson.Fit:
        """The fitted model; raises ValueError if there is none."""
        if self.fault:
            raise ValueError(self.fault)
        answers = self.answers.sum(axis=(0, 1))
        plain, full = self._design(order=False), self._design(order=True)
        if not full.identified():
            return davidson.fit(answers, plain)
        found = davidson.fit(answers, full)
        if found.separated is not None and davidson.separation(answers, plain) is None:
            return davidson.fit(answers, plain)
        return found

    @cached_property
    def remarks(self) -> list[str]:
        """What one should know about the model, as sentences."""
        found = []
        if self.equal:
            found.append(f"{self.equal} answers compare sounds of one condition and are left out.")
        if not self.model.design.ties:
            found.append("There are no ties: the model is that of Bradley and Terry.")
        if not self.model.design.order:
            found.append(
                "The effect of the order cannot be estimated and is not in the model: comparisons "
                "came in one order only, or the same place was always preferred."
            )
        if self.model.separated is not None:
            found.append(
                f"{self._extreme()}: the worths have no finite estimate. Half an answer was added "
                "for each outcome of each comparison; true differences may be much larger."
            )
        if self.n_boot and self.listeners > 1 and self.model.separated is None and self.draws[1]:
            found.append(
                f"In {self.draws[1] / self.n_boot:.1%} of the draws of the bootstrap the worths "
                "had no finite estimate; half an answer was added there for each outcome of each "
                "comparison."
            )
        if self.listeners > 1 and np.isnan(self._hotelling()[0]):
            found.append(
                f"{self.listeners} listeners and {len(self.names)} conditions: no test over "
                "listeners, because there are too few listeners or they agree too well."
            )
        if self.listeners == 1:
            found.append("One listener: the intervals are as if all answers were independent.")
        return found

    def _extreme(self) -> str:
        """Return which conditions always won."""
        way = cast(Array, self.model.separated)
        if np.ptp(way) < 1e-6:
            return "All answers are alike"
        places = np.sort(way)
        k = int(np.argmax(np.diff(places)))
        middle = (places[k] + places[k + 1]) / 2
        above = [name for name, x in zip(self.names, way, strict=True) if x > middle]
        below = [name for name, x in zip(self.names, way, strict=True) if x < middle]
        if len(above) <= len(below):
            return f"{_listed(above)} always won against the others"
        return f"{_listed(below)} always lost against the others"

    @property
    def listeners(self) -> int:
        """Number of listeners whose answers are in the model."""
        return len(self.answers)

    @cached_property
    def _uncertainty(self) -> tuple[Array, float]:
        """Covariance of the parameters, and the factor of a standard error in an interval."""
        if self.listeners < 2:
            return self.model.covariance(), float(special.ndtri(0.975))
        scores = self.model.scores(self.answers.sum(axis=1))
        return self.model.covariance(scores), float(special.stdtrit(self.listeners - 1, 0.975))

    @cached_property
    def _worth_covariance(self) -> Array:
        M, k = self.model.design.contrasts, len(self.names) - 1
        return np.asarray(M @ self._uncertainty[0][:k, :k] @ M.T)

    @cached_property
    def draws(self) -> tuple[Array, int]:
        """Worths of other listeners and other pairs, shape ``(n_boot, conditions)``.

        The second value is the number of draws without a finite estimate; half answers were added
        to them.
        """
        generator = np.random.default_rng(self.seed)
        n, m = self.answers.shape[:2]
        found, separated = [], 0
        chunk = _chunk(self.model.design)
        for first in range(0, self.n_boot, chunk):
            size = min(chunk, self.n_boot - first)
            a, b = (generator.multinomial(k, np.full(k, 1 / k), size) for k in (n, m))
            drawn = (a @ self.answers.reshape(n, -1)).reshape(size, m, -1)
            drawn = np.einsum("sm,smc->sc", b, drawn).reshape(size, -1, 3)
            parameters, lost = davidson.fit_many(drawn, self.model.design)
            found.append(parameters[:, : len(self.names) - 1] @ self.model.design.contrasts.T)
            separated += lost
        return np.concatenate(found), separated

    @cached_property
    def conditions(self) -> "pd.DataFrame":
        """Worths of the conditions.

        Columns: condition; answers, the number of its comparisons; won, tied, how many of them;
        worth, its log-worth; low, high, the 95 % interval over listeners; boot low, boot high, that
        of the bootstrap (NaN for one listener); win, tie: probabilities of winning and of a tie
        against a condition of mean worth, whatever the order.
        """
        import pandas as pd

        cells, answers = self._cells[0], self.model.answers
        won, tied, total = (np.zeros(len(self.names)) for _ in range(3))
        for side in (0, 1):
            np.add.at(won, cells[:, side], answers[:, side])
            np.add.at(tied, cells[:, side], answers[:, 2])
            np.add.at(total, cells[:, side], answers.sum(axis=1))
        worths = self.model.worths
        half = self._uncertainty[1] * np.sqrt(np.maximum(0, np.diag(self._worth_covariance)))
        chances = davidson.probabilities(worths, self.model.tie)
        columns: dict[str, Any] = {"condition": self.names, "answers": total.astype(int)}
        columns |= {"won": won.astype(int), "tied": tied.astype(int), "worth": worths}
        columns |= {"low": worths - half, "high": worths + half}
        if self.n_boot:
            none = np.full(len(worths), np.nan)
            ends = np.percentile(self.draws[0], [2.5, 97.5], axis=0) if self.listeners > 1 else None
            columns["boot low"], columns["boot high"] = (none, none) if ends is None else ends
        return pd.DataFrame({**columns, "win": chances[:, 0], "tie": chances[:, 2]})

    @cached_property
    def pairs(self) -> "pd.DataFrame":
        """Comparison of every two conditions.

        Columns: a, b; answers, their number; won a, tied, won b, the observed numbers; P a, P tie,
        P b, the probabilities of the model, whatever the order; difference, log-worth of b - a;
        low, high, its 95 % interval over listeners; p, p Holm.
        """
        rows = []
        worths, n = self.model.worths, self.listeners
        for a, b in combinations(range(len(self.names)), 2):
            counts = self._observed(a, b)
            chances = davidson.probabilities(worths[a] - worths[b], self.model.tie)
            contrast = np.zeros(len(self.names))
            contrast[[a, b]] = -1, 1
            difference = float(contrast @ worths)
            error = float(np.sqrt(max(0.0, float(contrast @ self._worth_covariance @ contrast))))
            t = ratio(abs(difference), error) if error > _TINY else np.nan
            p = special.ndtr(-t) if n < 2 else special.stdtr(n - 1, -t)
            row = {"a": self.names[a], "b": self.names[b], "answers": int(counts.sum())}
            row |= dict(zip(("won a", "won b", "tied"), counts.astype(int).tolist(), strict=True))
            row |= dict(zip(("P a", "P b", "P tie"), chances.tolist(), strict=True))
            half = self._uncertainty[1] * error
            row |= {"difference": difference, "low": difference - half, "high": difference + half}
            rows.append({**row, "p": 2 * float(p)})
        return with_holm(rows)

    def _observed(self, a: int, b: int) -> Array:
        """Return how often a and b won against each other, and how often they tied."""
        cells, answers = self._cells[0], self.model.answers
        one = answers[(cells == (a, b)).all(axis=1)].sum(axis=0)
        other = answers[(cells == (b, a)).all(axis=1)].sum(axis=0)
        return cast(Array, one + other[[1, 0, 2]])

    @cached_property
    def tests(self) -> "pd.DataFrame":
        """Tests of the model.

        Columns: test; statistic, its name; value; df1, df2; p. The rows of the likelihood ratio are
        as if all answers were independent.
        """
        import pandas as pd

        rows = [
            ("all conditions equal, likelihood ratio", "chi2", *self._equality(), np.nan),
            ("all conditions equal, over listeners", "F", *self._hotelling()),
        ]
        if self.model.design.order:
            without = davidson.fit(self.model.answers, self._design(order=False))
            value = 2 * (self.model.loglik - without.loglik)
            rows.append(("no effect of the order, likelihood ratio", "chi2", value, 1, np.nan))
        rows.append(
            ("goodness of fit, likelihood ratio", "G2", self.model.deviance, self.model.df, np.nan)
        )
        table = pd.DataFrame(rows, columns=["test", "statistic", "value", "df1", "df2"])
        chi2 = special.chdtrc(table["df1"], table["value"].clip(lower=0))
        F = special.fdtrc(table["df1"], table["df2"], table["value"])
        table["p"] = np.where(table["statistic"] == "F", F, chi2)
        table.loc[table["df1"] == 0, "p"] = np.nan
        fit = table["statistic"] == "G2"
        table["p simulated"] = np.where(fit, self._simulated[1], np.nan)
        return table

    def _equality(self) -> tuple[float, int]:
        """Return the likelihood ratio of equal worths and its degrees of freedom."""
        counts = self.model.answers.sum(axis=0)
        if not self.model.design.order:
            counts = np.array([counts[:2].mean(), counts[:2].mean(), counts[2]])
        equal = float(davidson.saturated(counts[None]))
        return 2 * (self.model.loglik - equal), len(self.names) - 1

    def _hotelling(self) -> tuple[float, int, float]:
        """Return the F of Hotelling's test of equal worths and its degrees of freedom."""
        q, n = len(self.names) - 1, self.listeners
        part = self._uncertainty[0][:q, :q]
        if n <= q or np.linalg.cond(part) > _SINGULAR:
            return np.nan, q, np.nan
        own = self.model.parameters[:q]
        T2 = float(own @ np.linalg.solve(part, own))
        return (n - q) / ((n - 1) * q) * T2, q, float(n - q)

    @cached_property
    def order(self) -> dict[str, float]:
        """The effect of the order; NaN if it is not in the model.

        Keys: estimate, the log-odds that the first of two equal sounds is preferred; low, high, its
        95 % interval over listeners; first, second, tie, the probabilities of the three answers.
        """
        if not self.model.design.order:
            return dict.fromkeys(("estimate", "low", "high", "first", "second", "tie"), np.nan)
        k = len(self.names) - 1
        half = self._uncertainty[1] * float(np.sqrt(self._uncertainty[0][k, k]))
        o = self.model.order
        chances = davidson.probabilities(np.array(o), self.model.tie).tolist()
        found = {"estimate": o, "low": o - half, "high": o + half}
        return found | dict(zip(("first", "second", "tie"), chances, strict=True))

    @cached_property
    def heterogeneity(self) -> list[Heterogeneity]:
        """How much listeners differ, and pairs of recordings if there are several."""
        found = []
        for unit, axis in (("listener", 1), ("pair", 0)):
            parts = self.answers.sum(axis=axis)
            if len(parts) > 1:
                p = self._simulated[0] if unit == "listener" else _simulate(self, parts)[0]
                found.append(Heterogeneity(unit, len(parts), _spread(self.model, parts), p))
        return found

    @cached_property
    def _simulated(self) -> tuple[float, float]:
        """The p of the test of listeners and of the goodness of fit, from simulated answers."""
        return _simulate(self, self.answers.sum(axis=1))

    @cached_property
    def people(self) -> "pd.DataFrame":
        """What the answers of each listener are like.

        Columns: listener; n, the number of answers; tied, the share of ties; first, the share of
        "first" among the others; agreement, the share of answers without ties that prefer the sound
        that the model prefers; missed, the number of catch trials that were answered wrongly;
        repeats, the number of repeated comparisons, and same, the share of them with the same
        answer.
        """
        table = self.choices.opinions
        _, left, right = self._coded
        frame = table[["listener", "preferred"]].copy()
        decided = frame["preferred"] != TIE
        frame["tied"] = (~decided).astype(float)
        frame["first"] = (frame["preferred"] == "first").where(decided).astype(float)
        if not self.fault:
            d = self.model.worths[left] - self.model.worths[right]
            agrees = (frame["preferred"] == "first") == (d > 0)
            frame["agreement"] = agrees.where(decided & (d != 0)).astype(float)
        groups = frame.groupby("listener", sort=False)
        result = groups[[n for n in ("tied", "first", "agreement") if n in frame]].mean()
        result.insert(0, "n", groups.size())
        missed = self.choices.missed()
        result["missed"] = [int(missed.get(name, 0)) for name in result.index]
        again = _repeats(self.choices).groupby("listener")["same"]
        result["repeats"] = again.size().reindex(result.index, fill_value=0)
        result["same"] = again.mean().reindex(result.index)
        return result.reset_index()

    def as_dict(self) -> dict[str, Any]:
        """Return all results as numbers and text."""
        from nst_lib.opinions.analysis import plain, records

        found: dict[str, Any] = {
            "counts": describe(self.choices),
            "no model": self.fault,
            "listeners": records(self.people),
        }
        if not self.fault:
            found |= {
                "remarks": self.remarks,
                "conditions": records(self.conditions),
                "pairs": records(self.pairs),
                "tests": records(self.tests),
                "order": self.order,
                "tie": self.model.tie,
                "heterogeneity": [vars(one) for one in self.heterogeneity],
            }
        return cast(dict[str, Any], plain(found))


def _chunk(design: davidson.Design) -> int:
    """Return how many models are fitted at once."""
    return max(1, min(_CHUNK, _VALUES // max(3 * len(design.first), design.count**2)))


def _scores(parts: Array, p: Array, design: davidson.Design) -> Array:
    """Return scores by the log-worths of all conditions, shape ``(..., parts, conditions)``."""
    excess = parts - parts.sum(axis=-1, keepdims=True) * p
    return design.net((excess[..., 0] - excess[..., 1]) / 2)


def _spread(model: davidson.Fit, parts: Array) -> float:
    """Return the standard deviation of the worths of parts of the answers."""
    design, p = model.design, model.probabilities
    variance = (p[:, 0] + p[:, 1] - (p[:, 0] - p[:, 1]) ** 2) / 4
    information = design.laplacian(parts.sum(axis=-1) * variance)
    squares = (_scores(parts, p, design) ** 2).sum()
    expected = np.trace(information, axis1=1, axis2=2).sum()
    return float(np.sqrt(max(0.0, (squares - expected) / (information**2).sum())))


def _simulate(analysis: Preferences, parts: Array) -> tuple[float, float]:
    """Return p of the test that parts do not differ, and of the goodness of fit."""
    model, design = analysis.model, analysis.model.design
    generator = np.random.default_rng(analysis.seed)
    n = parts.sum(axis=-1).astype(int)
    p = model.probabilities / model.probabilities.sum(axis=1, keepdims=True)
    reached = np.zeros(2)
    given = np.array([(_scores(parts, model.probabilities, design) ** 2).sum(), model.deviance])
    size = max(1, min(_chunk(design), _VALUES // (3 * n.size)))
    for first in range(0, SIMULATIONS, size):
        count = min(size, SIMULATIONS - first)
        drawn = generator.multinomial(np.broadcast_to(n, (count, *n.shape)), p).astype(float)
        total = drawn.sum(axis=1)
        parameters, _ = davidson.fit_many(total, design)
        chances = davidson.outcome_probabilities(parameters, design)[:, None]
        squares = (_scores(drawn, chances, design) ** 2).sum(axis=(1, 2))
        fits = davidson.saturated(total) - davidson.logliks(total, parameters, design)
        reached += [(squares >= given[0]).sum(), (2 * fits >= given[1] - 1e-9).sum()]
    p_parts, p_fit = (reached + 1) / (SIMULATIONS + 1)
    return float(p_parts), float(p_fit)


def _repeats(choices: Choices) -> "pd.DataFrame":
    """Return repeated comparisons: listener, and whether the answer is that of the first time."""
    import pandas as pd

    table = choices.table[~choices.catch_trials]
    if "presentation" not in table:
        return pd.DataFrame({"listener": [], "same": []})
    better = table["first"].where(table["preferred"] == "first", table["second"])
    better = better.where(table["preferred"] != TIE, "")
    both = np.sort(table[["first", "second"]].to_numpy(str), axis=1)
    frame = pd.DataFrame(
        {"listener": table["listener"], "a": both[:, 0], "b": both[:, 1], "better": better}
    )
    before = frame[table["presentation"] == 1]
    after = frame[table["presentation"] > 1]
    merged = after.merge(before, on=["listener", "a", "b"], suffixes=("", " before"))
    merged["same"] = (merged["better"] == merged["better before"]).astype(float)
    return merged


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:_SHOWN]]
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return f"({', '.join([*shown, *more])})" if len(names) > 1 else names[0]
