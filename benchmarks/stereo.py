"""Compare three ways to a stereo result: levels and correlation by band, attacks, and scores.

    .venv/bin/python benchmarks/stereo.py [--pairs 5]

ESC-50 is mono, so the stereo contents are constructed from two clips of one category: see `built`.
Style and content come from the pairs of the study, and each result is a mosaic of the style:

- image: one mosaic for all channels, which then gets the image of the content;
- stereo style: the same, with another clip of the style in the second channel;
- channels: a mosaic for each channel, at the level that the channel has in the content;
- mid/side: a mosaic for the sum and one for the difference of the channels, in the same way.

Deviations are those of the result from the content, in the bands that are above -50 dB in both:
over the whole sound ("whole"), and with each moment of the content counted with the power of the
result at that moment ("moments"). Levels beyond 30 dB count as 30 dB. Scores compare each channel
with the same channel of the content. "Onsets" is the correlation of the onset strength of a channel
with that of the mosaic. The script prints a table and writes stereo.json. The clips are simulated,
unless NST_ESC50 names a folder of recordings.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve, stft

from nst_lib import metrics
from nst_lib.core import image
from nst_lib.core.bands import erb_rate, half_cosines
from nst_lib.core.mosaic import mosaic
from nst_lib.sound.datasets import STUDY_PAIRS, open_dataset

HERE = Path(__file__).parent
SR = 44100
N_BANDS = 30
#: Length of the window in samples, and smoothing of the moments in frames (60 ms).
N_FFT, STD = 2048, 0.06 * SR / 512
#: Level below which a band does not count, and largest difference in level between channels (dB).
HEARD, APART = -50, 30
#: Goals: deviation of the level in dB, and of the correlation.
GOALS = {"level": 1.0, "correlation": 0.1}


def built(first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """Return stereo contents that are constructed from two mono clips."""
    n = len(first)
    t = np.arange(SR // 2) / SR
    late = np.random.default_rng(0).standard_normal((2, len(t))) * np.exp(-t / 0.1)
    late /= np.linalg.norm(late, axis=1, keepdims=True)
    tail = oaconvolve(np.stack([first, first]), late, axes=1)[:, :n]
    angle = np.pi / 2 * np.linspace(0, 1, n)
    return {
        "panned 20 and 70 degrees": panned(first, 20) + panned(second, 70),
        "panned 0 and 60 degrees": panned(first, 0) + panned(second, 60),
        "delay 0.5 ms and reverberation": np.stack([first, np.roll(first, 22)]) + 0.5 * tail,
        "opposite sign": np.stack([first, -first]),
        "independent": np.stack([first, second]),
        "moving from left to right": np.stack([np.cos(angle), np.sin(angle)]) * first,
    }


def panned(y: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle) * y, np.sin(angle) * y])


def by_channels(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    sounds = [mosaic(style, channel, sr=SR) for channel in content]
    return np.stack([y * rms(x) for y, x in zip(sounds, content, strict=True)])


def by_mid_side(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    turn = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    return turn @ by_channels(style, turn @ content)


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def covariances(y: np.ndarray) -> np.ndarray:
    """Return the powers of two channels and their cross-spectrum, ``(3, bands, frames)``."""
    freqs, _, Y = stft(np.asarray(y, np.float64), SR, "hann", N_FFT, N_FFT - 512)
    high = float(erb_rate(np.array(SR / 2)))
    step = high / (N_BANDS + 1)
    weights = half_cosines(erb_rate(freqs).clip(step, high - step), 0, high, n=N_BANDS) ** 2
    return weights @ np.stack([abs(Y[0]) ** 2, abs(Y[1]) ** 2, (Y[0] * Y[1].conj()).real])


def deviations(result: np.ndarray, content: np.ndarray) -> dict[str, list[float]]:
    """Return the deviations of levels and correlation, one for each band that counts."""
    ours, theirs = covariances(result), covariances(content)
    heard = np.all([above(C[:2].sum((0, 2)), HEARD) for C in (ours, theirs)], axis=0)
    found: dict[str, list[float]] = {}
    compare(found, "whole", ours.sum(-1)[:, heard], theirs.sum(-1)[:, heard])
    ours, theirs = (gaussian_filter1d(C[:, heard], STD, axis=-1) for C in (ours, theirs))
    power = theirs[:2].sum(0)
    present = power > 1e-4 * power.mean(-1, keepdims=True)
    weight = np.divide(ours[:2].sum(0), power, out=np.zeros_like(power), where=present)
    compare(found, "moments", (ours * present).sum(-1), (theirs * weight).sum(-1))
    return found


def compare(found: dict[str, list[float]], what: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    levels = [decibels(left, right).clip(-APART, APART) for left, right, _ in (ours, theirs)]
    found[f"{what}, level"] = abs(levels[0] - levels[1]).tolist()
    both = np.all([abs(level) < APART for level in levels], axis=0)
    correlations = [C[2, both] / np.sqrt(C[0, both] * C[1, both]) for C in (ours, theirs)]
    found[f"{what}, correlation"] = abs(correlations[0] - correlations[1]).tolist()


def above(power: np.ndarray, level: float) -> np.ndarray:
    return decibels(power, power.max()) > level


def decibels(power: np.ndarray, reference: Any) -> np.ndarray:
    return 10 * np.log10((power + 1e-30) / (reference + 1e-30))


def onsets(result: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the correlation of the onset strength of each channel with that of the sound."""
    sounds = [torch.from_numpy(np.asarray(x, np.float64)) for x in (*result, y)]
    *ours, theirs = (metrics.onset_strength(metrics.envelopes(x, sr=SR)) for x in sounds)
    return [float(metrics.correlation(one, theirs)) for one in ours]


def scores(result: np.ndarray, content: np.ndarray, style: np.ndarray) -> list[dict[str, float]]:
    """Return the scores of each channel against the same channel of the content."""
    found = []
    for ours, theirs in zip(result, content, strict=True):
        score = metrics.scores(ours, content=theirs, style=style, sr=SR)
        names = ("timbre", "texture", "rhythm", "noise")
        found.append({name: getattr(score, name) for name in names})
    return found


def contents(pairs: int) -> Iterator[tuple[str, list[np.ndarray], str, np.ndarray]]:
    """Yield the name of each pair, two clips of the style, and each content with its name."""
    dataset = open_dataset()
    for pair in STUDY_PAIRS[:pairs]:
        clips = [dataset.clips(category=category)[:2] for category in pair]
        styles, (first, second) = ([clip.load(sr=SR) for clip in two] for two in clips)
        for name, content in built(first, second).items():
            yield "/".join(pair), styles, name, content.astype(np.float32)


def measure(pairs: int) -> list[dict[str, Any]]:
    """Return one row for each way and each content."""
    rows = []
    for pair, styles, name, content in contents(pairs):
        mixed = image.downmix(content, sr=SR)
        y, other = (mosaic(style, mixed, sr=SR) for style in styles)
        result, wide = (image.place(x, content, sr=SR) for x in (y, np.stack([y, other])))
        ways: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
            "image": (result, {"onsets": onsets(result, y)}),
            "stereo style": (wide, {}),
            "channels": (by_channels(styles[0], content), {}),
            "mid/side": (by_mid_side(styles[0], content), {}),
        }
        for way, (sound, more) in ways.items():
            row = {"pair": pair, "content": name, "way": way, **more}
            row["deviations"] = deviations(sound, content)
            if way != "stereo style":  # there is no single style to compare with
                row["scores"] = scores(sound, content, styles[0])
            rows.append(row)
        print(f"{pair}, {name} ...", flush=True)
    return rows


def summary(rows: list[dict[str, Any]], *keys: str) -> dict[str, dict[str, Any]]:
    """Return mean and worst deviations, and means of scores, for all rows with equal keys."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(": ".join(row[key] for key in keys), []).append(row)
    return {name: summarised(group) for name, group in groups.items()}


def summarised(rows: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for what in rows[0]["deviations"]:
        values = [v for row in rows for v in row["deviations"][what]] or [0.0]
        goal = GOALS[what.split(", ")[1]]
        result[what] = {
            "mean": statistics.fmean(values),
            "worst": max(values),
            "share within goal": statistics.fmean(v <= goal for v in values),
        }
    found = [one for row in rows for one in row.get("scores", [])]
    for score in found[0] if found else ():
        result[score] = statistics.fmean(one[score] for one in found)
    if "onsets" in rows[0]:
        values = [v for row in rows for v in row["onsets"]]
        result["onsets"] = {"mean": statistics.fmean(values), "worst": min(values)}
    return result


def table(summaries: dict[str, dict[str, Any]]) -> str:
    """Return the summaries as Markdown."""

    def deviation(one: dict[str, Any], what: str) -> str:
        values = one[what]
        return f"{values['mean']:.2f} / {values['worst']:.2f} / {values['share within goal']:.0%}"

    names = [f"{when}, {what}" for when in ("whole", "moments") for what in GOALS]
    head = ["mean / worst / within goal", *names, "timbre", "texture", "rhythm", "onsets"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, one in summaries.items():
        heard = f"{one['onsets']['mean']:.3f}" if "onsets" in one else ""
        scored = ("timbre", "texture", "rhythm")
        values = [f"{one[score]:.2f}" if score in one else "" for score in scored]
        cells = [name, *(deviation(one, what) for what in names), *values, heard]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cpu_seconds(run: Callable[[], Any]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def main() -> None:
    """Measure all contents, print the table, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=len(STUDY_PAIRS))
    arguments = parser.parse_args()
    rows = measure(arguments.pairs)
    summaries = summary(rows, "way") | summary(rows, "way", "content")
    minute = np.random.default_rng(0).standard_normal((2, 60 * SR)).astype(np.float32)
    speed = {
        "downmix": cpu_seconds(lambda: image.downmix(minute, sr=SR)),
        "place": cpu_seconds(lambda: image.place(minute[0], minute, sr=SR)),
    }
    print(table(summaries))
    print("CPU seconds per minute of stereo:", speed)
    record = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "contents": "constructed from mono clips",
        "CPU seconds per minute of stereo": speed,
        "summaries": summaries,
    }
    (HERE / "stereo.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
