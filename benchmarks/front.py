"""Compare timbre and texture with rhythm: the search that led to the preset `fast`.

    NST_ESC50=folder .venv/bin/python benchmarks/front.py [--clips 2] [--only NAME ...]

Each setting below runs on the five pairs of the study, with the first and second clip of each
category (by source number). Each row is written to front.csv at once. Rows that exist are skipped,
so an interrupted search continues. At the end, the script writes front.md (means over the transfers
of a setting) and front.svg.

The search began with n_fft 1024 and 120 evaluations. The content terms, their weights and the
variants were compared with these. The best result is `fast`: "w = 0.02 with n_fft 2048, 160
evaluations".
"""

import argparse
import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter1d
from tqdm import tqdm

from nst_lib import ESC50, TransferConfig, transfer
from nst_lib.show import plots
from nst_lib.sound.datasets import STUDY_PAIRS

HERE = Path(__file__).parent
TERMS = ("onset", "spectrogram")
#: The settings at the beginning of the search.
BASE = {"n_fft": 1024, "steps": 120, "content_weight": 0.02}
#: Name of a setting -> preset, and the values that differ from it.
SETTINGS: dict[str, tuple[str, dict[str, object]]] = {
    "published, infinite width, 500 evaluations": (
        "milacic2020",
        {"engine": "infinite", "content_layers": ()},
    ),
    "published + level and line search": (
        "milacic2020",
        {
            "engine": "infinite",
            "content_layers": (),
            "line_search": "strong_wolfe",
            "level": "rms",
            "level_target": -26.0,
            "steps": 120,
        },
    ),
}
for weight in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0):
    SETTINGS[f"onset + spectrogram, w = {weight:g}"] = (
        "fast",
        {"content_terms": TERMS, "content_weight": weight},
    )
for weight in (0.02, 0.1, 0.3):
    for name in TERMS:
        SETTINGS[f"{name}, w = {weight:g}"] = (
            "fast",
            {"content_terms": (name,), "content_weight": weight},
        )
    SETTINGS[f"features of relu2, w = {weight:g}"] = (
        "fast",
        {"content_terms": ("features",), "content_layers": ("relu2",), "content_weight": weight},
    )
for name, overrides in {
    "spectrogram alone": {"domain": "spectrogram"},
    "waveform alone": {"domain": "waveform"},
    "published layer weights": {"layer_weights": "published"},
    "max pooling": {"pooling": "max"},
    "no pooling": {"pooling": "none"},
    "1 stack": {"stacks": 1, "style_layers": ("relu1",)},
    "3 stacks": {"stacks": 3, "style_layers": ("relu1", "relu2", "relu3")},
    "kernel 3": {"kernel": 3},
    "kernel 11": {"kernel": 11},
    "hop 128, kernel 11": {"hop_length": 128, "kernel": 11},
    "n_fft 2048": {"n_fft": 2048},
    "n_fft 2048, 160 evaluations": {"n_fft": 2048, "steps": 160},
    "n_fft 2048, 200 evaluations": {"n_fft": 2048, "steps": 200},
    "60 evaluations": {"steps": 60},
    "240 evaluations": {"steps": 240},
    "level -20 dBFS": {"level_target": -20.0},
}.items():
    SETTINGS[f"w = 0.02 with {name}"] = ("fast", overrides)

SCORES = ("timbre", "texture", "rhythm", "librosa rhythm", "noise")


def librosa_rhythm(y: np.ndarray, content: np.ndarray, sr: int) -> float:
    """Return the correlation of librosa's onset strengths, which no loss term uses."""
    import librosa

    strengths = [
        gaussian_filter1d(librosa.onset.onset_strength(y=x, sr=sr, hop_length=256), 0.05 * sr / 256)
        for x in (y, content)
    ]
    return float(np.corrcoef(*strengths)[0, 1])


def run(dataset: ESC50, setting: str, style: str, content: str) -> dict[str, object]:
    preset, overrides = SETTINGS[setting]
    base = BASE if preset == "fast" else {}
    config = TransferConfig.from_preset(preset, **(base | overrides))
    result = transfer(dataset[content], dataset[style], config)
    return {
        "setting": setting,
        "style": style,
        "content": content,
        **result.scores.to_dict(),
        "librosa rhythm": librosa_rhythm(result.audio, result.content, config.sr),
        "evaluations": len(result.evaluations),
        "outcome": result.outcome,
        "style loss": result.realised["style"],
    }


def transfers(dataset: ESC50, clips: int) -> list[tuple[str, str]]:
    """Return style and content of the pairs of the study, with the first clips of each category."""

    def named(category: str) -> list[str]:
        by_source = sorted(
            dataset.clips(category=category), key=lambda c: int(c.name.split("-")[1])
        )
        return [clip.name for clip in by_source]

    return [(named(s)[i], named(c)[i]) for i in range(clips) for s, c in STUDY_PAIRS]


def open_clips() -> ESC50:
    return ESC50(os.environ["NST_ESC50"])


def search(path: Path, settings: list[str], clips: int) -> None:
    dataset = open_clips()
    columns = ["setting", "style", "content"]
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=columns)
    done = set(done[columns].itertuples(index=False, name=None))
    wanted = [
        (setting, *pair)
        for setting in settings
        for pair in transfers(dataset, clips)
        if (setting, *pair) not in done
    ]
    for setting, style, content in tqdm(wanted, unit="transfer"):
        row = run(dataset, setting, style, content)
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def table(rows: pd.DataFrame) -> pd.DataFrame:
    means = rows.groupby("setting", sort=False)[[*SCORES]].mean()
    means.insert(0, "transfers", rows.groupby("setting", sort=False).size())
    return means.loc[[name for name in SETTINGS if name in means.index]]


def markdown(means: pd.DataFrame) -> str:
    lines = [
        "| setting | " + " | ".join(means.columns) + " |",
        "|---" * (len(means.columns) + 1) + "|",
        *(
            f"| {name} | {row['transfers']:.0f} | "
            + " | ".join(f"{row[score]:.2f}" for score in SCORES)
            + " |"
            for name, row in means.iterrows()
        ),
    ]
    return "\n".join(lines) + "\n"


def draw(means: pd.DataFrame) -> Figure:
    fig = Figure(figsize=(7, 5), layout="constrained")
    ax = fig.subplots()
    groups = {
        "onset + spectrogram": "onset + spectrogram, w",
        "onset": "onset, w",
        "spectrogram": "spectrogram, w",
        "features of relu2": "features of relu2, w",
    }
    for label, start in groups.items():
        part = means[means.index.str.startswith(start)]
        ax.plot(part["rhythm"], part["timbre"], marker="o", ms=4, label=label)
        if label == "onset + spectrogram":
            for name, row in part.iterrows():
                ax.annotate(
                    name.split(", ")[1], (row["rhythm"], row["timbre"]), fontsize=7,
                    xytext=(4, 3), textcoords="offset points",
                )  # fmt: skip
    variants = means[means.index.str.startswith("w = 0.02 with")]
    ax.plot(variants["rhythm"], variants["timbre"], "x", color="0.5", label="variants at w = 0.02")
    fast = means.loc[["w = 0.02 with n_fft 2048, 160 evaluations"]]
    ax.plot(fast["rhythm"], fast["timbre"], "D", color="k", label="the preset fast")
    published = means[means.index.str.startswith("published")]
    for (name, row), marker in zip(published.iterrows(), "*P^", strict=False):
        ax.plot(row["rhythm"], row["timbre"], marker, ms=11, color="k", mfc="none", label=name)
    ax.set(
        xlabel="Rhythm (1: the content's)",
        ylabel="Timbre (1: the style's)",
        title="The front: means over the study's five pairs",
    )
    ax.legend(fontsize=7, loc="lower left")
    return fig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="settings whose names contain one of these")
    arguments = parser.parse_args()
    only = arguments.only or [""]
    path = HERE / "front.csv"
    search(path, [s for s in SETTINGS if any(word in s for word in only)], arguments.clips)
    rows = pd.read_csv(path)
    first = rows[rows["style"].isin(style for style, _ in transfers(open_clips(), 1))]
    means = table(first)
    more = table(rows)
    (HERE / "front.md").write_text(
        "# The search behind the default preset\n\n"
        "Means over the study's five pairs, the first clip of each category:\n\n"
        + markdown(means)
        + "\nMeans over more clips of each category:\n\n"
        + markdown(more[more["transfers"] > len(STUDY_PAIRS)])
    )
    plots.use_style()
    plots.save(draw(means), HERE / "front.svg")


if __name__ == "__main__":
    main()
