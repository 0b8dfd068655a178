"""Run one condition of a batch: papermill executes the notebook, and the results are stored.

:func:`run` works alike on this machine and on a cluster. It takes a unit, and it returns an outcome
whatever happens. Its results in the store are complete or absent.
"""

import base64
import io
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
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

#: The states of a condition. After one of the last three, the next batch tries it again.
STATES = ("queued", "running", "done", "failed", "timed-out", "killed")
#: The files that a condition writes, beside `done`.
FILES = ("result.wav", "figure.png", "metrics.json", "notebook.ipynb")
#: Tag of the cells that a batch leaves out.
LESSON = "lesson"
#: Largest width of pictures in a stored notebook, in pixels. figure.png keeps its full width.
WIDEST = 1100
#: Seconds between two checks of a kernel.
_WATCH = 0.2

#: Called with the progress of a condition; see :func:`nst_lib.show.progress.read`.
OnProgress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Limits:
    """Limits of one condition.

    Attributes
    ----------
    timeout : float or None
        Longest time of the notebook, in seconds.
    memory : float or None
        Largest memory of its kernel, in bytes.
    retries : int >= 0
        The number of times that a dead kernel is replaced.
    threads : int > 0
        The number of threads of its kernel.
    """

    timeout: float | None = None
    memory: float | None = None
    retries: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Unit:
    """Everything that a process needs to run one condition, even on another machine.

    Attributes
    ----------
    id : str
        Name of the folder of the condition.
    store : str
        Folder or URL for the results.
    notebook : str
        The notebook, as JSON.
    parameters : dict of str to Any
        Parameters of the notebook, without the folder that it writes to.
    about : dict of str to Any
        Description of the condition for metrics.json, with the names that the grid uses.
    inputs : dict of str to (str, str)
        Name -> path and checksum of each input file.
    version : str
        Version of nst_lib.
    limits : Limits
        Limits of the condition.
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
        "killed" means that the kernel died, or was killed because it took too much memory.
    message : str
        The reason, in one line; "" if the condition is done.
    seconds : float
        Time of all attempts together, in seconds.
    attempts : int
        The number of kernels that it took.
    """

    state: str
    message: str = ""
    seconds: float = 0.0
    attempts: int = 1


#: Name of a condition, and its news: it has begun (None), it made progress (dict), or it ended.
Report = tuple[str, dict[str, Any] | Outcome | None]
#: The longest time without a report or None from a runner of units, in seconds.
HEARTBEAT = 0.5


class UnitError(Exception):
    """A condition cannot be run. The message gives the reason."""


def run(unit: Unit, on_progress: OnProgress | None = None) -> Outcome:
    """Run a condition, unless its result already exists.

    Parameters
    ----------
    unit : Unit
        The condition to run.
    on_progress : callable or None
        Called with the result of :func:`nst_lib.show.progress.read` after each change. If it raises
        CancelledError, the condition ends.

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
        except UnitError as error:
            outcome = Outcome("failed", str(error))
        except OSError as error:
            outcome = Outcome("failed", f"{error.strerror or error}: {error.filename or store}")
        except Exception as error:  # a notebook by the user may write anything
            outcome = Outcome("failed", one_line(f"{type(error).__name__}: {error}"))
        outcome = replace(outcome, seconds=time.monotonic() - began, attempts=attempt)
        if outcome.state != "killed" or outcome.message:
            break
    else:
        outcome = replace(outcome, message=f"the kernel died {outcome.attempts} times")
    return outcome


def leave_failure(store: Store, run: str, outcome: Outcome) -> None:
    """Write into the folder of a run why it has no result."""
    store.write_json(f"runs/{run}/{FAILED}", vars(outcome))


def without_lesson(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook without the cells that have the tag `LESSON`."""
    cells = [cell for cell in notebook["cells"] if LESSON not in cell["metadata"].get("tags", ())]
    return {**notebook, "cells": cells}


def _attempt(
    unit: Unit, store: Store, folder: Path, attempt: int, began: float, on_progress: OnProgress
) -> Outcome:
    """Execute the notebook once in an empty folder, and publish its files."""
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
    _slim(out / "notebook.ipynb")
    publish(unit, store, out, seconds=time.monotonic() - began, attempts=attempt)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return Outcome("done")


def publish(
    unit: Unit,
    store: Store,
    out: Path,
    *,
    seconds: float,
    attempts: int = 1,
    files: Sequence[str] = FILES,
) -> None:
    """Make the files of a folder the result of a condition; result.json becomes metrics.json.

    Parameters
    ----------
    unit : Unit
        The condition.
    store : Store
        The place for the results.
    out : Path
        A scratch folder with the files. It cannot be used afterwards.
    seconds : float
        Time of all attempts together, in seconds.
    attempts : int
        The number of attempts.
    files : sequence of str
        The files that must be there.
    """
    record = json.loads((out / "result.json").read_text(encoding="utf-8"))
    metrics = {"condition": unit.about, **record}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (out / "result.json").unlink()
    missing = [name for name in files if not (out / name).is_file()]
    if missing:
        raise UnitError(f"the notebook wrote no {', '.join(missing)}")
    about = {"seconds": seconds, "attempts": attempts, "finished": time.time()}
    store.publish(out, unit.id, about)


def _slim(path: Path) -> None:
    """Replace the pictures of a notebook that are wider than `WIDEST` by JPEGs of this width."""
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
    """Execute the notebook with papermill. Return the outcome of a failure, or None."""
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
        return Outcome("failed", one_line(f"{error.ename}: {error.evalue}"))
    except (DeadKernelError, CellTimeoutError, RuntimeError):
        return Outcome("killed")
    finally:
        manager.end()
    return None


def _validate(unit: Unit) -> None:
    """Raise UnitError unless the version and the input files are the same as in the plan."""
    from nst_lib import __version__

    if __version__ != unit.version:
        raise UnitError(
            f"this worker has nst_lib {__version__} and the driver has {unit.version}: install the "
            "same version on both"
        )
    for name, (path, expected) in unit.inputs.items():
        try:
            found = file_checksum(path)
        except OSError as error:
            raise UnitError(f"{name}: cannot read {path} ({error.strerror})") from error
        if found != expected:
            raise UnitError(f"{name}: {path} has changed since the batch was started")


def _keep_notebook(store: Store, run: str, notebook: Path) -> None:
    """Keep the notebook of a failure if possible, because it holds the traceback."""
    try:
        store.write(f"runs/{run}/failed.ipynb", notebook.read_bytes())
    except OSError:
        return


class _Guard:
    """Watches the time, the memory and the progress of a kernel while its notebook runs."""

    def __init__(
        self, limits: Limits, manager: "KernelManager", file: Path, on_progress: OnProgress
    ) -> None:
        self._limits, self._manager, self._file = limits, manager, file
        self._on_progress = on_progress
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        #: The reason for killing the kernel; None if it was not killed.
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
            # Report sometimes without news too, so that the caller can cancel the condition.
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
            message = (
                f"took {taken / 1e9:.1f} GB, and the limit is {memory / 1e9:.1f} GB for each job"
            )
            return Outcome("killed", message)
        return None


def one_line(text: str) -> str:
    """Return a message as one line of at most 500 characters."""
    return " ".join(text.split())[:500]


def _ignore(_state: dict[str, Any]) -> None:
    return
