"""Compare CQT and CWT with librosa: magnitudes, round trips, seconds, and results of Griffin-Lim.

    .venv/bin/python benchmarks/bands.py [--clips 5]

Everything runs in one process, on the content clips of the five pairs in the study, 5 s each. The
clips are simulated, unless NST_ESC50 names a folder of recordings. The script prints a table and
writes bands.json.
"""

import argparse
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch

from nst_lib import CQT, CWT, STFT
from nst_lib.core.inversion import griffin_lim
from nst_lib.core.transforms import Transform
from nst_lib.sound.datasets import STUDY_PAIRS, open_dataset

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = {"sr": 22050, "hop_length": 128, "bins_per_octave": 64}
N_BINS = 512
#: Iterations of Griffin-Lim: as many as in the study, and enough to reach the lowest error.
N_ITER, FLOOR_ITER = 32, 100


def seconds(run: Callable[[], Any], *, times: int = 7) -> float:
    """Return the median time of a call in seconds, after one call to warm up."""
    run()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def theirs(y: np.ndarray) -> np.ndarray:
    """Return librosa's CQT with complete filters (no values set to zero)."""
    return librosa.cqt(y, n_bins=N_BINS, sparsity=0, **SETTINGS)


def snr(y: np.ndarray, rebuilt: np.ndarray, *, low: float = 0, high: float = np.inf) -> float:
    """Return the signal-to-error ratio in dB between two frequencies."""
    freqs = np.fft.rfftfreq(len(y), 1 / SETTINGS["sr"])
    band = (freqs >= low) & (freqs <= high)
    Y, E = (np.fft.rfft(x)[band] for x in (y, rebuilt - y))
    return float(20 * np.log10(np.linalg.norm(Y) / np.linalg.norm(E)))


def distance(y: np.ndarray, amplitude: np.ndarray) -> float:
    """Return the spectral convergence, measured with librosa's own transform."""
    return float(np.linalg.norm(np.abs(theirs(y)) - amplitude) / np.linalg.norm(amplitude))


def round_trip(transform: Transform, y: torch.Tensor) -> dict[str, float]:
    """Return the error of the inverse from complex coefficients, in the band and in total."""
    rebuilt = transform.synthesise(transform.analyse(y), length=len(y)).numpy()
    inner = transform.freqs[transform.freqs > 0]
    return {
        "in band": snr(y.numpy(), rebuilt, low=inner[0], high=inner[-1]),
        "all": snr(y.numpy(), rebuilt),
    }


def measure(y: np.ndarray) -> dict[str, Any]:
    """Return all measurements of one clip."""
    w, cqt = torch.from_numpy(y), CQT()
    C = theirs(y)
    amplitude = np.abs(C)
    ours = cqt.amplitude(w).numpy()
    row: dict[str, Any] = {
        "magnitude error": float(np.linalg.norm(ours - amplitude) / np.linalg.norm(amplitude)),
        "forward": seconds(lambda: cqt.analyse(w)),
        "forward, librosa": seconds(lambda: librosa.cqt(y, n_bins=N_BINS, **SETTINGS)),
        "forward, librosa, sparsity 0": seconds(lambda: theirs(y)),
        "inverse": seconds(lambda: cqt.synthesise(cqt.analyse(w), length=len(y)), times=1),
        "inverse, librosa": seconds(lambda: librosa.icqt(C, length=len(y), **SETTINGS), times=1),
        "round trip, librosa": {
            "in band": snr(
                y,
                librosa.icqt(C, length=len(y), **SETTINGS),
                low=cqt.freqs[0],
                high=cqt.freqs[-1],
            )
        },
    }
    for name, transform in {
        "STFT": STFT(),
        "CQT": cqt,
        "CQT, residual": CQT(residual=True),
        "CWT": CWT(),
        "CWT, residual": CWT(residual=True),
    }.items():
        row[f"round trip, {name}"] = round_trip(transform, w)
    for n_iter in (N_ITER, FLOOR_ITER):
        began = time.perf_counter()
        guess = librosa.griffinlim_cqt(
            amplitude, n_iter=n_iter, random_state=0, length=len(y), **SETTINGS
        )
        row[f"Griffin-Lim {n_iter}, librosa"] = {
            "seconds": time.perf_counter() - began,
            "convergence": distance(guess, amplitude),
        }
    S = torch.from_numpy(amplitude).log1p()
    wanted = row[f"Griffin-Lim {N_ITER}, librosa"]["convergence"]
    for n_iter in range(1, FLOOR_ITER):
        began = time.perf_counter()
        guess = griffin_lim(S, cqt, length=len(y), n_iter=n_iter).y.numpy()
        taken = time.perf_counter() - began
        if distance(guess, amplitude) <= wanted:
            row["Griffin-Lim as near, ours"] = {"seconds": taken, "n_iter": n_iter}
            break
    for n_iter in (N_ITER, FLOOR_ITER):
        guess = griffin_lim(S, cqt, length=len(y), n_iter=n_iter).y.numpy()
        row[f"Griffin-Lim {n_iter}, ours"] = {"convergence": distance(guess, amplitude)}
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return the measurements as Markdown: medians over clips, and the worst clip."""

    def values(*keys: str) -> list[float]:
        return [row[keys[0]] if len(keys) == 1 else row[keys[0]][keys[1]] for row in rows]

    def line(about: str, figures: list[float], form: str, worst: Callable[[list[float]], float]):
        return f"| {about} | {statistics.median(figures):{form}} | {worst(figures):{form}} |"

    def ratios(slow: list[float], fast: list[float]) -> list[float]:
        return [a / b for a, b in zip(slow, fast, strict=True)]

    near = values("Griffin-Lim as near, ours", "seconds")
    published = values(f"Griffin-Lim {N_ITER}, librosa", "seconds")
    lines = [
        "| CQT against librosa, 5 s clips | median | worst |",
        "|---|---|---|",
        line(
            "magnitude, relative error (%)",
            [100 * v for v in values("magnitude error")],
            ".2f",
            max,
        ),
        line("forward (ms)", [1000 * v for v in values("forward")], ".1f", max),
        line(
            "forward, times faster than librosa",
            ratios(values("forward, librosa"), values("forward")),
            ".1f",
            min,
        ),
        line(
            "the same, librosa with sparsity=0",
            ratios(values("forward, librosa, sparsity 0"), values("forward")),
            ".1f",
            min,
        ),
        line(
            "round trip in band, librosa (dB)", values("round trip, librosa", "in band"), ".1f", min
        ),
        *(
            line(f"round trip {band}, {name} (dB)", values(f"round trip, {name}", band), ".1f", min)
            for name, band in (
                ("CQT", "in band"),
                ("CWT", "in band"),
                ("CQT", "all"),
                ("CQT, residual", "all"),
                ("CWT, residual", "all"),
                ("STFT", "all"),
            )
        ),
        line("least-squares inverse (s)", values("inverse"), ".2f", max),
        line(f"griffinlim_cqt, {N_ITER} iterations (s)", published, ".1f", max),
        line("the same spectral convergence, ours (s)", near, ".2f", max),
        line("times faster", ratios(published, near), ".1f", min),
        *(
            line(
                f"spectral convergence after {n_iter} iterations, {whose}",
                values(f"Griffin-Lim {n_iter}, {whose}", "convergence"),
                ".3f",
                max,
            )
            for n_iter in (N_ITER, FLOOR_ITER)
            for whose in ("librosa", "ours")
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure all clips, print the table, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", r"n_fft=\d+ is too large for input signal")
    dataset = open_dataset()
    contents = [dataset.clips(category=content)[0] for _, content in STUDY_PAIRS]
    rows = []
    for clip in contents[: arguments.clips]:
        print(f"{clip.name} ...", flush=True)
        rows.append({"clip": clip.name, **measure(clip.load())})
    print(table(rows))
    record = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {"torch": torch.__version__, "librosa": librosa.__version__},
        "clips": rows,
    }
    (HERE / "bands.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
