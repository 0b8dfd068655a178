"""Measure how near a condensed sound is to the whole recording, and what an hour takes.

    .venv/bin/python benchmarks/condense.py

Styles of up to a minute are condensed to 5, 10 and 20 s: clips of one category of ESC-50 after each
other (if NST_ESC50 names a folder of recordings, as many as there are, up to twelve), clips of
three categories, and simulated sounds. Beside the condensed sound are the first seconds, and ten
draws of random stretches of one second. Measured are the distances of timbre and of each family of
texture statistics, and the style loss of the default preset, layer by layer, relative to the energy
of the style. The script prints a table and writes condense.json.
"""

import json
import os
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nst_lib import ESC50, TransferConfig
from nst_lib.core.condense import FADE, condense
from nst_lib.metrics.hearing import hear
from nst_lib.metrics.texture import statistics
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import ESC50_VARIABLE
from nst_lib.sound.synth import synthesise

HERE = Path(__file__).parent
SR = 22050
LENGTHS = (5, 10, 20)
DRAWS = 10
#: Fewest and most clips of a category in a style.
CLIPS = (4, 12)
SIMULATED = ("toilet_flush", "keyboard_typing", "frog", "clapping", "hen")
#: Minutes of stereo at 44.1 kHz whose time and memory are measured.
MINUTES = (15, 30, 60)


def styles() -> dict[str, Audio]:
    """Return the styles by name."""
    found: dict[str, Audio] = {
        f"simulated {name}": synthesise(name, seed=1, sr=SR, duration=60.0) for name in SIMULATED
    }
    if ESC50_VARIABLE in os.environ:
        dataset = ESC50(os.environ[ESC50_VARIABLE])
        by_category: dict[str, list[Audio]] = {}
        for clip in dataset.clips():
            by_category.setdefault(clip.category, []).append(clip.load(sr=SR))
        many = {name: clips for name, clips in by_category.items() if len(clips) >= CLIPS[0]}
        found |= {name: np.concatenate(clips[: CLIPS[1]]) for name, clips in many.items()}
        names = sorted(many)
        for three in (names[i : i + 3] for i in range(0, len(names) - 2, 3)):
            clips = [clip for name in three for clip in many[name][: CLIPS[0]]]
            found[", ".join(three)] = np.concatenate(clips)
    return found


def judge(whole: Audio) -> Callable[[Audio], dict[str, float]]:
    """Return a function that measures how far a sound is from the whole."""
    config = TransferConfig.from_preset("shaped", sr=SR)
    transform = config.analysis()

    def view(y: Audio) -> torch.Tensor:
        level = audio.level(y, sr=SR, measure="rms", target=config.level_target)
        return transform(torch.from_numpy(level))

    S = view(whole)
    with torch.no_grad():
        loss = config.network_for(S).distances(
            style=S,
            content=None,
            style_layers=config.style_layers,
            content_layers=(),
            normalisation="relative",
        )
    wanted = statistics(hear(whole, name="whole", sr=SR))

    @torch.no_grad()
    def measure(y: Audio) -> dict[str, float]:
        found = statistics(hear(y, name="part", sr=SR))
        apart = {name: float((found[name] - wanted[name]).norm()) for name in wanted}
        return apart | {layer: float(x) for layer, x in loss(view(y)).style.items()}

    return measure


def random_stretches(y: Audio, seconds: int, rng: np.random.Generator) -> Audio:
    """Return random seconds of a sound in the order of time, with crossfades."""
    half = round(FADE * SR / 2)
    rise = np.sin(0.5 * np.pi * (np.arange(2 * half) + 0.5) / (2 * half))
    starts = np.sort(rng.choice(len(y) // SR, seconds, replace=False)) * SR
    padded, result = np.pad(y, half), np.zeros(seconds * SR + 2 * half)
    for place, start in enumerate(starts):
        piece = padded[start : start + SR + 2 * half].copy()
        piece[: 2 * half] *= rise
        piece[-2 * half :] *= rise[::-1]
        result[place * SR : place * SR + len(piece)] += piece
    return result[half:-half].astype(np.float32)


def compare(name: str, y: Audio) -> list[dict[str, Any]]:
    """Return one row for each length of a style: the distances of each choice."""
    measure, rng = judge(y), np.random.default_rng(0)
    rows = []
    for seconds in LENGTHS:
        if 2 * seconds * SR > len(y):
            continue
        drawn = [measure(random_stretches(y, seconds, rng)) for _ in range(DRAWS)]
        rows.append(
            {
                "style": name,
                "whole": len(y) / SR,
                "seconds": seconds,
                "condensed": measure(condense(y, sr=SR, seconds=seconds)),
                "first": measure(y[: seconds * SR]),
                "random": {key: float(np.mean([one[key] for one in drawn])) for key in drawn[0]},
            }
        )
    return rows


def ratios(rows: list[dict[str, Any]], other: str) -> dict[str, dict[str, float]]:
    """Return how far condensed sounds are, relative to another choice: mean, and how many win."""
    result = {}
    for key in rows[0]["condensed"]:
        quotients = np.array([row["condensed"][key] / row[other][key] for row in rows])
        result[key] = {
            "ratio": float(np.exp(np.log(quotients).mean())),
            "nearer": float((quotients < 1).mean()),
        }
    return result


def cost(minutes: int) -> dict[str, float]:
    """Return processor time and memory of condensing a long stereo sound to 20 s."""
    rng = np.random.default_rng(0)
    block = (0.1 * rng.standard_normal((2, 5 * 44100))).astype(np.float32)
    levels = np.random.default_rng(1).uniform(0.01, 1, minutes * 12).astype(np.float32)

    def run() -> None:
        condense(lambda: (block * level for level in levels), sr=44100, seconds=20)

    began = time.process_time()
    run()
    taken = time.process_time() - began
    tracemalloc.start()  # it makes the same nearly twice as slow
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"seconds": taken, "MB": peak / 1e6}


def main() -> None:
    costs = {minutes: cost(minutes) for minutes in MINUTES}
    for minutes, value in costs.items():
        print(f"{minutes} min of stereo: {value['seconds']:.1f} s, {value['MB']:.0f} MB")
    rows = [row for name, y in styles().items() for row in compare(name, y)]
    table: dict[str, Any] = {}
    for seconds in LENGTHS:
        some = [row for row in rows if row["seconds"] == seconds]
        for other in ("first", "random") if some else ():
            found = table[f"{seconds} s, to {other}"] = ratios(some, other)
            print(f"condensed to {seconds} s, distance relative to {other} ({len(some)} styles)")
            for key, value in found.items():
                print(f"  {key:12} {value['ratio']:.2f}   nearer in {value['nearer']:.0%}")
    machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    record = {"machine": machine, "table": table, "cost": costs, "rows": rows}
    (HERE / "condense.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
