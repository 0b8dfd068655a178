"""The weights of the ear, from wheels made here; pip gets them from an index on this machine."""

import hashlib
import http.server
import os
import threading
import zipfile
from pathlib import Path

import pytest

from nst_lib.metrics import weights
from nst_lib.metrics.weights import FILE, MEMBER, EarError, install

WEIGHTS = b"some weights"
NAME = "aisfx-0.1.2-py2.py3-none-any.whl"
INFO = "aisfx-0.1.2.dist-info"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheel(tmp_path) -> Path:
    path = tmp_path / "index" / "aisfx" / NAME
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(MEMBER, WEIGHTS)
        file.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: aisfx\nVersion: 0.1.2\n")
        file.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
        file.writestr(f"{INFO}/RECORD", "")
    return path


@pytest.fixture
def sums(wheel) -> dict[str, str]:
    return {"wheel_sha256": sha(wheel.read_bytes()), "sha256": sha(WEIGHTS)}


@pytest.fixture
def index(wheel, monkeypatch) -> None:
    """A package index with the wheel, and nothing else that pip knows."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(wheel.parents[1]))

        def log_message(self, *args) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        alone(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def alone(monkeypatch, index: str) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.process
def test_pip_downloads_from_the_users_index(index, sums, tmp_path):
    path = install(tmp_path / "a" / "ear", **sums)
    assert path == tmp_path / "a" / "ear" / FILE
    assert path.read_bytes() == WEIGHTS
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.process
def test_another_wheel_from_the_index_is_refused(index, tmp_path):
    with pytest.raises(EarError, match=r"is not the wheel of aisfx==0.1.2 \(its SHA-256 differs\)"):
        install(tmp_path / "ear")
    assert not any((tmp_path / "ear").iterdir())


@pytest.mark.process
def test_no_index_is_one_line(monkeypatch, tmp_path):
    alone(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(
        EarError, match=r"^pip cannot download .*offline\? .* with --from$"
    ) as caught:
        install(tmp_path / "ear")
    assert "\n" not in str(caught.value)
    assert not any((tmp_path / "ear").iterdir())


def test_a_wheel_from_elsewhere_is_used(wheel, sums, tmp_path):
    assert install(tmp_path / "ear", wheel=wheel, **sums).read_bytes() == WEIGHTS


def test_what_is_there_is_left_alone(wheel, sums, tmp_path):
    path = install(tmp_path / "ear", wheel=wheel, **sums)
    before = path.stat().st_mtime_ns
    wheel.unlink()
    assert install(tmp_path / "ear", wheel=wheel, **sums).stat().st_mtime_ns == before


def test_what_is_damaged_is_replaced(wheel, sums, tmp_path):
    path = install(tmp_path / "ear", wheel=wheel, **sums)
    path.write_bytes(b"damaged")
    assert install(tmp_path / "ear", wheel=wheel, **sums).read_bytes() == WEIGHTS


def test_other_weights_are_refused(wheel, sums, tmp_path):
    with pytest.raises(EarError, match="holds other weights"):
        install(tmp_path / "ear", wheel=wheel, **sums | {"sha256": sha(b"others")})
    assert not any((tmp_path / "ear").iterdir())


def test_folder_that_is_a_file_is_refused(wheel, sums, tmp_path):
    (tmp_path / "ear").write_text("mine")
    with pytest.raises(EarError, match="cannot be used"):
        install(tmp_path / "ear", wheel=wheel, **sums)
    assert (tmp_path / "ear").read_text() == "mine"


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    assert weights.default_root() == tmp_path
    assert weights.find() is None
    (tmp_path / FILE).write_bytes(WEIGHTS)
    assert weights.find() == tmp_path / FILE
    monkeypatch.delenv(weights.VARIABLE)
    assert weights.default_root().name == "ear"


def test_command_line(nst, ear, tmp_path):
    root = weights.default_root()
    result = nst("data", "ear")
    assert (result.returncode, result.stderr) == (0, "")
    path, credit = result.stdout.splitlines()
    assert path == str(root / FILE)
    assert "A. B. Ma and A. Lerch (ISMIR 2022)" in credit
    assert "CC BY 4.0" in credit
    (tmp_path / "bad.whl").write_bytes(b"no wheel")
    result = nst("data", "ear", "--root", "elsewhere", "--from", "bad.whl")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "nst: bad.whl: is not the wheel of aisfx==0.1.2 (its SHA-256 differs)\n"
    assert not any((tmp_path / "elsewhere").iterdir())
