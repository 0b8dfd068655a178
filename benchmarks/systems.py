"""Run every preset with its published settings on one pair: notebooks/conditions/systems.csv.

    .venv/bin/python -W ignore benchmarks/systems.py [PRESET ...] [--again]

This takes hours on two cores. Each row is written at once, and a second call continues with the
missing rows. Each preset runs as `nst transfer` on one core. A row has the scores (also for
textures, which take nothing from the content), the processor time in seconds, and the largest
resident memory.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from nst_lib import metrics
from nst_lib.recordings import load
from nst_lib.sound import audio
from nst_lib.sound.datasets import Clip, Synthetic, open_dataset
from nst_lib.system import PRESETS

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "notebooks" / "conditions" / "systems.csv"
NST = Path(sys.executable).with_name("nst")
#: The same losses, on one core in a quarter of the time.
FFT = {"convolution": "fft"}
#: How all published systems read the recordings, and the default need not.
CLIPS = {"sr": 22050, "duration": 5.0, "mono": True}
#: Preset -> further settings. They make rows comparable, or change only the time and the memory.
SETTINGS: dict[str, dict[str, Any]] = {
    "shaped": CLIPS,
    "milacic2020": FFT,
    "huzaifah2020": FFT,
    "huzaifah2020_texture": FFT,
}


def read() -> list[dict[str, Any]]:
    """Return the rows of the table that exist."""
    return pd.read_csv(TABLE).to_dict("records") if TABLE.exists() else []


def run(label: str, content: Clip, style: Clip, out: Path, settings: dict[str, Any]) -> dict:
    """Run a transfer in its own process on one core, and return its row."""
    sound = out / f"{label}.wav"
    sources = {}
    for role, clip in (("content", content), ("style", style)):
        sources[role] = out / f"{role}.wav"
        audio.write(sources[role], clip.load(sr=44100), sr=44100)
    command = [NST, "transfer", "--preset", label, "--out", sound, "--plot", f"{sound}.png"]
    command += [f"--{role}={path}" for role, path in sources.items()]
    command += [f"--checkpoint={out / label}.ckpt"]
    command += [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{label}: ended with {os.waitstatus_to_exitcode(status)}")
    record = json.loads(sound.with_suffix(".json").read_text(encoding="utf-8"))
    config = PRESETS[label].config.replace(**settings)
    heard = {role: load(clip, config) for role, clip in (("content", content), ("style", style))}
    y = audio.read(sound, sr=config.rate)
    scores = metrics.scores(y, sr=config.rate, **heard)
    losses, best = record["losses"], record["best_step"]
    return {
        "preset": label,
        "timbre": scores.timbre,
        "texture": scores.texture,
        "rhythm": scores.rhythm,
        "noise": scores.noise,
        **{f"copies {role}": metrics.copying(y, heard[role], sr=config.rate) for role in heard},
        "evaluations": len(losses),
        "loss start": losses[0]["total"] if losses else None,
        "loss best": losses[best]["total"] if losses else None,
        "realised": record["realised"].get("total"),
        "outcome": record["outcome"],
        "core seconds": usage.ru_utime + usage.ru_stime,
        "memory (GB)": usage.ru_maxrss * 1024 / 1e9,
        "settings": json.dumps(settings) if settings else "",
        "style clip": style.name,
        "content clip": content.name,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", help="by default all")
    parser.add_argument("--again", action="store_true", help="also what the table has")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "systems")
    parser.add_argument("--vgg", default="random", help="state dict of VGG-19; else it is drawn")
    given = parser.parse_args()
    if unknown := set(given.presets) - PRESETS.keys():
        parser.error(f"{', '.join(sorted(unknown))}; accepted: {', '.join(PRESETS)}")
    dataset = open_dataset()
    if isinstance(dataset, Synthetic):
        raise SystemExit("recordings are wanted: set NST_ESC50")
    pair = dataset.pairs(seed=0)[0]
    given.out.mkdir(parents=True, exist_ok=True)
    for label in given.presets or PRESETS:
        if not given.again and label in {row["preset"] for row in read()}:
            continue
        settings = dict(SETTINGS.get(label, {}))
        if label == "gatys2016":
            settings["weights"] = given.vgg
        row = run(label, pair.content, pair.style, given.out, settings)
        rows = [one for one in read() if one["preset"] != label] + [row]
        rows.sort(key=lambda one: list(PRESETS).index(one["preset"]))
        pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.5g")
        print(json.dumps(row, default=str))


if __name__ == "__main__":
    main()
