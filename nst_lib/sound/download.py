"""Download ESC-50 from its public archive.

The archive is pinned to one commit. Its size and SHA-256 are those that public users of the archive
report. A download with another SHA-256 is refused.
"""

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pooch
import requests
from tqdm import tqdm

COMMIT = "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6"
URL = f"https://github.com/karolpiczak/ESC-50/archive/{COMMIT}.zip"
SHA256 = "661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f"
MEGABYTES = 646


class DownloadError(ValueError):
    """The dataset could not be downloaded. The part that has arrived is kept for the next try."""


def default_root() -> Path:
    """Return the folder that ``nst data download`` makes by default."""
    return Path(pooch.os_cache("nst_lib")) / "ESC-50"


def download(
    root: str | os.PathLike[str] | None = None, *, url: str = URL, sha256: str = SHA256
) -> Path:
    """Download ESC-50 into `root` and show the progress on standard error.

    If a download breaks off, the next call continues it. A complete folder is left as it is.

    Parameters
    ----------
    root : path or None
        The folder to make; None is :func:`default_root`.
    url, sha256 : str
        The address of the zip archive and its checksum.

    Returns
    -------
    Path
        The folder, which :class:`nst_lib.ESC50` can open.

    Raises
    ------
    DownloadError
        If the archive cannot be reached, if the download breaks off, or if the archive has another
        checksum.
    """
    root = default_root() if root is None else Path(root)
    if (root / "meta" / "esc50.csv").is_file():
        return root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DownloadError(f"{root}: exists and is not an empty folder: choose another folder")
    pooch.get_logger().setLevel("WARNING")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        archive = pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=f"{root.name}.zip",
            path=root.parent,
            downloader=ResumingDownloader(root.parent / f"{root.name}.zip.part"),
        )
    except requests.RequestException as error:
        raise DownloadError(f"{url}: cannot be downloaded ({_reason(error)})") from error
    except ValueError as error:
        raise DownloadError(f"{url}: is not the expected archive (its SHA-256 differs)") from error
    except OSError as error:
        raise DownloadError(f"{root}: cannot be written ({error.strerror})") from error
    _unpack(Path(archive), root)
    return root


class ResumingDownloader:
    """A downloader for pooch that keeps an incomplete download in `part` and continues it."""

    def __init__(self, part: Path) -> None:
        self.part = part

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download `url` into `output_file`. If `part` exists, request only the rest."""
        start = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"} if start else {}
        with requests.get(url, headers=headers, stream=True, timeout=30) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.replace(output_file)  # the part is complete; its checksum is checked next
                return
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            start = start if resumed else 0
            length = int(response.headers.get("Content-Length", 0))
            self._save(response, start, start + length if length else None)
        self.part.replace(output_file)

    def _save(self, response: requests.Response, start: int, total: int | None) -> None:
        bar = tqdm(total=total, initial=start, unit="B", unit_scale=True, desc="ESC-50")
        with bar, self.part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(chunk_size=1 << 16):
                file.write(chunk)
                bar.update(len(chunk))
            if total is not None and file.tell() < total:
                raise requests.ConnectionError(f"broke off at {file.tell()} of {total} bytes")


def _unpack(archive: Path, root: Path) -> None:
    with TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as folder:
        with zipfile.ZipFile(archive) as file:
            for member in tqdm(file.infolist(), desc="unpacking", unit="file"):
                file.extract(member, folder)
        (top,) = Path(folder).iterdir()
        if root.is_dir():
            root.rmdir()
        top.rename(root)
    archive.unlink()


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    text = str(error)
    return text if "broke off" in text else "no connection: is this computer offline?"
