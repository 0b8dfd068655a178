"""Figures of opinions. Each function draws into the axes that it is given, and returns them."""

import math
from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.abx import ALL_TRIALS, CHANCE, Abx
from nst_lib.opinions.analysis import SIMULATED, SIMULATED_CHOICES, Analysis
from nst_lib.opinions.factorial import categorical
from nst_lib.opinions.preferences import Preferences
from nst_lib.opinions.ranks import listener_means
from nst_lib.opinions.ratings import Ratings, cells, condition
from nst_lib.opinions.simulation import WANTED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Names of the points of P.800's scale.
ACR_WORDS = ("bad", "poor", "fair", "good", "excellent")
_FILL, _INK, _DOT = "#56B4E9", "black", "#0072B2"
_BINS = 20
#: Longest name of a condition, in letters, that fits below its bars without being turned.
LONG = 14
#: After six conditions the colours of the style sheet repeat, with the next marker.
_MARKERS = "os^Dv"
#: Probabilities of winning on the upper axis of worths.
_WINS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def opinions(ax: "Axes", analysis: Analysis, *, title: str = "") -> "Axes":
    """Draw the distribution of opinions under each condition, with the MOS and its interval.

    The bars are shares of the ratings, and the dots are means of listeners. The point is the MOS.
    Its line is the 95 % interval over other listeners and other pairs, or over listeners only if
    there was no bootstrap. Dotted lines are means of the hidden reference and of the anchors.

    Parameters
    ----------
    ax : Axes
        Axes to draw into.
    analysis : Analysis
        Analysis of one question.
    title : str
        Title above the axes.
    """
    ratings, factors = analysis.ratings, analysis.factors
    table, discrete = ratings.opinions, _discrete(ratings)
    names = condition(table, factors)
    means = listener_means(ratings, factors)
    low, high = ratings.scale
    edges = np.arange(low - 0.5, high + 1) if discrete else np.linspace(low, high, _BINS + 1)
    heights, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    shares = [
        np.histogram(table["rating"][names == name], edges)[0] / (names == name).sum()
        for name in means
    ]
    widest = max(share.max() for share in shares)
    generator = np.random.default_rng(0)
    rows = analysis.conditions.to_dict("records")
    interval = "boot" if analysis.n_boot else "t"
    for x, (name, share, row) in enumerate(zip(means, shares, rows, strict=True)):
        widths = 0.8 * share / widest
        ax.barh(middles, widths, height=0.9 * heights, left=x - widths / 2, color=_FILL, alpha=0.55)
        own = means[name].dropna()
        around = x + generator.uniform(-0.12, 0.12, len(own))
        ax.plot(around, own, ".", color=_DOT, markersize=4, alpha=0.7)
        _draw_mos(ax, x, row["mos"], row[f"{interval} low"], row[f"{interval} high"])
    labels = list(means.columns)
    turned = max(map(len, labels)) > LONG
    place = "right" if turned else "center"
    ax.set_xticks(range(len(labels)), labels, rotation=30 if turned else 0, ha=place)
    for row in analysis.hidden.to_dict("records"):
        ax.axhline(row["mos"], color="grey", lw=1, ls=":", zorder=0)
        end = (len(rows) - 0.42, row["mos"])
        ax.annotate(
            row["condition"],
            end,
            (0, 2),
            textcoords="offset points",
            fontsize=8,
            color="0.35",
            ha="right",
        )
    if discrete and (low, high) == (1, 5):
        ax.set_yticks(range(1, 6), [f"{k} {word}" for k, word in enumerate(ACR_WORDS, start=1)])
    ax.set(xlabel=", ".join(factors), ylabel="Rating", title=title)
    ax.set_xlim(-0.6, len(rows) - 0.4)
    ax.set_ylim(edges[0] - 0.1 * heights[0], edges[-1] + 0.1 * heights[0])
    return _label(ax, simulated=ratings.simulated)


def scatter(ax: "Axes", analysis: Analysis, score: str) -> "Axes":
    """Draw the mean opinion of every item against an objective score.

    Parameters
    ----------
    ax : Axes
        Axes to draw into.
    analysis : Analysis
        Analysis of one question whose ratings have a column with the score.
    score : str
        Name of this column of numbers.
    """
    table = analysis.ratings.opinions
    names = condition(table, analysis.factors)
    for k, name in enumerate(cells(table, analysis.factors)):
        means = table[names == name].groupby("item")[[score, "rating"]].mean()
        marker = _MARKERS[k // 6 % len(_MARKERS)]
        ax.plot(means[score], means["rating"], marker, label=name, alpha=0.85)
    ax.set(xlabel=score, ylabel="Mean opinion of an item", ylim=analysis.ratings.scale)
    ax.legend(title=", ".join(analysis.factors), fontsize=8)
    return _label(ax, simulated=analysis.ratings.simulated)


def worths(ax: "Axes", analysis: Preferences, *, title: str = "") -> "Axes":
    """Draw the worths of conditions with their 95 % intervals.

    The lower axis has log-worths, the upper one the probability of winning against a condition of
    mean worth, without ties: exp(l) / (1 + exp(l)).

    Parameters
    ----------
    ax : Axes
        Axes to draw into.
    analysis : Preferences
        Analysis of the preferences of one question.
    title : str
        Title above the axes.
    """
    table = analysis.conditions
    boot = analysis.n_boot and analysis.listeners > 1
    low, high = ("boot low", "boot high") if boot else ("low", "high")
    y = np.arange(len(table))
    ends = [table["worth"] - table[low], table[high] - table["worth"]]
    ends = [end.clip(lower=0) for end in ends]
    ax.errorbar(table["worth"], y, xerr=ends, fmt="o", color=_INK, capsize=4, markersize=5, lw=1.5)
    ax.axvline(0, color="grey", lw=1, ls=":")
    ax.set(yticks=y, yticklabels=table["condition"], ylim=(len(table) - 0.5, -0.5), title=title)
    ax.set_xlabel("Log-worth (log-odds against the mean condition)")
    ax.grid(visible=False, axis="y")
    upper = ax.secondary_xaxis("top", functions=(lambda x: x, lambda x: x))
    left, right = ax.get_xlim()
    ticks = {p: math.log(p / (1 - p)) for p in _WINS}
    ticks = {p: x for p, x in ticks.items() if left <= x <= right}
    upper.set_xticks(list(ticks.values()), [f"{p:.0%}" for p in ticks])
    upper.set_xlabel("Wins against the mean condition, without ties")
    return _label(ax, simulated=analysis.choices.simulated, text=SIMULATED_CHOICES)


def abx(ax: "Axes", analysis: Abx, *, title: str = "") -> "Axes":
    """Draw the proportions of right answers with their exact 95 % intervals.

    The dots are proportions of listeners. The dotted line is chance.

    Parameters
    ----------
    ax : Axes
        Axes to draw into.
    analysis : Abx
        Analysis of the ABX trials of one question.
    title : str
        Title above the axes.
    """
    table, trials = analysis.comparisons, analysis.trials
    if len(table) == 2:
        table = table[table["a"] != ALL_TRIALS]
    generator = np.random.default_rng(0)
    names = []
    for y, row in enumerate(table.to_dict("records")):
        every = row["a"] == ALL_TRIALS
        names.append("all trials" if every else f"{row['a']} ~ {row['b']}")
        own = trials if every else trials[(trials["a"] == row["a"]) & (trials["b"] == row["b"])]
        shares = own.groupby("listener")["right"].mean()
        around = y + generator.uniform(-0.15, 0.15, len(shares))
        ax.plot(shares, around, ".", color=_DOT, markersize=4, alpha=0.7)
        ends = [[row["proportion"] - row["low"]], [row["high"] - row["proportion"]]]
        ax.errorbar(
            row["proportion"], y, xerr=ends, fmt="o", color=_INK, capsize=4, markersize=5, lw=1.5
        )
    ax.axvline(CHANCE, color="grey", lw=1, ls=":")
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), title=title)
    ax.set(xlim=(-0.02, 1.02), xlabel="Proportion of right answers (chance: 0.5)")
    ax.grid(visible=False, axis="y")
    return _label(ax, simulated=analysis.choices.simulated, text=SIMULATED_CHOICES)


def power(ax: "Axes", table: "pd.DataFrame", *, label: str = "") -> "Axes":
    """Draw power against the number of listeners, with its interval.

    Parameters
    ----------
    ax : Axes
        Axes to draw into.
    table : pd.DataFrame
        Result of :func:`simulation.power`.
    label : str
        Label of the line in the legend; empty for no legend.
    """
    line = ax.plot(table["listeners"], table["power"], "o-", label=label or None)[0]
    ax.fill_between(
        table["listeners"], table["low"], table["high"], color=line.get_color(), alpha=0.2, lw=0
    )
    ax.axhline(WANTED, color="grey", lw=1, ls=":")
    ax.set(xlabel="Listeners", ylabel="Power", ylim=(0, 1.02))
    if label:
        ax.legend()
    return _label(ax, simulated=True)


def _discrete(ratings: Ratings) -> bool:
    """Return whether the ratings are categories with whole numbers."""
    values = np.unique(ratings.opinions["rating"])
    return categorical(ratings) and bool((values == np.round(values)).all())


def _draw_mos(ax: "Axes", x: float, mos: float, low: float, high: float) -> None:
    """Draw a point with its interval, and its value beside it."""
    ends = [[mos - low], [high - mos]]
    ax.errorbar(x, mos, ends, fmt="o", color=_INK, capsize=4, markersize=5, lw=1.5)
    ax.annotate(f"{mos:.2f}", (x, mos), (14, 3), textcoords="offset points", fontsize=9)


def _label(ax: "Axes", *, simulated: bool, text: str = SIMULATED) -> "Axes":
    """Write into the figure that nobody has listened, if that is so."""
    if simulated:
        ax.set_title(text, loc="right", fontsize=8, color="#D55E00", weight="bold")
    return ax
