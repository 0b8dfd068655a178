"""The figure of the front: ear against rhythm, one marker for each group."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

#: Group -> its label in the legend, colour, marker and size.
GROUPS = {
    "reference": ("one recording as it is", "black", "*", 9),
    "baseline": ("baselines without a network", "#E69F00", "s", 5.5),
    "published": ("published systems", "#CC79A7", "v", 6),
    "samples": ("fast, and its loss in samples", "#0072B2", "o", 5.5),
    "gains": ("gains, from other starts", "#009E73", "D", 5),
    "variant": ("the default with one setting changed (right)", "#7A7A7A", "o", 3.5),
}
DEFAULT = "shaped (the default)"
COLOUR = "#D55E00"
#: Distances from a point to its label, in points, in the order of preference.
REACH = (5, 10, 16, 24, 34)
#: What a label leaves out of a name.
SHORTER = {
    "samples from the ": "samples, ",
    "samples from ": "samples, ",
    "gains from the ": "gains, ",
    "the style itself": "the style",
    "the content itself": "the content",
    ", line search, level": " + line search",
    "from the mosaic, ": "",
    "content weight ": "w = ",
    "evaluations": "ev.",
    "content terms ": "",
    "content term ": "",
    " in one loss": "",
}


def draw(means: pd.DataFrame, near: pd.DataFrame) -> Figure:
    """Return the figure: all settings on the left, those near the default on the right.

    Parameters
    ----------
    means : pd.DataFrame
        Mean scores of all settings.
    near : pd.DataFrame
        The same of the default and its variants, over the pairs that they share.
    """
    fig = Figure(figsize=(12, 6.2), layout="constrained")
    canvas = FigureCanvasAgg(fig)
    left, right = fig.subplots(1, 2)
    means = means[means["group"] != "variant"]
    close = near[(near["group"] == "variant") | (near.index == DEFAULT)]
    low, high = close[["rhythm", "ear"]].min(), close[["rhythm", "ear"]].max()
    pairs = int(near["transfers"].max())
    left.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    left.set_title("All settings (hollow: fewer than twenty pairs)")
    right.set(xlim=(low["rhythm"] - 0.02, high["rhythm"] + 0.02))
    right.set(ylim=(low["ear"] - 0.02, high["ear"] + 0.02))
    right.set_title(f"Near the default, on the same {pairs} pairs")
    for ax, rows, all_pairs in ((left, means, 20), (right, close, pairs)):
        _points(ax, rows, all_pairs)
        _equal_h(ax)
    left.legend(
        *_legend(), fontsize=8, loc="lower left", bbox_to_anchor=(0.08, 0.02), frameon=True,
        edgecolor="white",
    )  # fmt: skip
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    _label(left, means, canvas)
    _label(right, close, canvas)
    return fig


def _points(ax: Axes, rows: pd.DataFrame, all_pairs: int) -> None:
    for name, row in rows.iterrows():
        _, colour, marker, size = GROUPS[row["group"]]
        if name == DEFAULT:
            colour, size = COLOUR, 8
        ax.plot(
            row["rhythm"], row["ear"], marker, ms=size, color=colour, zorder=3,
            mfc=colour if row["transfers"] >= all_pairs else "white",
        )  # fmt: skip
    ax.set(xlabel="Rhythm (1: the content's)", ylabel="Ear (1: the style is recognised)")


def _legend() -> tuple[list[Line2D], list[str]]:
    """Return a marker and a label for each group, and for the default."""
    entries = [*GROUPS.values(), (DEFAULT, COLOUR, "D", 8)]
    lines = [
        Line2D([], [], color=colour, marker=marker, ms=size, ls="")
        for _, colour, marker, size in entries
    ]
    return lines, [label for label, *_ in entries]


def _equal_h(ax: Axes) -> None:
    """Draw lines of equal harmonic mean of both axes."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for h in np.arange(0.1, 1, 0.1 if right - left > 0.5 else 0.02):
        x = np.linspace(h / 2 + 1e-3, 1, 400)
        y = h * x / (2 * x - h)
        inside = (x > left) & (x < right) & (y > bottom) & (y < min(top, 1))
        if inside.sum() > 2:
            ax.plot(x[inside], y[inside], color="0.85", lw=0.8, zorder=1)
            ax.text(
                x[inside][0], y[inside][0], f"H {h:.2g}", fontsize=7, color="0.6", va="bottom",
                ha="left",
            )  # fmt: skip


def _short(name: str) -> str:
    for long, short in SHORTER.items():
        name = name.replace(long, short)
    return name.strip()


def _label(ax: Axes, rows: pd.DataFrame, canvas: FigureCanvasAgg) -> None:
    """Write the names of settings beside their points, where they cover nothing."""
    renderer = canvas.get_renderer()
    marks = ax.transData.transform(rows[["rhythm", "ear"]].to_numpy(float))
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in marks]
    taken += [text.get_window_extent(renderer) for text in ax.texts]
    if legend := ax.get_legend():
        taken.append(legend.get_window_extent(renderer))
    for name, row in rows.iterrows():
        texts = []
        for dx, dy, ha, va in _places():
            text = ax.annotate(
                _short(str(name)), (row["rhythm"], row["ear"]), (dx, dy),
                textcoords="offset points", fontsize=7, ha=ha, va=va, zorder=5,
                color=_colour(str(name), row["group"]),
                arrowprops={"arrowstyle": "-", "color": "0.7", "lw": 0.5, "shrinkB": 2},
            )  # fmt: skip
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the arrow
            texts.append((_covered(box, taken, ax.bbox), text, box))
            if texts[-1][0] == 0:
                break
        best = min(texts, key=lambda one: one[0])
        for one in texts:
            if one is not best:
                one[1].remove()
        taken.append(best[2])


def _colour(name: str, group: str) -> str:
    if name == DEFAULT:
        return COLOUR
    return "0.3" if group == "variant" else GROUPS[group][1]


def _places() -> Iterator[tuple[float, float, str, str]]:
    for reach in REACH:
        for dx, ha in ((1, "left"), (-1, "right"), (0, "center")):
            for dy, va in ((0, "center"), (1, "bottom"), (-1, "top")):
                if dx or dy:
                    yield dx * reach, dy * reach, ha, va


def _covered(box: Bbox, taken: Iterable[Bbox], inside: Bbox) -> float:
    """Return the area of a label that covers something, or lies outside of the axes."""
    whole = box.width * box.height
    kept = Bbox.intersection(box, inside)
    outside = whole - (kept.width * kept.height if kept else 0)
    both = (Bbox.intersection(box, other) for other in taken)
    return outside + sum(one.width * one.height for one in both if one)
