"""Where a batch keeps its results: a folder, or any URL that fsspec opens.

    batch.json         the grid as it was run: clips, conditions, settings and what they mean
    inputs/            the clips as they were used
    runs/ID/           one condition: sound, figure, metrics.json, executed notebook, and `done`
    status.json        what the driver last knew
    results.csv        one row for each sound; its column "factors" names those that are settings

`done` lists the other files of its folder with their checksums. It comes last, so a folder without
it is no result, and neither is one whose files have changed.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from nst_lib.base.files import atomic, checksum, file_checksum, set_default_mode
from nst_lib.session import SUFFIXES

DONE, FAILED = "done", "failed.json"
#: Folder, inside a local store, of what is being made; nothing in it is ever a result.
_SCRATCH = ".scratch"


class Store:
    """Files of one batch.

    Parameters
    ----------
    url : path or str
        A folder, or a URL such as ``s3://bucket/experiment``.

    Raises
    ------
    ValueError
        If fsspec has nothing to open it with.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = str(url)
        try:
            self._fs, root = fsspec.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{self.url}: {error}; accepted: a folder or a URL") from error
        self._root = root.rstrip("/")
        #: The folder, where it is one of this machine.
        self.folder = Path(root) if isinstance(self._fs, LocalFileSystem) else None

    def __str__(self) -> str:
        return self.url

    def make(self) -> None:
        """Make the folder, and see that it can be written.

        Raises
        ------
        ValueError
            If it cannot.
        """
        try:
            if self.folder is not None:
                (self.folder / _SCRATCH).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self.folder):
                    pass
            else:  # with what workers share: of two that make it at once, one would fail
                self._fs.makedirs(f"{self._root}/runs", exist_ok=True)
        except Exception as error:  # of whatever kind of file system
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{self}: cannot write here ({reason})") from error

    def read(self, name: str) -> bytes:
        """Return a file; FileNotFoundError if there is none."""
        data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return data

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a JSON file, or {} where there is none that can be read."""
        try:
            data: dict[str, Any] = json.loads(self.read(name))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return data

    def batch(self) -> dict[str, Any]:
        """Return batch.json.

        Raises
        ------
        ValueError
            If there is no batch.
        """
        batch = self.read_json("batch.json")
        if not batch:
            raise ValueError(f"{self}: holds no batch; accepted: what `nst batch` wrote")
        return batch

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole; make the folder that it is in."""
        if self.folder is None:
            self._fs.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(f"{self._root}/{name}", data)
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path, scratch=self.folder / _SCRATCH) as temporary:
            temporary.write_bytes(data)

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Write a JSON file whole."""
        self.write(name, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())

    def exists(self, name: str) -> bool:
        """Whether there is a file or folder of that name."""
        found: bool = self._fs.exists(f"{self._root}/{name}")
        return found

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Yield an empty folder on this machine, gone at the end; for a local store, inside it."""
        parent = None if self.folder is None else self.folder / _SCRATCH
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def checkpoint(self, name: str) -> Path | None:
        """Return where a condition may leave what it goes on from; None for a store elsewhere."""
        return None if self.folder is None else self.folder / _SCRATCH / f"{name}.ckpt"

    def clear_scratch(self) -> None:
        """Remove what earlier processes left when they were killed, but for checkpoints."""
        if self.folder is not None:
            for path in (self.folder / _SCRATCH).iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.suffix not in SUFFIXES or path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def publish(self, folder: Path, run: str, about: dict[str, Any]) -> None:
        """Make the files of a scratch folder the result of a run; the last step puts `done` there.

        Parameters
        ----------
        folder : Path
            What :meth:`scratch` gave; nothing of it is left.
        run : str
            Name of the run.
        about : dict
            Added to `done`.
        """
        names = sorted(path.name for path in folder.iterdir())
        files = {name: file_checksum(folder / name) for name in names}
        marker = json.dumps({**about, "files": files}, indent=1) + "\n"
        if self.folder is None:
            self.remove(run)
            for name in names:
                self._fs.put_file(str(folder / name), f"{self._root}/runs/{run}/{name}")
            self.write(f"runs/{run}/{DONE}", marker.encode())
            return
        (folder / DONE).write_text(marker, encoding="utf-8")
        for name in (*names, DONE):
            with (folder / name).open("rb") as file:
                os.fsync(file.fileno())
        set_default_mode(folder, 0o777)
        self.remove(run)
        (self.folder / "runs").mkdir(exist_ok=True)
        folder.replace(self.folder / "runs" / run)

    def remove(self, run: str) -> None:
        """Remove the folder of a run, its `done` first."""
        if self.exists(f"runs/{run}/{DONE}"):
            self._fs.rm_file(f"{self._root}/runs/{run}/{DONE}")
        if self.exists(f"runs/{run}"):
            self._fs.rm(f"{self._root}/runs/{run}", recursive=True)

    def finished(self, run: str) -> dict[str, Any] | None:
        """Return what `done` of a run says, if all its files are there and as they were written."""
        marker = self.read_json(f"runs/{run}/{DONE}")
        if not marker:
            return None
        for name, expected in marker["files"].items():
            try:
                whole = checksum(self.read(f"runs/{run}/{name}")) == expected
            except (FileNotFoundError, NotADirectoryError):
                whole = False
            if not whole:
                return None
        return marker
