"""The files of a batch, in a folder or at any URL that fsspec can open.

    batch.json         the grid as it was run: clips, conditions, settings and their meanings
    inputs/            the clips as they were used
    runs/ID/           one condition: sound, figure, metrics.json, executed notebook, and `done`
    status.json        the last status that the driver wrote
    results.csv        one row for each sound; its column "factors" names the settings

`done` lists the other files of its folder with their checksums. It is written last. A folder
without `done`, or with files that have changed since, is not a result.
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
#: Folder inside a local store for unfinished files. Nothing in it is a result.
_SCRATCH = ".scratch"


class Store:
    """The files of one batch.

    Parameters
    ----------
    url : path or str
        A folder, or a URL such as ``s3://bucket/experiment``.

    Raises
    ------
    ValueError
        If fsspec cannot open this kind of URL.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = str(url)
        try:
            self._fs, root = fsspec.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{self.url}: {error}; accepted: a folder or a URL") from error
        self._root = root.rstrip("/")
        #: The folder; None if the store is not on this machine.
        self.folder = Path(root) if isinstance(self._fs, LocalFileSystem) else None

    def __str__(self) -> str:
        return self.url

    def make(self) -> None:
        """Make the folder, and check that it can be written to.

        Raises
        ------
        ValueError
            If the folder cannot be made or written to.
        """
        try:
            if self.folder is not None:
                (self.folder / _SCRATCH).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self.folder):
                    pass
            else:  # make it here: if two workers made it at the same time, one of them would fail
                self._fs.makedirs(f"{self._root}/runs", exist_ok=True)
        except Exception as error:  # of whatever kind of file system
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{self}: cannot write here ({reason})") from error

    def read(self, name: str) -> bytes:
        """Return the bytes of a file. Raise FileNotFoundError if it does not exist."""
        data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return data

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file, or {} if it is missing or not valid."""
        try:
            data: dict[str, Any] = json.loads(self.read(name))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return data

    def batch(self) -> dict[str, Any]:
        """Return the content of batch.json.

        Raises
        ------
        ValueError
            If the store holds no batch.
        """
        batch = self.read_json("batch.json")
        if not batch:
            raise ValueError(f"{self}: holds no batch: choose a folder that `nst batch` wrote to")
        return batch

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all. Make its folder if needed."""
        if self.folder is None:
            self._fs.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(f"{self._root}/{name}", data)
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path, scratch=self.folder / _SCRATCH) as temporary:
            temporary.write_bytes(data)

    def write_json(self, name: str, data: dict[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        self.write(name, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())

    def exists(self, name: str) -> bool:
        """Return whether a file or folder of this name exists."""
        found: bool = self._fs.exists(f"{self._root}/{name}")
        return found

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """Yield an empty folder on this machine and remove it at the end."""
        parent = None if self.folder is None else self.folder / _SCRATCH
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def checkpoint(self, name: str) -> Path | None:
        """Return the path of a condition's checkpoint; None if the store is not on this machine."""
        return None if self.folder is None else self.folder / _SCRATCH / f"{name}.ckpt"

    def clear_scratch(self) -> None:
        """Remove the unfinished files of processes that were killed, except checkpoints."""
        if self.folder is not None:
            for path in (self.folder / _SCRATCH).iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.suffix not in SUFFIXES or path.name.startswith("."):
                    path.unlink(missing_ok=True)

    def publish(self, folder: Path, run: str, about: dict[str, Any]) -> None:
        """Make the files of a scratch folder the result of a run. The last step writes `done`.

        Parameters
        ----------
        folder : Path
            A folder from :meth:`scratch`. It cannot be used afterwards.
        run : str
            The name of the run.
        about : dict
            More values for the file `done`.
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
        """Remove the folder of a run, beginning with its file `done`."""
        if self.exists(f"runs/{run}/{DONE}"):
            self._fs.rm_file(f"{self._root}/runs/{run}/{DONE}")
        if self.exists(f"runs/{run}"):
            self._fs.rm(f"{self._root}/runs/{run}", recursive=True)

    def finished(self, run: str) -> dict[str, Any] | None:
        """Return the content of `done` if all files of a run exist and are unchanged, or None."""
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
