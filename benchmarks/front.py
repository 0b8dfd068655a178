"""Compare rhythm with what a trained ear recognises, over the twenty development pairs.

    NST_ESC50=folder .venv/bin/python -W ignore benchmarks/front.py [--jobs 2] [--only WORD ...]

The folder is the development copy of ESC-50, with its table of pairs; the ear must be installed
(`nst data ear`). Each setting (front_settings.py) runs on all pairs, or on the first ones. Each row
is written to front.csv at once. Rows that exist are skipped, so an interrupted run continues; rows
of a setting whose values have changed since are computed again. At the end, the script writes
front.md and front.svg (front_report.py). Everything is seeded.

--only selects settings by words in "group: name". --sounds FOLDER also writes the sound of every
transfer that runs, in one folder for each setting, so that it can be judged elsewhere.
"""

import argparse
import csv
import multiprocessing
import os
import re
import time
from pathlib import Path

import front_report
import numpy as np
import pandas as pd
import torch
from front_settings import STARTS, Setting, all_settings
from scipy.ndimage import gaussian_filter1d

from nst_lib import ESC50, metrics, transfer
from nst_lib.metrics import ear
from nst_lib.recordings import load
from nst_lib.result import TransferResult
from nst_lib.sound import audio

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = (
    "group", "setting", "key", "style", "content", "timbre", "texture", "rhythm", "librosa rhythm",
    "ear", "ear content", "noise", "copies style", "style loss", "evaluations", "core seconds",
)  # fmt: skip


def pairs(dataset: ESC50) -> list[tuple[str, str]]:
    """Return style and content of the development pairs."""
    with (dataset.root / "meta" / "pairs.csv").open(newline="") as file:
        return [
            (row["style"].removesuffix(".wav"), row["content"].removesuffix(".wav"))
            for row in csv.DictReader(file)
        ]


def librosa_rhythm(y: np.ndarray, content: np.ndarray, sr: int) -> float:
    """Return the correlation of librosa's onset strengths, which no loss term uses."""
    import librosa

    strengths = [
        gaussian_filter1d(librosa.onset.onset_strength(y=x, sr=sr, hop_length=256), 0.05 * sr / 256)
        for x in (y, content)
    ]
    return float(np.corrcoef(*strengths)[0, 1])


def run(dataset: ESC50, setting: Setting, style: str, content: str) -> TransferResult:
    start = None
    if setting.start:
        heard = [load(dataset[name], setting.config) for name in (style, content)]
        start = STARTS[setting.start](*heard, sr=setting.config.sr).astype(np.float32)
    return transfer(dataset[content], dataset[style], setting.config, start=start)


def row(dataset: ESC50, setting: Setting, style: str, content: str, sounds: Path | None) -> dict:
    began = time.process_time()
    result = run(dataset, setting, style, content)
    taken = time.process_time() - began
    sr = setting.config.sr
    if sounds is not None:
        folder = sounds / re.sub(r"\W+", "_", setting.name)
        folder.mkdir(parents=True, exist_ok=True)
        audio.write(folder / f"{style}__{content}.wav", result.audio, sr=sr)
    values = {
        "group": setting.group,
        "setting": setting.name,
        "key": setting.key,
        "style": style,
        "content": content,
        **result.scores.to_dict(),
        "librosa rhythm": librosa_rhythm(result.audio, result.content, sr),
        "copies style": metrics.copying(result.audio, result.style, sr=sr),
        "evaluations": len(result.evaluations),
        "style loss": result.realised.get("style", ""),
        "core seconds": taken,
    }
    short = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in values.items()}
    return {name: short[name] for name in COLUMNS}


def work(wanted: list[tuple[Setting, str, str]], sounds: Path | None) -> None:
    """Run transfers one after the other, and append their rows."""
    torch.set_num_threads(1)
    dataset = ESC50(os.environ["NST_ESC50"])
    for job in wanted:
        values = row(dataset, *job, sounds)
        with TABLE.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(values)
        print(*(values[name] for name in ("setting", "style", "ear", "rhythm")), flush=True)


def read(settings: list[Setting]) -> pd.DataFrame:
    """Return the rows of the table that belong to the settings as they are now."""
    rows = (
        pd.read_csv(TABLE, dtype={"key": str}) if TABLE.exists() else pd.DataFrame(columns=COLUMNS)
    )
    keys = {(setting.name, setting.key) for setting in settings}
    return rows.loc[[one in keys for one in zip(rows["setting"], rows["key"], strict=True)]]


def search(settings: list[Setting], *, most: int, jobs: int, sounds: Path | None) -> None:
    """Run what is missing. The pairs are shared out, so that a process meets them again."""
    rows = read(all_settings())
    if not TABLE.exists() or len(rows) < len(pd.read_csv(TABLE)):
        rows.to_csv(TABLE, index=False)
    done = set(rows[["key", "style", "content"]].itertuples(index=False, name=None))
    twenty = pairs(ESC50(os.environ["NST_ESC50"]))
    shares = [
        [
            (setting, *pair)
            for setting in settings
            for pair in twenty[: min(setting.pairs, most)][n::jobs]
            if (setting.key, *pair) not in done
        ]
        for n in range(jobs)
    ]
    processes = [multiprocessing.Process(target=work, args=(one, sounds)) for one in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--only", nargs="*", default=[""], help="words in 'group: name'")
    parser.add_argument("--pairs", type=int, default=20, help="the first pairs only")
    parser.add_argument("--sounds", type=Path, help="folder for the sounds")
    given = parser.parse_args()
    if ear.installed() is None:
        raise SystemExit("the ear is not installed: run `nst data ear`")
    settings = all_settings()
    chosen = [s for s in settings if any(word in f"{s.group}: {s.name}" for word in given.only)]
    search(chosen, most=given.pairs, jobs=given.jobs, sounds=given.sounds)
    front_report.write(read(settings), settings)


if __name__ == "__main__":
    main()
