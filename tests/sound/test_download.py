"""The download, from a real HTTP server on this machine."""

import hashlib
import http.server
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nst_lib import ESC50
from nst_lib.sound.download import DownloadError, download


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves one file with ranges, and breaks off after `limit` bytes where that is set."""

    archive: bytes
    limit: int | None = None
    ranges: list[str | None]

    def do_GET(self) -> None:
        if self.path != "/esc50.zip":
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(self.archive):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(self.archive) - start))
        self.end_headers()
        end = len(self.archive) if self.limit is None else min(len(self.archive), self.limit)
        self.wfile.write(self.archive[start:end])

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def archive(tmp_path, make_wav) -> bytes:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "ESC-50-abc/meta/esc50.csv", "filename,fold,category\n4-1-A-28.wav,4,snoring\n"
        )
        file.write(make_wav(y=np.zeros(10 * 22050)), "ESC-50-abc/audio/4-1-A-28.wav")
    return path.read_bytes()


@pytest.fixture
def server(archive):
    handler = type("Handler", (RangeHandler,), {"archive": archive, "ranges": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{http_server.server_port}/esc50.zip"
        yield handler
        http_server.shutdown()


def test_download_unpacks_a_dataset(server, tmp_path, archive):
    root = download(tmp_path / "d" / "esc50", url=server.url, sha256=sha(archive))
    assert [clip.category for clip in ESC50(root)] == ["snoring"]
    assert list(root.parent.iterdir()) == [root]


def test_what_is_complete_is_not_fetched_again(server, tmp_path, archive):
    for _ in range(2):
        download(tmp_path / "esc50", url=server.url, sha256=sha(archive))
    assert server.ranges == [None]


def test_broken_download_resumes_where_it_stopped(server, tmp_path, archive):
    half = len(archive) // 2
    server.limit = half
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        download(tmp_path / "esc50", url=server.url, sha256=sha(archive))
    assert not (tmp_path / "esc50").exists()
    server.limit = None
    root = download(tmp_path / "esc50", url=server.url, sha256=sha(archive))
    first, second = server.ranges
    assert first is None
    assert 0.5 * half < int(second.removeprefix("bytes=").removesuffix("-")) <= half
    assert len(ESC50(root)) == 1


def test_everything_arrived_but_was_not_unpacked(server, tmp_path, archive):
    (tmp_path / "esc50.zip.part").write_bytes(archive)
    root = download(tmp_path / "esc50", url=server.url, sha256=sha(archive))
    assert len(ESC50(root)) == 1


def test_another_archive_is_refused_and_forgotten(server, tmp_path, archive):
    with pytest.raises(DownloadError, match=r"not the expected archive \(its SHA-256 differs\)"):
        download(tmp_path / "esc50", url=server.url, sha256="0" * 64)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("esc50")]


def test_server_errors_are_named(server, tmp_path):
    with pytest.raises(DownloadError, match="the server answered 404"):
        download(tmp_path / "esc50", url=server.url.replace("esc50", "other"), sha256="0" * 64)


def test_folder_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "esc50").mkdir()
    (tmp_path / "esc50" / "mine.txt").write_text("mine")
    with pytest.raises(DownloadError, match="is not an empty folder: choose another folder"):
        download(tmp_path / "esc50")
    assert (tmp_path / "esc50" / "mine.txt").read_text() == "mine"


def test_command_line_offline(nst, tmp_path):
    nowhere = "http://127.0.0.1:9"
    result = nst(
        "data", "download", "--root", "esc50", https_proxy=nowhere, HTTPS_PROXY=nowhere, NO_PROXY=""
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("nst: https://github.com/")
    assert "no connection: is this computer offline?" in line
    assert not Path(tmp_path, "esc50").exists()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
