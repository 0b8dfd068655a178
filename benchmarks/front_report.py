"""Write front.md and front.svg from the rows of the front."""

import json
from pathlib import Path
from textwrap import fill

import front_figure
import numpy as np
import pandas as pd
from front_figure import DEFAULT
from front_settings import Setting

from nst_lib.show import plots

PAGE = Path(__file__).with_name("front.md")
#: What a second network heard, measured outside of this script; see the page.
SECOND = json.loads(Path(__file__).with_name("front_judge.json").read_text("utf-8"))
#: Below this heading, the page is kept as it is.
KEPT = "## The first search"
SCORES = (
    "ear", "rhythm", "H", "H of pairs", "default's H", "librosa rhythm", "timbre", "texture",
    "ear content", "noise", "copies style", "core seconds",
)  # fmt: skip


def harmonic(a: pd.Series, b: pd.Series) -> pd.Series:
    a, b = a.clip(lower=0), b.clip(lower=0)
    return (2 * a * b / (a + b).replace(0, 1)).fillna(0)


def means(rows: pd.DataFrame, settings: list[Setting]) -> pd.DataFrame:
    """Return the mean scores of each setting, in the order of the settings."""
    rows = rows.assign(**{"H of pairs": harmonic(rows["ear"], rows["rhythm"])})
    usual = rows[rows["setting"] == DEFAULT].set_index(["style", "content"])["H of pairs"]
    rows = rows.join(usual.rename("default's H"), on=["style", "content"])
    grouped = rows.groupby("setting", sort=False)
    table = grouped[[name for name in SCORES if name != "H"]].mean()
    table["H"] = harmonic(table["ear"], table["rhythm"])
    table["group"] = grouped["group"].first()
    table["transfers"] = grouped.size()
    table["second ear"] = pd.Series({k: v["style"] for k, v in SECOND["systems"].items()})
    table["note"] = pd.Series({setting.name: setting.note for setting in settings})
    return table.loc[[setting.name for setting in settings if setting.name in table.index]]


def markdown(table: pd.DataFrame) -> str:
    extra = [*(["second ear"] if table["second ear"].notna().any() else [])]
    extra += ["note"] if table["note"].any() else []
    columns = ["transfers", *SCORES, *extra]
    lines = [f"| setting | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in table.iterrows():
        cells = [f"{row['transfers']:.0f}", *(f"{row[score]:.2f}" for score in SCORES)]
        cells[SCORES.index("noise") + 1] = f"{row['noise']:.1f}"
        cells[SCORES.index("core seconds") + 1] = f"{row['core seconds']:.1f}"
        if "second ear" in extra:
            cells.append("" if np.isnan(row["second ear"]) else f"{row['second ear']:.2f}")
        cells += [row["note"]] if "note" in extra else []
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """# The front: rhythm and recognition

Each point is one setting: a system, a baseline, or another start. Its scores are means over the
twenty development pairs, or over the first of them (column *transfers*), because some settings are
slow. [The guide](../docs/transfer.md#scores) explains the scores.

![Ear against rhythm for every setting](front.svg)

*Ear* says how well the trained ear recognises the style, *ear content* how well it recognises the
content. *H* is the harmonic mean of ear and rhythm, where negative values count as 0: first of the
two means, as in the lines of the figure, and then of each pair, averaged over the pairs. Settings
that did not run on all pairs are compared with *default's H*: the H of the default, averaged over
the pairs of the row. *librosa rhythm* is the correlation of librosa's onset strengths, which no
loss term uses. *copies style* is high for a sound that repeats the course of the style over time.
*core seconds* is the processor time of a transfer with its scores, on a busy machine. *second ear*
is a check by another network; see [below](#a-second-network). `make front` repeats everything but
this check.
"""
#: Group -> heading and what its points show.
TEXTS = {
    "reference": (
        "One recording as it is",
        "These are the ends of the front: the style does not have the content's rhythm, and the "
        "style is not recognised in the content.",
    ),
    "baseline": (
        "Baselines without a network",
        "The more of the content's spectrum a baseline takes, the better its rhythm and the less "
        "is recognised: envelope, vocoder with 4 and with 16 bands, driedger2015. The mosaic takes "
        "nothing but an order, and is recognised best. Follow is the exponent with which it also "
        "takes the content's envelope.",
    ),
    "samples": (
        "The preset fast, and its loss in samples",
        "The same loss, with a content weight of 0.05 and 160 evaluations, makes quite different "
        "sounds from different starts: the style is recognised better from the envelope than from "
        "the content.",
    ),
    "gains": (
        "Gains, from several starts",
        "Gains keep what their start is made of. From the content they keep the content, from the "
        "style the style. The mosaic has the style's sound and much of the rhythm. The envelope "
        "comes near, but keeps the course of the style over time (copies style).",
    ),
    "variant": (
        "The default with one setting changed",
        "The differences are much smaller than those between starts and domains. A higher content "
        "weight and cheaper gains buy rhythm, and cost some of the ear. Ten evaluations are almost "
        "enough.",
    ),
    "published": (
        "Published systems",
        "They start from the content or from noise. Those in which the style is recognised lose "
        "the rhythm, and none reaches the default on the same pairs. Settings are as published, "
        "except for what the note says. Left out, because one pair takes many minutes: gatys2016, "
        "and networks of 4096 channels where the limit of infinite width can stand for them. "
        "huzaifah2020_texture takes nothing from the content.",
    ),
}
SECOND_EAR = """## A second network

The settings were chosen by one trained ear, so another network has to confirm them. The column
*second ear* is the cosine between result and style in the embedding of BirdNET V2.4 (S. Kahl et
al., *BirdNET: A deep learning solution for avian diversity monitoring*, Ecological Informatics 61,
2021), which others trained on recordings of nature. It is no part of this package: the sounds of
`front.py --sounds` were given to it, resampled to 48 kHz and with an RMS level of -26 dBFS. The
embedding is the mean over three windows of 3 s that begin at 0, 1 and 2 s, minus the mean over the
70 development clips. Unrelated clips have a cosine of -0.02, two clips of one category 0.34.

| setting | ear | second ear | H | H with the second ear |
|---|---|---|---|---|
{systems}

## An ear that is optimised stops being one

No preset optimises the ear. To see what that would do, `front_judge.py` minimises the loss of
`fast` in samples, from the content, on the first five pairs, with 100 evaluations: once as it is,
and once with 1 - cosine in the ear as a further term.

| minimised | ear | second ear | timbre |
|---|---|---|---|
{optimised}
"""


def page(table: pd.DataFrame, settings: list[Setting]) -> str:
    """Return front.md above `KEPT`."""
    missing = [setting.name for setting in settings if setting.name not in table.index]
    parts = [INTRODUCTION, _goals(table)]
    for group, (heading, text) in TEXTS.items():
        rows = table[table["group"] == group]
        if group == "variant":
            rows = pd.concat([table.loc[[DEFAULT]], rows])
        if len(rows):
            parts.append(f"## {heading}\n\n{fill(text, 100)}\n\n{markdown(rows)}")
    if missing:
        parts.append(fill(f"Not run yet: {', '.join(missing)}.", 100) + "\n")
    return "\n".join([*parts, _second(table)])


def _goals(table: pd.DataFrame) -> str:
    """Return the goals of the search beside what the default reaches."""
    reached, baselines = table.loc[DEFAULT], table[table["group"] == "baseline"]
    best = baselines.loc[baselines["H"].idxmax()]
    as_fast = baselines[baselines["rhythm"] >= reached["rhythm"]]
    if len(as_fast):
        rival = as_fast.loc[as_fast["ear"].idxmax()]
        margin = (
            f"{reached['ear'] - rival['ear']:+.2f} ({rival.name}, rhythm {rival['rhythm']:.2f})"
        )
    else:
        nearest = baselines.loc[baselines["rhythm"].idxmax()]
        margin = (
            f"no baseline has this rhythm; the nearest, {nearest.name} ({nearest['rhythm']:.2f}), "
            f"has an ear {reached['ear'] - nearest['ear']:.2f} lower"
        )
    rows = [
        ("H, of the means", 0.80, f"{reached['H']:.2f}"),
        ("timbre", 0.95, f"{reached['timbre']:.2f}"),
        ("texture", 0.65, f"{reached['texture']:.2f}"),
        ("rhythm", 0.80, f"{reached['rhythm']:.2f}"),
        ("librosa rhythm", 0.70, f"{reached['librosa rhythm']:.2f}"),
        ("ear above the best baseline's at equal or higher rhythm", 0.10, margin),
    ]
    lines = [f"| {name} | {goal:.2f} | {value} |" for name, goal, value in rows]
    return (
        "## Goals\n\n| score | goal | the default |\n|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\nThe best baseline by H is {best.name}: ear {best['ear']:.2f}, rhythm "
        f"{best['rhythm']:.2f}, H {best['H']:.2f}. The default has H {reached['H']:.2f}.\n"
    )


def _second(table: pd.DataFrame) -> str:
    """Return what a second network hears, and what optimising the ear gains."""
    heard = table[table["second ear"].notna()]
    both = harmonic(heard["second ear"], heard["rhythm"])
    columns = (heard["ear"], heard["second ear"], heard["H"], both)
    systems = [
        f"| {name} | {' | '.join(f'{column[name]:.2f}' for column in columns)} |"
        for name in heard.index
    ]
    kinds = {"without": "the loss of `fast`", "with": "the same and the ear"}
    optimised = [
        f"| {kinds[kind]} | {one['ear']:.2f} | {one['second ear']:.2f} | {one['timbre']:.2f} |"
        for kind, one in SECOND["optimised"].items()
    ]
    return SECOND_EAR.format(systems="\n".join(systems), optimised="\n".join(optimised))


def shared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the default and its variants, over the pairs on which all of them ran."""
    near = rows[(rows["group"] == "variant") | (rows["setting"] == DEFAULT)]
    runs = near.groupby(["style", "content"])["setting"].nunique()
    common = runs[runs == near["setting"].nunique()].index
    return near[pd.MultiIndex.from_frame(near[["style", "content"]]).isin(common)]


def write(rows: pd.DataFrame, settings: list[Setting]) -> None:
    table, near = means(rows, settings), means(shared(rows), settings)
    kept = PAGE.read_text("utf-8")
    kept = kept[kept.index(KEPT) :]
    PAGE.write_text(page(table, settings) + "\n" + kept, encoding="utf-8")
    plots.use_style()
    plots.save(front_figure.draw(table, near), PAGE.with_suffix(".svg"))
