"""Start Jupyter kernels quickly, and end them with the process that started them.

A kernel in a new interpreter spends 4.2 s of CPU on imports and has 350 MB of memory of its own. On
Linux, one process makes these imports once for a whole batch, in 5.8 s: workers are forked from the
fork server of multiprocessing, and kernels are forked from the workers. A forked kernel spends
0.2 s and has 60 MB of its own. Kernels communicate over IPC, because kernels that start at the same
time could choose the same network port.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

#: Whether processes are forked. Not on macOS: some of its libraries do not survive a fork.
FORKS = sys.platform == "linux"
#: The modules that the fork server imports: all that a batch and its notebook need.
_PRELOAD = (
    "IPython.core.completer",
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "nst_lib.cli.main",
    "nst_lib.metrics",
    "nst_lib.show.plots",
    "nst_lib.show.report",
    "nst_lib.batch.unit",
    "nst_lib.sound.synth",
    "nst_lib.show.live",
    "pandas.io.formats.style",
    "papermill",
    "scipy.signal",
    "torch._dynamo",  # every optimiser imports it
    "tqdm.auto",
)
#: Environment variables with the number of threads of numerical libraries.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def preloaded() -> Any:
    """Return a context of multiprocessing. On Linux, its processes begin with all imports done.

    Their libraries have one thread, because more threads would not survive a fork. Modules in the
    current folder are not imported.
    """
    if not FORKS:
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOAD))
    with _environment({**dict.fromkeys(_THREADS, "1"), "PYTHONSAFEPATH": "1"}):
        forkserver.ensure_running()
    return context


class Template:
    """A copy of this process with one thread, from which kernels are forked.

    Make it before this process has a second thread. Without a template, kernels are started as new
    interpreters.
    """

    current: "Template | None" = None

    def __init__(self) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._lock = threading.Lock()
        context.Process(target=self._fork_on_demand, args=(theirs,)).start()
        theirs.close()
        Template.current = self

    def launch(self, *arguments: Any) -> int:
        """Fork a kernel and return its process id. End this process if the template has ended."""
        with self._lock:
            try:
                self._connection.send(arguments)
                pid: int = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)
        return pid

    def _fork_on_demand(self, theirs: Connection) -> None:
        self._connection.close()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes ended kernels
        while True:
            try:
                arguments = theirs.recv()
            except EOFError:
                os._exit(0)
            pid = os.fork()
            if not pid:
                theirs.close()
                try:
                    _serve(*arguments)
                finally:
                    os._exit(1)
            theirs.send(pid)


def exit_with_parent() -> None:
    """End this process as soon as the process that started it has ended, for whatever reason."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def kill(pid: int) -> None:
    """Kill a process and its children, if it is still running."""
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (*parent.children(recursive=True), parent):
            with suppress(psutil.Error):
                process.kill()


class KernelManager(AsyncKernelManager):
    """Starts one kernel that communicates over IPC. The kernel is forked if there is a template.

    Parameters
    ----------
    folder : Path
        Working directory of the kernel.
    environment : dict of str to str
        More environment variables for the kernel.
    threads : int > 0
        The number of threads of numerical libraries.
    runtime : Path
        Folder for the connection file, the sockets and "kernel.log", the output of a forked kernel.
        Its path must be short.
    """

    def __init__(
        self, *, folder: Path, environment: dict[str, str], threads: int, runtime: Path
    ) -> None:
        super().__init__(
            kernel_name="python3",
            transport="ipc" if os.name == "posix" else "tcp",
            connection_file=str(runtime / "kernel.json"),
        )
        self._folder, self._threads = folder, threads
        self._environment = environment | {name: str(threads) for name in _THREADS}

    @property
    def pid(self) -> int | None:
        """Process id of the kernel; None if no kernel is running."""
        return self.provisioner.pid if isinstance(self.provisioner, LocalProvisioner) else None

    def end(self) -> None:
        """Kill the kernel and its children, and remove its connection file and sockets."""
        process = getattr(self.provisioner, "process", None)
        if process is not None:
            kill(process.pid)
            process.wait(10)
        self.cleanup_connection_file()
        self.cleanup_ipc_files()

    async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        if Template.current is not None:
            self.provisioner = _Forked(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
            self.provisioner.threads = self._threads
        command, kwargs = await super()._async_pre_start_kernel(**kwargs)
        kwargs |= {"cwd": str(self._folder), "env": {**kwargs["env"], **self._environment}}
        return command, kwargs


class _Forked(LocalProvisioner):
    """Forks the kernel instead of starting a new interpreter."""

    threads = 1

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        options = cmd[cmd.index("-f") :]
        assert Template.current is not None
        pid = Template.current.launch(options, kwargs["env"], kwargs["cwd"], self.threads)
        self.process = _Process(pid)  # type: ignore[assignment]
        self.pid = pid
        return self.connection_info


class _Process(psutil.Process):
    """A forked process with the methods of ``subprocess.Popen`` that the provisioner uses."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return None if self.is_running() else 1


def _serve(options: list[str], environment: dict[str, str], folder: str, threads: int) -> None:
    """Turn this process, which was just forked, into a kernel."""
    exit_with_parent()
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with Path(options[1]).with_name("kernel.log").open("ab", buffering=0) as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    import matplotlib as mpl
    import torch
    from ipykernel.kernelapp import launch_new_instance
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # the default is a semaphore, which a killed kernel would leak
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
