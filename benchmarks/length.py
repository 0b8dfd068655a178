"""Measure what long recordings cost, and whether their results differ from those of short ones.

    NST_ESC50=folder .venv/bin/python -W ignore benchmarks/length.py [PART ...]

The parts are:

- times: `nst transfer` with the default preset, as a command of its own, on stereo contents of 5 s
  to 10 min at 44.1 kHz, and a style of a minute. Time is compared with a straight line.
- whole: contents of 20 s, with the loss in blocks (landmarks) and at once (exact kernels): scores.
- seams: the ten minutes of `times`: level, onset strength and the slope of the loss within 50 ms of
  the edges of blocks, against everywhere else.
- busy: a default transfer of 5 s, and the study's CQT, alone and beside a process that keeps one
  core busy.

The recordings are made of clips of ESC-50, each panned to its own direction, so they are real
sounds in constructed scenes. The script prints each number and writes length.json; parts that are
not named keep their numbers. Run it on a machine that does nothing else.
"""

import csv
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from nst_lib import ESC50, TransferConfig, transfer
from nst_lib.core.blocks import FRAMES, Parts, Samples
from nst_lib.core.image import downmix
from nst_lib.core.transforms import CQT
from nst_lib.metrics.hearing import hear, onset_strength
from nst_lib.sound import audio

RESULTS = Path(__file__).with_suffix(".json")
SECONDS = (5, 10, 20, 60, 120, 600)
SR = 44100
#: Repetitions of a measurement beside another process; the median counts.
REPEATS = 5
#: Reach of a seam in seconds.
REACH = 0.05


def scene(names: list[str], seconds: float, *, seed: int, sr: int = SR) -> np.ndarray:
    """Return clips of ESC-50 one after the other, from different directions, in stereo."""
    rng = np.random.default_rng(seed)
    dataset = ESC50(os.environ["NST_ESC50"])
    y, at = np.zeros((2, round(seconds * sr)), np.float32), 0
    while at < y.shape[1]:
        clip = audio.level(dataset[rng.choice(names)].load(sr=sr), sr=sr, target=-26.0)
        clip = clip[: y.shape[1] - at] * 10 ** (rng.uniform(-12, 0) / 20)
        angle = rng.uniform(0, np.pi / 2)
        y[:, at : at + len(clip)] += np.outer([np.cos(angle), np.sin(angle)], clip)
        at += round(rng.uniform(3, 5) * sr)
    return audio.guard(y)[0]


def clips(role: str) -> list[str]:
    """Return the clips of the development pairs that are a "style" or a "content"."""
    table = Path(os.environ["NST_ESC50"]) / "meta" / "pairs.csv"
    with table.open(newline="") as file:
        return [row[role].removesuffix(".wav") for row in csv.DictReader(file)]


def command(folder: Path, seconds: float) -> dict[str, float]:
    """Run one command, and return its time (s), processor time (s) and peak of memory (MB)."""
    content, style, out = (folder / f"{name}.wav" for name in ("content", "style", "result"))
    audio.write(content, scene(clips("content"), seconds, seed=1), sr=SR, subtype="PCM_16")
    if not style.exists():
        same = [name for name in clips("style") if name.endswith("-28")]
        audio.write(style, scene(same, 60.0, seed=2), sr=SR, subtype="PCM_16")
    script = (
        "import resource, sys; from nst_lib.cli.main import main\n"
        "try: main()\n"
        "finally:\n"
        "    usage = resource.getrusage(resource.RUSAGE_SELF)\n"
        "    print('MEASURED', usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)"
    )
    files = ["--content", str(content), "--style", str(style), "--out", str(out)]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, "transfer", *files],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall = time.perf_counter() - began
    _, cpu, peak = done.stderr[done.stderr.index("MEASURED") :].split()
    scores = json.loads(out.with_suffix(".json").read_text())["scores"]
    row = {"seconds": wall, "processor seconds": float(cpu), "peak MB": int(peak) / 1000}
    print(
        f"{seconds:g} s:", row, {k: round(scores[k], 2) for k in ("timbre", "rhythm")}, flush=True
    )
    return row


def times(folder: Path) -> dict[str, Any]:
    rows = {f"{seconds}": command(folder, seconds) for seconds in SECONDS}
    fits = {}
    for name in ("seconds", "processor seconds"):
        taken = np.array([row[name] for row in rows.values()])
        design = np.stack([np.ones(len(SECONDS)), SECONDS], 1) / taken[:, None]
        start, each = np.linalg.lstsq(design, np.ones(len(SECONDS)), rcond=None)[0]
        away = (start + each * np.array(SECONDS)) / taken - 1
        fits[name] = {
            "start": start, "for each second": each, "furthest from the line": np.abs(away).max(),
        }  # fmt: skip
        print(name, fits[name])
    return {"lengths": rows, "straight line": fits}


def whole(_: Path) -> dict[str, Any]:
    pairs = list(zip(clips("style"), clips("content"), strict=True))[::3]
    dataset = ESC50(os.environ["NST_ESC50"])
    found: dict[str, list[dict[str, float]]] = {"blocks": [], "whole": []}
    for k, (style, content) in enumerate(pairs):
        y = (
            scene([content], 20.0, seed=k, sr=22050)[0]
            + scene(clips("content"), 20.0, seed=k, sr=22050)[1]
        )
        for name, longest in (("blocks", 15.0), ("whole", 60.0)):
            config = TransferConfig.from_preset(
                "shaped", sr=22050, n_fft=2048, mono=True, whole=longest
            )
            result = transfer(y, dataset[style], config)
            found[name].append(result.scores.to_dict())
    names = ("timbre", "texture", "rhythm", "ear")
    means = {
        key: {
            name: float(np.mean([row[name] for row in rows])) for name in names if name in rows[0]
        }
        for key, rows in found.items()
    }
    apart = {
        name: float(np.mean([abs(a[name] - b[name]) for a, b in zip(*found.values(), strict=True)]))
        for name in means["whole"]
    }
    print(means, "mean difference of a pair", apart)
    return {"pairs": len(pairs), **means, "mean difference of a pair": apart}


def seams(folder: Path) -> dict[str, Any]:
    out = folder / "result.wav"
    if not out.exists():
        command(folder, SECONDS[-1])
    read = {"sr": SR, "mono": False}
    result, content, style = (
        audio.read(folder / f"{name}.wav", **read) for name in ("result", "content", "style")
    )
    y, c, s = (downmix(one, sr=SR) for one in (result, content, style))
    config = TransferConfig.from_preset("shaped").at(SR)
    transform = config.analysis()
    s = s[: 20 * SR]
    loss = config.loss_in_blocks(
        transform, style=[torch.from_numpy(s)], content=torch.from_numpy(c)
    )
    w = torch.from_numpy(y).requires_grad_()
    loss(Parts(w, Samples())).total.backward()
    step = round(REACH * SR)
    edges = np.arange(FRAMES, transform.n_frames(len(y)), FRAMES) * transform.hop_length
    squared = [np.square(one, dtype=np.float64) for one in (y, w.grad.numpy())]
    onsets = onset_strength(hear(result, name="result", sr=SR)).numpy()
    found = {
        "level": 10 * np.log10(_binned(squared[0], step) + 1e-12),
        "onset strength": onsets[: len(onsets) // 5 * 5].reshape(-1, 5).mean(1),
        "slope of the loss": np.log10(_binned(squared[1], step) + 1e-30),
    }
    rows = {}
    for name, values in found.items():
        near = np.unique([(edge + d) // step for edge in edges for d in (-step, 0)])
        near = near[near < len(values)]
        away = np.delete(values, near)
        rows[name] = {
            "near": float(np.mean(values[near])), "elsewhere": float(np.mean(away)),
            "p": float(mannwhitneyu(values[near], away).pvalue),
        }  # fmt: skip
        print(name, rows[name], flush=True)
    return {"seams": len(edges), **rows}


def _binned(squared: np.ndarray, step: int) -> np.ndarray:
    return squared[: len(squared) // step * step].reshape(-1, step).mean(1)


def busy(folder: Path) -> dict[str, Any]:
    y = 0.1 * torch.randn(5 * 22050, generator=torch.Generator().manual_seed(0))
    cqt = CQT()

    def forward() -> float:
        began = time.perf_counter()
        cqt(y)
        return time.perf_counter() - began

    measured: dict[str, Callable[[], float]] = {
        "CQT forward": forward,
        "default transfer": lambda: command(folder, 5)["seconds"],
    }
    rows = {}
    for name, measure in measured.items():
        measure()
        alone = float(np.median([measure() for _ in range(REPEATS)]))
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            time.sleep(1)
            beside = float(np.median([measure() for _ in range(REPEATS)]))
            other.kill()
        rows[name] = {"alone": alone, "beside": beside, "ratio": beside / alone}
        print(name, rows[name], flush=True)
    return rows


def main() -> None:
    parts = {"times": times, "whole": whole, "seams": seams, "busy": busy}
    wanted = sys.argv[1:] or [*parts]
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    with TemporaryDirectory() as folder:
        for name in wanted:
            results[name] = parts[name](Path(folder))
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
