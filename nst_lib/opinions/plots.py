"""Figures of opinions. Each function draws into the axes that it is given, and returns them."""

from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.analysis import SIMULATED, Analysis
from nst_lib.opinions.factorial import categorical
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


def opinions(ax: "Axes", analysis: Analysis, *, title: str = "") -> "Axes":
    """Draw the distribution of opinions under each condition, with the MOS and its interval.

    The bars are shares of the ratings, and the dots are means of listeners. The point is the MOS.
    Its line is the 95 % interval over other listeners and other pairs, or over listeners only if
    there was no bootstrap.

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


def _label(ax: "Axes", *, simulated: bool) -> "Axes":
    """Write into the figure that nobody has listened, if that is so."""
    if simulated:
        ax.set_title(SIMULATED, loc="right", fontsize=8, color="#D55E00", weight="bold")
    return ax
