"""`nst` in a fork of a process that has made its imports already: they take over a second."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: What `nst` imports as it starts, and later on in most commands.
IMPORTS = ("nst_lib.cli.main", "pandas", "scipy.signal", "torch._dynamo")


def run(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `nst` in a folder, with the environment of this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTS, __name__])
    with tempfile.TemporaryDirectory() as outputs:
        streams = [Path(outputs, name) for name in ("stdout", "stderr")]
        process = context.Process(target=_nst, args=(arguments, folder, dict(os.environ), streams))
        process.start()
        process.join(300)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), 300)
        code = process.exitcode
        stdout, stderr = (path.read_text(encoding="utf-8") for path in streams)
    return subprocess.CompletedProcess(
        list(arguments), -1 if code is None else code, stdout, stderr
    )


def _nst(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], streams: Sequence[Path]
) -> None:
    from nst_lib.cli.main import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(streams, 1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["nst", *arguments]
    main()
