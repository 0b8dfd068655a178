"""Jupyter kernels that start at once, and end with the process that wanted them.

A kernel spends six seconds of CPU on imports. Where the platform has multiprocessing's fork server,
one process has made them, and kernels, and the workers of a batch, are forked from it: 0.8 s.
They talk over IPC, where parallel starts have no ports to race for.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

#: What the fork server imports: all that a batch and its notebook need.
_PRELOAD = (
    "IPython.core.completer",
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "nst_lib.cli",
    "nst_lib.metrics",
    "nst_lib.plots",
    "nst_lib.report",
    "nst_lib.study.unit",
    "nst_lib.synth",
    "pandas.io.formats.style",
    "papermill",
    "scipy.signal",
    "tqdm.auto",
)
#: Environment variables that say how many threads numerical libraries take.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def can_fork() -> bool:
    """Whether processes can be forked from a fork server here."""
    daemonic = multiprocessing.current_process().daemon
    return "forkserver" in multiprocessing.get_all_start_methods() and not daemonic


def fork_context() -> Any:
    """Return the context whose processes are forked from the fork server, which is running then.

    Its libraries start no threads of their own, which would not survive a fork, and the folder that
    it is started in holds none of its modules.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOAD))
    with _environment({**dict.fromkeys(_THREADS, "1"), "PYTHONSAFEPATH": "1"}):
        forkserver.ensure_running()
    return context


def exit_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that came."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def kill(pid: int) -> None:
    """Kill a process with its children, where it still runs."""
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (*parent.children(recursive=True), parent):
            with suppress(psutil.Error):
                process.kill()


class KernelManager(AsyncKernelManager):
    """Starts one kernel over IPC, forked where that can be done.

    Parameters
    ----------
    folder : Path
        Working directory of the kernel; "kernel.log" in it takes what the kernel prints.
    environment : dict of str to str
        Added to its environment.
    threads : int > 0
        Of numerical libraries.
    runtime : Path
        Folder for connection file and sockets. Paths of sockets have to be short.
    """

    def __init__(
        self, *, folder: Path, environment: dict[str, str], threads: int, runtime: Path
    ) -> None:
        super().__init__(
            kernel_name="python3",
            transport="ipc",
            connection_file=str(runtime / "kernel.json"),
        )
        self._folder, self._threads = folder, threads
        self._environment = environment | {name: str(threads) for name in _THREADS}

    @property
    def pid(self) -> int | None:
        """Process of the kernel, while there is one."""
        return self.provisioner.pid if isinstance(self.provisioner, LocalProvisioner) else None

    def end(self) -> None:
        """Kill the kernel with its children, and remove what it was reached by."""
        process = getattr(self.provisioner, "process", None)
        if process is not None:
            kill(process.pid)
            process.wait()
        self.cleanup_connection_file()
        self.cleanup_ipc_files()

    async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        if can_fork():
            self.provisioner = _Forked(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
            self.provisioner.threads = self._threads
        command, kwargs = await super()._async_pre_start_kernel(**kwargs)
        kwargs |= {"cwd": str(self._folder), "env": {**kwargs["env"], **self._environment}}
        return command, kwargs


class _Forked(LocalProvisioner):
    """Forks the kernel instead of starting an interpreter."""

    threads = 1

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        options = cmd[cmd.index("-f") :]
        process = fork_context().Process(
            target=_serve, args=(options, kwargs["env"], kwargs["cwd"], self.threads)
        )
        process.start()
        self.process = _Process(process)  # type: ignore[assignment]
        self.pid = process.pid
        return self.connection_info


class _Process:
    """A forked process with the part of ``subprocess.Popen`` that the provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.send_signal = self._send
        self.kill, self.terminate = process.kill, process.terminate

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def _send(self, signum: int) -> None:
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signum)


def _serve(options: list[str], environment: dict[str, str], folder: str, threads: int) -> None:
    """Be a kernel, in a process that was just forked."""
    exit_with_parent()
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with open("kernel.log", "ab", buffering=0) as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    import matplotlib as mpl
    import torch
    from ipykernel.kernelapp import launch_new_instance
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own is a semaphore, left behind when a kernel is killed
    mpl.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    torch.set_num_threads(threads)
    sys.argv = ["ipykernel_launcher", *options]
    launch_new_instance(argv=options)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
