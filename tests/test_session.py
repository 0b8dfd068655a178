"""A checkpoint is refused, in one line, unless it is of what is to go on."""

import re

import pytest
import torch

from nst_lib.session import Checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.ckpt"


def test_what_was_written_is_read(path):
    Checkpoint(path, key="a").update({"x": torch.ones(2)}, at_once=True)
    assert torch.equal(Checkpoint(path, key="a").state["x"], torch.ones(2))
    message = (
        r"run.ckpt: belongs to another transfer \(settings, weights or recordings differ\); use"
    )
    with pytest.raises(ValueError, match=message):
        Checkpoint(path, key="b")


@pytest.mark.parametrize(
    "content", [[1, 2], torch.zeros(2), {"x": 1}, "a sound", b"", b"PK\x03\x04 cut", b"words"]
)
def test_a_file_of_another_kind(path, make_wav, content):
    if content == "a sound":
        make_wav().rename(path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    message = f"{path}: is not a checkpoint that can be read; remove the file to start again"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Checkpoint(path, key="a")
