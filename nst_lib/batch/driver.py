"""Run a batch: plan the conditions of a grid, run or resume them, and write the results."""

import ast
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import psutil

import nst_lib
from nst_lib.base import files
from nst_lib.batch import results
from nst_lib.batch.grid import Condition, Grid, checksums, identify
from nst_lib.batch.status import STATUS, Entry, Status
from nst_lib.batch.store import Store
from nst_lib.batch.unit import Limits, Outcome, Report, Unit, leave_failure, without_lesson
from nst_lib.recordings import load, rate_of
from nst_lib.sound import audio
from nst_lib.sound.datasets import RecordedClip, SyntheticClip

#: The notebook that is run for each condition, in a checkout.
NOTEBOOK = Path(nst_lib.__file__).parents[1] / "notebooks" / "07_transfer.ipynb"
#: The shortest time between two writes of the status, in seconds: to a folder, and to a URL.
_INTERVALS = (1.0, 15.0)

#: A function that runs units and yields reports; see :func:`nst_lib.batch.pool.run`.
Runner = Callable[[Sequence[Unit]], Generator[Report | None]]
#: Called with the status, and the name and entry of the condition that changed (None if none did).
Observer = Callable[[Status, str | None, Entry | None], None]


@dataclass(frozen=True)
class Plan:
    """A grid with everything that decides whether an existing result is still valid.

    Attributes
    ----------
    grid : Grid
        The grid to run.
    conditions : dict of str to Condition
        Name of the folder -> condition.
    checksums : dict of str to str
        Key of a clip, or path of a file of weights -> checksum.
    notebook : str
        The notebook, as JSON.
    store : Store
        The place for the results.
    done : dict of str to (dict or None)
        Name of the folder -> content of its file `done`; None if the condition is not done.
    """

    grid: Grid
    conditions: dict[str, Condition]
    checksums: dict[str, str]
    notebook: str
    store: Store
    done: dict[str, dict[str, Any] | None]

    @property
    def left(self) -> dict[str, Condition]:
        """The conditions that have no result."""
        return {name: c for name, c in self.conditions.items() if self.done[name] is None}


def plan(grid: Grid, out: str | os.PathLike[str], *, notebook: Path = NOTEBOOK) -> Plan:
    """Name the conditions of a grid, and find out which are done. Nothing is written.

    Parameters
    ----------
    grid : Grid
        The grid to run.
    out : path or URL
        The place for the results.
    notebook : Path
        The notebook to execute. It must take the parameters of 07_transfer and write the same
        files.

    Raises
    ------
    ValueError
        If the notebook, a recording or a file of weights cannot be read.
    """
    text, code = _read_notebook(notebook, grid.conditions[0])
    try:
        sums = checksums(grid)
    except OSError as error:
        raise ValueError(f"{error.filename}: cannot read ({error.strerror})") from error
    conditions = {
        identify(condition, grid, sums, nst_lib.__version__, code): condition
        for condition in grid.conditions
    }
    store = Store(out)
    done = {name: store.finished(name) for name in conditions}
    return Plan(grid, conditions, sums, text, store, done)


def run(
    plan: Plan,
    *,
    jobs: int,
    limits: Limits,
    runner: Runner,
    expected: Mapping[str, float],
    observer: Observer | None = None,
) -> Status:
    """Run the conditions of a plan that are not done, and write the table of results.

    Parameters
    ----------
    plan : Plan
        The plan to run.
    jobs : int > 0
        The number of conditions that run at a time.
    limits : Limits
        The limits of each condition.
    runner : callable
        The function that runs the conditions.
    expected : mapping of str to float
        The estimated time of each condition that is not done, in seconds. The longest starts first.
    observer : callable or None
        Called with the status after each change, and at least twice a second.

    Returns
    -------
    Status
        The status at the end. After a ``KeyboardInterrupt``, running conditions are killed and are
        queued again in the status.

    Raises
    ------
    ValueError
        If results cannot be written, or another batch is writing to the same place.
    """
    store = plan.store
    store.make()
    with _lock(store):
        store.clear_scratch()
        _write_inputs(plan)
        store.write_json("batch.json", describe(plan))
        status = Status.begin(plan.done, jobs=jobs, expected=expected)
        order = sorted(plan.left, key=lambda name: -expected[name])
        units = [_unit(plan, name, limits) for name in order]
        try:
            with suppress(KeyboardInterrupt), closing(runner(units)) as reports:
                _drive(reports, status, store, observer or _ignore)
        finally:
            for name, entry in status.entries.items():
                if entry.state == "running":
                    status.entries[name] = Entry(expected=entry.expected)
            store.clear_scratch()
            status.driver["ended"] = time.time()
            with suppress(OSError):
                store.write_json(STATUS, status.to_dict())
        if status.counts["done"]:
            results.write(store)
    return status


def default_jobs(memory: float, *, wanted: int) -> int:
    """Return how many conditions run at a time on this machine: one for each core, if they fit.

    Parameters
    ----------
    memory : float > 0
        Memory of one condition, in bytes.
    wanted : int
        The number of conditions.
    """
    import torch

    if torch.cuda.is_available():
        return 1
    fit = int(0.8 * psutil.virtual_memory().available / memory)
    return max(1, min(_cores(), wanted, fit))


def share(jobs: int) -> tuple[int, float]:
    """Return the share of each job in this machine: threads, and bytes of the free memory."""
    return max(1, _cores() // jobs), 0.9 * psutil.virtual_memory().available / jobs


def slowdown(jobs: int, *, load: float = 0.0) -> float:
    """Return the factor by which a job takes longer because the cores are shared.

    Parameters
    ----------
    jobs : int > 0
        The number of jobs at a time, with one thread each.
    load : float >= 0
        The number of other processes that need a core, as in the load average.
    """
    return max(1.0, jobs / _cores(), (load + jobs) / (os.cpu_count() or 1))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drive(
    reports: Iterable[Report | None], status: Status, store: Store, observer: Observer
) -> None:
    """Update the status with each report until there are no more."""
    interval, written = _INTERVALS[store.folder is None], 0.0
    for report in reports:
        name, entry = None, None
        if report is not None:
            name, news = report
            entry = status.update(name, news)
            if isinstance(news, Outcome) and news.state != "done":
                with suppress(OSError):  # on a full disk, this process still reports the failure
                    leave_failure(store, name, news)
        if time.monotonic() - written > interval:
            written = time.monotonic()
            status.driver["updated"] = time.time()
            with suppress(OSError):
                store.write_json(STATUS, status.to_dict())
        observer(status, name, entry)


@contextmanager
def _lock(store: Store) -> Iterator[None]:
    """Keep a second driver out of a folder. The lock ends with this process."""
    if store.folder is None:
        yield
        return
    lock = filelock.FileLock(store.folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ValueError(
            f"{store}: another `nst batch` is writing there: see `nst status {store}`, or choose "
            "another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _read_notebook(path: Path, condition: Condition) -> tuple[str, str]:
    """Return a notebook as text, and the checksum of the cells that are run.

    The notebook is read as JSON, because nbformat takes two seconds to import.
    """
    try:
        text = path.read_text(encoding="utf-8")
        cells = without_lesson(json.loads(text))["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
        (parameters,) = [c for c in cells if "parameters" in c["metadata"].get("tags", ())]
        lines = ast.parse("".join(parameters["source"])).body
    except OSError as error:
        raise ValueError(f"{path}: cannot read ({error.strerror}); choose a notebook") from error
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(f"{path}: is not a notebook with one cell tagged `parameters`") from error
    given = {ast.unparse(t) for line in lines for t in getattr(line, "targets", [])}
    given |= {ast.unparse(line.target) for line in lines if isinstance(line, ast.AnnAssign)}
    needed = {"content", "style", "dataset", "out", "checkpoint", "interactive"}
    missing = {*needed, *condition.parameters()} - given
    if missing:
        raise ValueError(f"{path}: has no parameter {', '.join(sorted(missing))}")
    return text, files.checksum(json.dumps(sources).encode())


def _unit(plan: Plan, name: str, limits: Limits) -> Unit:
    condition = plan.conditions[name]
    clips = {role: plan.grid.clips[getattr(condition, role)] for role in ("style", "content")}
    sounds = {
        role: str(clip.path) if isinstance(clip, RecordedClip) and not clip.category else clip.name
        for role, clip in clips.items()
    }
    inputs = {
        clip.name: (str(clip.path), plan.checksums[getattr(condition, role)])
        for role, clip in clips.items()
        if isinstance(clip, RecordedClip)
    }
    for setting, file in condition.config.files().items():
        inputs[f"setting {setting}"] = (str(file), plan.checksums[str(file)])
    return Unit(
        id=name,
        store=plan.store.url if plan.store.folder is None else str(plan.store.folder.resolve()),
        notebook=plan.notebook,
        parameters={
            **condition.parameters(),
            **sounds,
            "dataset": plan.grid.dataset,
            "interactive": False,
        },
        about=_about(name, condition, plan),
        inputs=inputs,
        version=nst_lib.__version__,
        limits=limits,
    )


def _about(name: str, condition: Condition, plan: Plan) -> dict[str, Any]:
    """Describe a condition with the names that the grid uses."""
    clips = plan.grid.clips
    return {
        "id": name,
        "pair": f"{_label(condition.style, clips)} over {_label(condition.content, clips)}",
        "style": clips[condition.style].name,
        "content": clips[condition.content].name,
        "factors": condition.factors,
        "seed": condition.config.seed,
        "inputs": {
            role: _input_name(condition, getattr(condition, role), plan)
            for role in ("style", "content")
        },
    }


def describe(plan: Plan) -> dict[str, Any]:
    """Return the content of batch.json."""
    grid = plan.grid
    return {
        "grid": grid.name,
        "title": grid.title,
        "version": nst_lib.__version__,
        "dataset": grid.dataset,
        "simulated": grid.simulated,
        "pairs": grid.pairs,
        "factors": grid.factors,
        "seeds": grid.seeds,
        "meanings": {
            name: meaning
            for condition in grid.conditions
            for name, meaning in condition.config.describe().items()
        },
        "clips": {
            clip.name: {
                "key": key,
                "category": clip.category,
                "licence": clip.licence,
                "attribution": clip.attribution,
                "simulated": isinstance(clip, SyntheticClip),
                "checksum": plan.checksums[key],
            }
            for key, clip in grid.clips.items()
        },
        "conditions": [
            {**_about(name, condition, plan), "config": condition.config.to_dict()}
            for name, condition in plan.conditions.items()
        ],
    }


def _write_inputs(plan: Plan) -> None:
    """Write each clip as its conditions use it, so that it can be heard beside the results."""
    for condition in plan.conditions.values():
        for key in (condition.style, condition.content):
            name = _input_name(condition, key, plan)
            if not plan.store.exists(name):
                clip = plan.grid.clips[key]
                config = condition.config.at(rate_of(clip))
                y = load(clip, config)
                with plan.store.scratch("input") as folder:
                    audio.write(folder / "y.wav", audio.guard(y)[0], sr=config.rate)
                    plan.store.write(name, (folder / "y.wav").read_bytes())


def _input_name(condition: Condition, key: str, plan: Plan) -> str:
    config = condition.config
    used = [config.sr, config.mono, config.duration, config.level, config.level_target]
    used.append(plan.checksums[key])
    digest = files.checksum(json.dumps(used).encode())[:8]
    return f"inputs/{Path(plan.grid.clips[key].name).stem}-{digest}.wav"


def _label(key: str, keys: Iterable[str]) -> str:
    """Return the name of a clip without folders, or its key if two clips have the same name."""
    alone = sum(Path(other).stem == Path(key).stem for other in keys) == 1
    return Path(key).stem.replace("_", " ") if alone else key


def _ignore(_status: Status, _name: str | None, _entry: Entry | None) -> None:
    return
