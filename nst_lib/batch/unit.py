"""One condition of a batch: the notebook, executed by papermill, and what comes of it.

The same on this machine and on a cluster: :func:`run` takes a unit, and returns an outcome whatever
happens. What it leaves in the store is whole, or absent.
"""

import base64
import io
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from nst_lib.base.files import file_checksum
from nst_lib.batch.store import FAILED, Store
from nst_lib.show import progress

if TYPE_CHECKING:
    from nst_lib.batch.kernels import KernelManager

#: What can become of a condition; the last three are ends that a further run tries to mend.
STATES = ("queued", "running", "done", "failed", "timed-out", "killed")
#: What a condition leaves, beside `done`.
FILES = ("result.wav", "figure.png", "metrics.json", "notebook.ipynb")
#: Tag of the cells that a batch leaves out.
LESSON = "lesson"
#: Widest picture that a notebook keeps, in pixels; its figure.png has all of them.
WIDEST = 1100
#: Time between two looks at a kernel, in seconds.
_WATCH = 0.2

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Limits:
    """What one condition may take.

    Attributes
    ----------
    timeout : float or None
        Seconds, from the start of the notebook to its end.
    memory : float or None
        Bytes of a kernel.
    retries : int >= 0
        How often a dead kernel is replaced.
    threads : int > 0
        Of each kernel.
    """

    timeout: float | None = None
    memory: float | None = None
    retries: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Unit:
    """Everything that a process needs to run one condition; it may be on another machine.

    Attributes
    ----------
    id : str
        Name of its folder.
    store : str
        Where results go.
    notebook : str
        The notebook, as JSON.
    parameters : dict of str to Any
        Of the notebook, but for the folder that it writes to.
    about : dict of str to Any
        Goes into metrics.json: the condition in the grid's words.
    inputs : dict of str to (str, str)
        Name -> file and its checksum.
    version : str
        Of nst_lib.
    limits : Limits
        What it may take.
    """

    id: str
    store: str
    notebook: str
    parameters: dict[str, Any]
    about: dict[str, Any]
    inputs: dict[str, tuple[str, str]]
    version: str
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """How a condition ended.

    Attributes
    ----------
    state : {"done", "failed", "timed-out", "killed"}
        "killed" is the end of a kernel that died, or was taken for too much memory.
    message : str
        Why, in a line; "" where it is done.
    seconds : float
        How long it took, with all attempts.
    attempts : int
        How many kernels it took.
    """

    state: str
    message: str = ""
    seconds: float = 0.0
    attempts: int = 1


#: Name of a condition, and what is new: it has begun (None), got on, or ended.
Report = tuple[str, dict[str, Any] | Outcome | None]
#: Longest time that a runner of units is silent, in seconds.
HEARTBEAT = 0.5


class _UnitError(Exception):
    """A condition that cannot be run; the message says why."""


def run(unit: Unit, on_progress: Progress | None = None) -> Outcome:
    """Run a condition, if its result is not there yet.

    Parameters
    ----------
    unit : Unit
        What to run.
    on_progress : callable or None
        Called with what :func:`nst_lib.show.progress.read` returns, as it changes. A CancelledError
        from it ends the condition.

    Returns
    -------
    Outcome
    """
    began = time.monotonic()
    store = Store(unit.store)
    marker = store.finished(unit.id)
    if marker is not None:
        return Outcome("done", seconds=marker["seconds"], attempts=marker["attempts"])
    outcome = Outcome("killed")
    for attempt in range(1, unit.limits.retries + 2):
        try:
            _validate(unit)
            with store.scratch(unit.id) as folder:
                outcome = _attempt(unit, store, folder, attempt, began, on_progress or _ignore)
        except _UnitError as error:
            outcome = Outcome("failed", str(error))
        except OSError as error:
            outcome = Outcome("failed", f"{error.strerror or error}: {error.filename or store}")
        except Exception as error:  # a notebook of someone's own may leave anything
            outcome = Outcome("failed", _line(f"{type(error).__name__}: {error}"))
        outcome = replace(outcome, seconds=time.monotonic() - began, attempts=attempt)
        if outcome.state != "killed" or outcome.message:
            break
    else:
        outcome = replace(outcome, message=f"the kernel died {outcome.attempts} times")
    return outcome


def leave_failure(store: Store, run: str, outcome: Outcome) -> None:
    """Note in the folder of a run why it has no result."""
    store.write_json(f"runs/{run}/{FAILED}", vars(outcome))


def without_lesson(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without the cells that are tagged as lesson."""
    cells = [cell for cell in notebook["cells"] if LESSON not in cell["metadata"].get("tags", ())]
    return {**notebook, "cells": cells}


def _attempt(
    unit: Unit, store: Store, folder: Path, attempt: int, began: float, on_progress: Progress
) -> Outcome:
    """Execute the notebook once, in a folder of its own, and publish what it leaves."""
    from nst_lib.batch.kernels import KernelManager

    out = folder / "out"
    out.mkdir()
    checkpoint = store.checkpoint(unit.id)
    parameters = {
        **unit.parameters,
        "out": str(out),
        "checkpoint": "" if checkpoint is None else str(checkpoint),
    }
    with tempfile.TemporaryDirectory(prefix="nst-") as runtime:
        manager = KernelManager(
            folder=folder,
            environment={progress.VARIABLE: str(folder / "progress.json")},
            threads=unit.limits.threads,
            runtime=Path(runtime),
        )
        guard = _Guard(unit.limits, manager, folder / "progress.json", on_progress)
        with guard:
            error = _execute(unit, parameters, manager, out / "notebook.ipynb")
    if guard.verdict is not None:
        return guard.verdict
    if error is not None:
        _keep_notebook(store, unit.id, out / "notebook.ipynb")
        return error
    record = json.loads((out / "result.json").read_text(encoding="utf-8"))
    metrics = {"condition": unit.about, **record}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / "result.json").unlink()
    _slim(out / "notebook.ipynb")
    missing = [name for name in FILES if not (out / name).is_file()]
    if missing:
        raise _UnitError(f"the notebook wrote no {', '.join(missing)}")
    seconds = time.monotonic() - began
    about = {"seconds": seconds, "attempts": attempt, "finished": time.time()}
    store.publish(out, unit.id, about)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return Outcome("done")


def _slim(path: Path) -> None:
    """Make pictures of a notebook that are wider than `WIDEST` JPEGs of that width."""
    from PIL import Image

    notebook = json.loads(path.read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    for output in [one for one in outputs if "image/png" in one.get("data", {})]:
        data, about = output["data"], output.get("metadata", {})
        with Image.open(io.BytesIO(base64.b64decode("".join(data["image/png"])))) as picture:
            if picture.width > WIDEST:
                small = picture.convert("RGB")
                small.thumbnail((WIDEST, picture.height))
                jpeg = io.BytesIO()
                small.save(jpeg, "JPEG", quality=90, subsampling=0)
                del data["image/png"]
                data["image/jpeg"] = base64.b64encode(jpeg.getvalue()).decode("ascii")
                about["image/jpeg"] = about.pop("image/png", {})
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _execute(
    unit: Unit, parameters: dict[str, Any], manager: "KernelManager", out: Path
) -> Outcome | None:
    """Let papermill execute the notebook; return what went wrong, if anything."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    notebook = nbformat.from_dict(without_lesson(json.loads(unit.notebook)))
    try:
        papermill.execute_notebook(
            notebook,
            str(out),
            parameters,
            km=manager,
            progress_bar=False,
            start_timeout=120,
            request_save_on_cell_execute=False,
        )
    except papermill.PapermillExecutionError as error:
        return Outcome("failed", _line(f"{error.ename}: {error.evalue}"))
    except (DeadKernelError, CellTimeoutError, RuntimeError):
        return Outcome("killed")
    finally:
        manager.end()
    return None


def _validate(unit: Unit) -> None:
    """Raise _UnitError unless library and files are those that the batch was planned with."""
    from nst_lib import __version__

    if __version__ != unit.version:
        raise _UnitError(f"nst_lib {__version__} runs here; accepted: {unit.version}, the driver's")
    for name, (path, expected) in unit.inputs.items():
        try:
            found = file_checksum(path)
        except OSError as error:
            raise _UnitError(f"{name}: cannot read {path} ({error.strerror})") from error
        if found != expected:
            raise _UnitError(f"{name}: {path} has changed since the batch was started")


def _keep_notebook(store: Store, run: str, notebook: Path) -> None:
    """Keep a notebook that failed, where it can be written: it holds the traceback."""
    try:
        store.write(f"runs/{run}/failed.ipynb", notebook.read_bytes())
    except OSError:
        return


class _Guard:
    """Watches a kernel while its notebook runs: time, memory, progress."""

    def __init__(
        self, limits: Limits, manager: "KernelManager", file: Path, on_progress: Progress
    ) -> None:
        self._limits, self._manager, self._file = limits, manager, file
        self._on_progress = on_progress
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        #: Why it took the kernel, if it did.
        self.verdict: Outcome | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        from nst_lib.batch.kernels import kill

        began, last, told = time.monotonic(), 0.0, time.monotonic()
        while not self._ended.wait(_WATCH):
            self.verdict = self._judge(time.monotonic() - began)
            changed = self._file.stat().st_mtime if self._file.exists() else last
            # Now and then without news too: whoever listens may have cancelled, and cleared up.
            if changed != last or time.monotonic() - told > HEARTBEAT:
                last, told = changed, time.monotonic()
                try:
                    self._on_progress(progress.read(self._file))
                except CancelledError:
                    self.verdict = Outcome("killed", "cancelled")
            if self.verdict is not None and self._manager.pid is not None:
                kill(self._manager.pid)
                return

    def _judge(self, seconds: float) -> Outcome | None:
        timeout, memory = self._limits.timeout, self._limits.memory
        if timeout is not None and seconds > timeout:
            return Outcome("timed-out", f"took longer than {timeout:g} s")
        if memory is None or self._manager.pid is None:
            return None
        try:
            taken = psutil.Process(self._manager.pid).memory_info().rss
        except psutil.Error:
            return None
        if taken > memory:
            message = f"took {taken / 1e9:.1f} GB; accepted: {memory / 1e9:.1f} GB for each job"
            return Outcome("killed", message)
        return None


def _line(text: str) -> str:
    """Return a message as one line without colours, not too long."""
    return " ".join(text.split())[:500]


def _ignore(_state: dict[str, Any]) -> None:
    return
