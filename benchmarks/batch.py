"""Measure how much time a batch needs in addition to its transfers: benchmarks/batch.json.

The script runs the grid of the study with the default preset on all cores. It runs the same batch
again, and then the same transfers one after the other in one process with one thread for each core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from nst_lib import transfer
from nst_lib.batch.grid import read_grid
from nst_lib.show import report

ROOT = Path(__file__).parents[1]
GRID = ROOT / "notebooks" / "conditions" / "milacic2020.yaml"
NST = Path(sys.executable).with_name("nst")
OVERRIDES = {"preset": "fast"}


def batch(out: Path) -> float:
    """Run `nst batch` and return its time in seconds."""
    settings = [f"--set={name}={value}" for name, value in OVERRIDES.items()]
    began = time.perf_counter()
    subprocess.run([NST, "batch", GRID, "--out", out, *settings], check=True)
    return time.perf_counter() - began


def in_one_process(out: Path) -> float:
    """Make the same sounds in this process. Return the seconds since the first transfer."""
    wanted = read_grid(GRID, OVERRIDES)
    began = time.perf_counter()
    for condition in wanted.conditions:
        content, style = wanted.clips[condition.content], wanted.clips[condition.style]
        result = transfer(content, style, condition.config)
        names = {"content": content.name, "style": style.name}
        report.write(result, out / f"{condition.slug}.wav", inputs=names)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "cores": os.cpu_count(),
            "sounds": len(read_grid(GRID).conditions),
            "batch_seconds": batch(folder / "grid"),
            "again_seconds": batch(folder / "grid"),
            "process_seconds": in_one_process(folder),
            "process_threads": torch.get_num_threads(),
        }
    found["overhead"] = found["batch_seconds"] / found["process_seconds"] - 1
    text = json.dumps(found, indent=2)
    (ROOT / "benchmarks" / "batch.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
