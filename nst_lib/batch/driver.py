"""A grid of conditions, each as an executed notebook: planned, run, resumed, summed up."""

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
from nst_lib.pipeline import load
from nst_lib.sound import audio
from nst_lib.sound.datasets import RecordedClip, SyntheticClip

#: The notebook that a condition is, in a checkout.
NOTEBOOK = Path(nst_lib.__file__).parents[1] / "notebooks" / "04_transfer.ipynb"
#: Least time between two writes of the status, in seconds: in a folder, elsewhere.
_INTERVALS = (1.0, 15.0)

#: Runs units and reports; see :func:`nst_lib.batch.pool.run`.
Runner = Callable[[Sequence[Unit]], Generator[Report | None]]
#: Called with the status, and with the name and the entry that changed, if any did.
Observer = Callable[[Status, str | None, Entry | None], None]


@dataclass(frozen=True)
class Plan:
    """A grid with everything that decides whether a result is still good.

    Attributes
    ----------
    grid : Grid
        What to run.
    conditions : dict of str to Condition
        By the names of their folders.
    checksums : dict of str to str
        Of the clips, by their keys, and of weights, by their paths.
    notebook : str
        As JSON.
    store : Store
        Where results go.
    done : dict of str to (dict or None)
        What is there already: name -> what its `done` says.
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
    """Name the conditions of a grid, and see which are done; writes nothing.

    Parameters
    ----------
    grid : Grid
        What to run.
    out : path or URL
        Where results go.
    notebook : Path
        What to execute: takes the parameters of 04_transfer, and writes what it writes.

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
    """Run what is left of a plan; write the table of results.

    Parameters
    ----------
    plan : Plan
        What to run.
    jobs : int > 0
        How many at a time.
    limits : Limits
        What each may take.
    runner : callable
        What runs them.
    expected : mapping of str to float
        Estimated seconds of each condition that is left; the longest begins first.
    observer : callable or None
        Called with the status whenever something is new, and twice a second.

    Returns
    -------
    Status
        At the end. On ``KeyboardInterrupt`` what is running is killed, and the status says so.

    Raises
    ------
    ValueError
        If results cannot be written, or another batch is running there.
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
    """Return how many conditions of so many bytes run at a time here: one for each core."""
    import torch

    if torch.cuda.is_available():
        return 1
    fit = int(0.8 * psutil.virtual_memory().available / memory)
    return max(1, min(_cores(), wanted, fit))


def share(jobs: int) -> tuple[int, float]:
    """Return each job's share of this machine: threads, and bytes of what is free."""
    return max(1, _cores() // jobs), 0.9 * psutil.virtual_memory().available / jobs


def slowdown(jobs: int, *, load: float = 0.0) -> float:
    """Return how many times as long a job takes here as alone: so many share the cores, or more.

    Parameters
    ----------
    jobs : int > 0
        At a time, with a thread each.
    load : float >= 0
        Processes of others that want a core, as in the machine's load average.
    """
    return max(1.0, jobs / _cores(), (load + jobs) / (os.cpu_count() or 1))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drive(
    reports: Iterable[Report | None], status: Status, store: Store, observer: Observer
) -> None:
    """Take in reports until there are no more."""
    interval, written = _INTERVALS[store.folder is None], 0.0
    for report in reports:
        name, entry = None, None
        if report is not None:
            name, news = report
            entry = status.update(name, news)
            if isinstance(news, Outcome) and news.state != "done":
                with suppress(OSError):  # a full disk: the state is in this process, and reported
                    leave_failure(store, name, news)
        if time.monotonic() - written > interval:
            written = time.monotonic()
            status.driver["updated"] = time.time()
            with suppress(OSError):
                store.write_json(STATUS, status.to_dict())
        observer(status, name, entry)


@contextmanager
def _lock(store: Store) -> Iterator[None]:
    """Keep a second driver out of a folder; the lock ends with the process."""
    if store.folder is None:
        yield
        return
    lock = filelock.FileLock(store.folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ValueError(
            f"{store}: another `nst batch` is running there; `nst status {store}` shows it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _read_notebook(path: Path, condition: Condition) -> tuple[str, str]:
    """Return a notebook and the checksum of what of it is run.

    It is read as JSON: nbformat takes two seconds to import.
    """
    try:
        text = path.read_text(encoding="utf-8")
        cells = without_lesson(json.loads(text))["cells"]
        sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
        (parameters,) = [c for c in cells if "parameters" in c["metadata"].get("tags", ())]
        lines = ast.parse("".join(parameters["source"])).body
    except OSError as error:
        raise ValueError(f"{path}: cannot read ({error.strerror}); accepted: a notebook") from error
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ValueError(f"{path}: is not a notebook with one cell tagged `parameters`") from error
    given = {ast.unparse(t) for line in lines for t in getattr(line, "targets", [])}
    given |= {ast.unparse(line.target) for line in lines if isinstance(line, ast.AnnAssign)}
    needed = {"content", "style", "dataset", "compare", "out", "checkpoint", "interactive"}
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
    for name, file in condition.config.files().items():
        inputs[f"setting {name}"] = (str(file), plan.checksums[str(file)])
    return Unit(
        id=name,
        store=plan.store.url if plan.store.folder is None else str(plan.store.folder.resolve()),
        notebook=plan.notebook,
        parameters={
            **condition.parameters(),
            **sounds,
            "dataset": plan.grid.dataset,
            "compare": 0,
            "interactive": False,
        },
        about=_about(name, condition, plan),
        inputs=inputs,
        version=nst_lib.__version__,
        limits=limits,
    )


def _about(name: str, condition: Condition, plan: Plan) -> dict[str, Any]:
    """Describe a condition in the grid's words."""
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
    """Return batch.json."""
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
    """Write every clip as its conditions use it, to listen to beside the results."""
    for condition in plan.conditions.values():
        for key in (condition.style, condition.content):
            name = _input_name(condition, key, plan)
            if not plan.store.exists(name):
                y = load(plan.grid.clips[key], condition.config)
                with plan.store.scratch("input") as folder:
                    audio.write(folder / "y.wav", audio.guard(y)[0], sr=condition.config.sr)
                    plan.store.write(name, (folder / "y.wav").read_bytes())


def _input_name(condition: Condition, key: str, plan: Plan) -> str:
    config = condition.config
    used = [config.sr, config.duration, config.level, config.level_target, plan.checksums[key]]
    digest = files.checksum(json.dumps(used).encode())[:8]
    return f"inputs/{Path(plan.grid.clips[key].name).stem}-{digest}.wav"


def _label(key: str, keys: Iterable[str]) -> str:
    """Return a clip's name without folders, unless another clip has the same: pairs are counted."""
    alone = sum(Path(other).stem == Path(key).stem for other in keys) == 1
    return Path(key).stem.replace("_", " ") if alone else key


def _ignore(_status: Status, _name: str | None, _entry: Entry | None) -> None:
    return
