"""Measure what a score of the trained ear means on real clips: benchmarks/ear.json.

The script needs the ear (`nst data ear`) and the development copy of ESC-50 (NST_ESC50), with its
table of pairs. It takes three minutes. With --origin, it first writes the mean embedding that the
ear subtracts.

python benchmarks/ear.py [--origin]
"""

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nst_lib import ESC50, TransferConfig, transfer
from nst_lib.metrics import ear as ears
from nst_lib.metrics.categories import Categories
from nst_lib.sound.datasets import open_dataset

TARGET = Path(__file__).with_suffix(".json")
ORIGIN = Path(ears.__file__).with_name("ear_origin.npy")
#: The rate of most presets, and that of the clips.
RATES = (22050, 44100)
#: The transforms of the study, and its CQT with bands for the range that it leaves out.
TRANSFORMS = {
    "STFT": {"transform": "stft"},
    "CQT": {"transform": "cqt"},
    "CQT with residual bands": {"transform": "cqt", "residual": True},
}
#: The recipe of notebooks/conditions/claims.yaml, with average pooling.
RECIPE = {
    "name": "milacic2020",
    "engine": "infinite",
    "content_layers": (),
    "line_search": "strong_wolfe",
    "pooling": "average",
}


def origin(clips: ESC50, ear: ears.Ear) -> np.ndarray:
    """Return the mean response to all clips at the first rate."""
    sr = RATES[0]
    return np.mean([ear.respond(clip.load(sr=sr), sr=sr) for clip in clips], axis=0)


def measure(clips: ESC50, ear: ears.Ear, sr: int) -> dict[str, float]:
    """Return cosines within and across categories, and how often a category is recognised."""
    found = Categories.of(clips, ear=ear, sr=sr)
    C = found.embeddings @ found.embeddings.T
    labels = np.array([clip.category for clip in clips])
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    other = labels[:, None] != labels
    names = [clip.name for clip in clips]
    with (clips.root / "meta" / "pairs.csv").open(newline="") as file:
        pairs = [
            [names.index(row[role].removesuffix(".wav")) for role in ("style", "content")]
            for row in csv.DictReader(file)
        ]
    ranks = np.array(found.own_ranks())
    return {
        "pairs": float(np.mean([C[s, c] for s, c in pairs])),
        "same category": float(C[same].mean()),
        "other categories": float(C[other].mean()),
        "same above other": float((C[same][:, None] > C[other]).mean()),
        "ranked": len(ranks),
        "first": float((ranks == 1).mean()),
        "first three": float((ranks <= 3).mean()),
        "mean rank": float(ranks.mean()),
    }


def study(clips: ESC50, *, steps: int, **settings: Any) -> float:
    """Return the mean score `ear` over the study's pairs.

    At 0 steps, the sounds are the styles, sent through the transform and back.
    """
    found = []
    for pair in clips.pairs():
        start = "content" if steps else str(pair.style.path)
        config = TransferConfig.from_preset(**RECIPE, **settings, steps=steps, start=start)
        found.append(transfer(pair.content, pair.style, config).scores.to_dict()["ear"])
    return float(np.mean(found))


def seconds(clips: ESC50) -> float:
    """Return the processor time that the ear adds to the scores of three new sounds of 5 s."""
    ear = ears.installed()
    taken = []
    for n in range(0, 12, 3):
        sounds = [clip.load() for clip in clips[n : n + 3]]
        began = time.process_time()
        for y in sounds:
            ear.embed(y, sr=RATES[0])
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    torch.set_num_threads(1)
    clips, ear = open_dataset("esc50"), ears.installed()
    if ear is None:
        raise SystemExit("the ear is not installed: run `nst data ear`")
    if "--origin" in sys.argv:
        ears.ORIGIN[:] = origin(clips, ear)
        np.save(ORIGIN, ears.ORIGIN)
    rows = {f"{sr} Hz": measure(clips, ear, sr) for sr in RATES}
    about = {"clips": len(clips), "categories": len(clips.categories)}
    spent = seconds(clips)  # before clips are kept
    back = {name: study(clips, steps=0, **chosen) for name, chosen in TRANSFORMS.items()}
    rows["the study's styles, through a transform and back"] = back
    wide = TRANSFORMS["CQT with residual bands"]
    rows["the study's pairs"] = {"CQT with residual bands": study(clips, steps=100, **wide)}
    table = {**about, **rows, "seconds for three sounds of 5 s": spent}
    TARGET.write_text(json.dumps(table, indent=1) + "\n")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
