"""Files that appear whole or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Endings that a figure can be written with.
FIGURE_FORMATS = (".png", ".svg", ".pdf")


def validate_output(path: str | os.PathLike[str], *, suffixes: Sequence[str]) -> Path:
    """Check that `path` can be written. Call this before any work is done.

    Parameters
    ----------
    path : path
        The file to be written; an existing file may be replaced.
    suffixes : sequence of str
        Accepted file endings, with the dot.

    Raises
    ------
    ValueError
        If the ending is not accepted, or the folder is missing or not writable.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: cannot write {path.suffix or 'a name without an ending'}; "
            f"accepted: {', '.join(suffixes)}"
        )
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, not a file to write")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: the folder {path.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(f"{path}: cannot write here ({error.strerror})") from error
    return path


@contextmanager
def atomic(path: str | os.PathLike[str], *, scratch: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it when the block ends without an error.

    Parameters
    ----------
    path : path
        The file to be written.
    scratch : Path or None
        Folder for the temporary file; it must be on the same file system. None is the folder of
        `path`.
    """
    path = Path(path)
    folder = path.parent if scratch is None else scratch
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        set_default_mode(temporary, 0o666)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces `target` if the block ends without an error.

    Raises
    ------
    ValueError
        If the folder cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ValueError(f"{target}: cannot write here ({error.strerror})") from error
    old = folder.with_name(f"{folder.name}-old")
    try:
        yield folder
        set_default_mode(folder, 0o777)
        if target.exists():
            target.replace(old)
        folder.replace(target)
    finally:
        if old.exists() and not target.exists():
            old.replace(target)
        for path in (folder, old):
            shutil.rmtree(path, ignore_errors=True)


def checksum(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_checksum(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, however large, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def set_default_mode(path: Path, mode: int) -> None:
    """Give a temporary file or folder the usual permissions: `mode` less the user's umask."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)
