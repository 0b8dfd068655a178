"""`nst` and notebooks in forks of a process that has its imports already, which take seconds."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import papermill

from nst_lib.batch.kernels import FORKS, KernelManager, Template, preloaded

#: Longest time that a process may take, in seconds.
PATIENCE = 600


def run(
    arguments: Sequence[object], folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `nst` in a folder, with the environment of this process and more variables."""
    given = [*map(str, arguments)]
    with tempfile.TemporaryDirectory() as outputs:
        streams = [Path(outputs, name) for name in ("stdout", "stderr")]
        code = _wait(_nst, given, folder, os.environ | environment, streams)
        stdout, stderr = (path.read_text(encoding="utf-8") for path in streams)
    return subprocess.CompletedProcess(given, code, stdout, stderr)


def execute(source: Path, target: Path, parameters: Mapping[str, Any], folder: Path) -> None:
    """Execute a notebook with papermill in a forked kernel, with a folder as current folder.

    Raises
    ------
    RuntimeError
        If a cell fails; with its error.
    """
    with tempfile.TemporaryDirectory() as outputs:
        error = Path(outputs, "error")
        code = _wait(_execute, source, target, dict(parameters), folder, error)
        if error.exists():
            raise RuntimeError(error.read_text(encoding="utf-8"))
    assert code == 0, f"{source}: the process that executes it ended with {code}"


def _wait(function: Callable[..., None], *arguments: object) -> int:
    """Call a function in a forked process; return its exit status."""
    process = preloaded().Process(target=function, args=arguments)
    process.start()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        raise subprocess.TimeoutExpired(function.__name__, PATIENCE)
    return -1 if process.exitcode is None else process.exitcode


def _nst(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], streams: Sequence[Path]
) -> None:
    from nst_lib.cli.main import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    added = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in added if path and path not in sys.path]
    for number, path in enumerate(streams, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    # The workers of a batch come from the fork server from which this process comes.
    forkserver._forkserver.ensure_running = resource_tracker.ensure_running  # type: ignore[attr-defined]
    forkserver.ensure_running = resource_tracker.ensure_running
    sys.argv = ["nst", *arguments]
    main()


def _execute(
    source: Path, target: Path, parameters: dict[str, Any], folder: Path, error: Path
) -> None:
    if FORKS:
        Template()
    with tempfile.TemporaryDirectory(prefix="nst-") as runtime:
        manager = KernelManager(folder=folder, environment={}, threads=1, runtime=Path(runtime))
        try:
            papermill.execute_notebook(
                str(source),
                str(target),
                parameters=parameters,
                km=manager,
                progress_bar=False,
                start_timeout=120,
                request_save_on_cell_execute=False,
            )
        except papermill.PapermillExecutionError as problem:
            error.write_text(str(problem), encoding="utf-8")
        finally:
            manager.end()
    os._exit(0)  # the template, from which the kernel was forked, would be waited for
