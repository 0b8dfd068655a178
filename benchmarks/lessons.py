"""Measure time and size of each lesson with its default parameters: benchmarks/lessons.json.

The script measures the processor time of the kernel and of papermill with one thread, the number of
words and figures, the size of the executed notebook, and the checksum of its code: the tests fail
if the code has changed since it was measured. It uses the simulated clips and, if
NST_ESC50 names a folder, recordings. It measures processor time because the elapsed time depends on
what else the machine does.

python benchmarks/lessons.py [lesson ...]
"""

import json
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
TARGET = ROOT / "benchmarks" / "lessons.json"
#: The longest time that a lesson may take, in seconds.
LIMIT = 120
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: The word for the data of lessons without recordings.
TABLES = "tables"
#: Lessons that would write into the repository, with the parameter for another folder.
ELSEWHERE = {"07_transfer": "out"}


def execute(lesson: Path, target: Path, dataset: str) -> float:
    """Run a lesson. Return the processor time of its processes, in seconds."""
    command = [sys.executable, "-m", "papermill", str(lesson), str(target)]
    command += ["--no-progress-bar", "--kernel", "python3", "--cwd", str(FOLDER)]
    if dataset != TABLES:
        command += ["-p", "dataset", dataset]
    if lesson.stem in ELSEWHERE:
        command += ["-p", ELSEWHERE[lesson.stem], str(target.with_suffix(""))]
    process = subprocess.Popen(command, env=os.environ | ONE_THREAD, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{lesson.stem}, {dataset}: exit status {status >> 8}")
    return usage.ru_utime + usage.ru_stime


def checksum(lesson: Path) -> str:
    """Return the checksum of the code of a lesson, by which the tests notice a change."""
    cells = nbformat.read(lesson, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    return sha256("\n".join(code).encode()).hexdigest()[:16]


def describe(target: Path) -> dict[str, Any]:
    """Return the size of an executed lesson in words, figures and megabytes."""
    cells = nbformat.read(target, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    return {
        "words": sum(len(text.split()) for text in prose),
        "figures": sum("image/png" in output.get("data", {}) for output in outputs),
        "megabytes": round(target.stat().st_size / 1e6, 1),
    }


def main() -> None:
    datasets = ["synthetic", *(["esc50"] if os.environ.get("NST_ESC50") else [])]
    found: dict[str, Any] = json.loads(TARGET.read_text()) if TARGET.is_file() else {}
    lessons = [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder:
        for lesson in lessons:
            heard = "dataset: str" in lesson.read_text(encoding="utf-8")
            for dataset in datasets if heard else [TABLES]:
                target = Path(folder) / f"{lesson.stem}_{dataset}.ipynb"
                seconds = execute(lesson, target, dataset)
                row = {"code": checksum(lesson), "cpu_seconds": round(seconds), **describe(target)}
                found.setdefault(lesson.stem, {})[dataset] = row
                over = f"  over {LIMIT} s" if seconds > LIMIT else ""
                print(f"{lesson.stem:20} {dataset:10} {row}{over}", flush=True)
                TARGET.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
