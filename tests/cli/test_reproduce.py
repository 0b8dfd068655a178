"""The sound of a record, made again with ``nst reproduce``."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nst_lib import TransferConfig, transfer
from nst_lib.base.files import checksum
from nst_lib.core.network import RandomCNN
from nst_lib.show import report, reproduction
from tests.cli.test_transfer import bursts

QUICK = ("--preset", "fast", "--steps", 2, "--duration", 2)


@pytest.fixture
def made(nst, tmp_path: Path) -> Path:
    """Make a sound from two styles, in a folder; return its record."""
    for seed, name in enumerate(("content", "a", "b")):
        sf.write(tmp_path / f"{name}.wav", bursts(3, sr=22050, seed=seed), 22050)
    styles = ("--style", "a.wav:0.7", "--style", "b.wav:0.3")
    done = nst("transfer", "--content", "content.wav", *styles, *QUICK, "--out", "out.wav")
    assert done.returncode == 0, done.stderr
    return tmp_path / "out.json"


def change(record: Path, **values: object) -> None:
    record.write_text(json.dumps({**json.loads(record.read_text()), **values}))


def test_the_same_sound_comes_out(nst, made, tmp_path):
    done = nst("reproduce", "out.json", "--out", "again.wav")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the same sound, sample by sample\n")
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "out.wav").read_bytes()
    first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("out", "again"))
    assert first["checksums"] == second["checksums"]
    assert first["config"] == second["config"]


def test_files_beside_the_record_are_found(nst, made, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("out.json", "content.wav", "a.wav", "b.wav"):
        (tmp_path / name).rename(elsewhere / name)
    done = nst("reproduce", "elsewhere/out.json", "--out", "again.wav")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the same sound")


def test_another_sound_is_said_to_be_one(nst, made):
    change(made, config=json.loads(made.read_text())["config"] | {"seed": 5})
    done = nst("reproduce", "out.json", "--out", "again.wav")
    assert done.returncode == 1
    assert done.stdout.startswith("another sound: its samples are not those of the record\n")


def test_other_versions_and_old_records_are_named(nst, made):
    record = json.loads(made.read_text())
    del record["checksums"]
    made.write_text(json.dumps({**record, "versions": {**record["versions"], "torch": "1.0"}}))
    done = nst("reproduce", "out.json", "--out", "again.wav")
    assert done.returncode == 0
    assert done.stderr.startswith("nst: torch was 1.0 and is ")
    assert "the record has no checksums, so the inputs cannot be compared" in done.stderr
    assert done.stdout.startswith("the record has no checksum of its sound")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"config": 1}, "out.json: is no record of a transfer, it has no 'config'"),
        ({"inputs": {"content": None}}, "out.json: does not name its content and style"),
        (
            {"outcome": "stopped"},
            "out.json: the transfer was stopped, so its sound depends on when",
        ),
        ({"inputs": {"content": "gone.wav", "style": "a.wav"}}, "content 'gone.wav' is not here"),
        (
            {"inputs": {"content": "content.wav", "style": ["b.wav", "a.wav"]}},
            "b.wav: is another file than the style of the record (SHA-256 differs)",
        ),
        (
            {"config": {"parts": {"network": "mine.Network"}}},
            "out.json: was made with parts of its author's own (network mine.Network)",
        ),
    ],
)
def test_what_cannot_be_made_again_is_one_line(nst, made, tmp_path, broken, said):
    change(made, **broken)
    done = nst("reproduce", "out.json", "--out", "again.wav")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "again.wav").exists()


@pytest.mark.parametrize("name", ["nothing.json", "a.wav"])
def test_what_is_no_record_is_one_line(nst, made, name):
    done = nst("reproduce", name, "--out", "again.wav")
    assert done.returncode == 2
    assert "choose the JSON file that `nst transfer` wrote beside a sound" in done.stderr


def test_the_recorded_sound_is_not_replaced(nst, made, tmp_path):
    before = (tmp_path / "out.wav").read_bytes()
    done = nst("reproduce", "out.json", "--out", "out.wav")
    assert done.returncode == 2
    assert "belongs to the record, and would be replaced" in done.stderr
    assert (tmp_path / "out.wav").read_bytes() == before


class Network(RandomCNN):
    """A network that is not part of the package."""


def test_the_record_names_parts_of_ones_own_with_their_source(pair):
    config = TransferConfig.from_preset("fast", duration=1.0, steps=1, engine="finite", channels=8)
    network = Network(n_freq=1025, n_frames=44, channels=8)
    result = transfer(pair.content, pair.style, config, network=network)
    record = report.to_dict(result, inputs={"content": "a", "style": "b"})
    source = 'class Network(RandomCNN):\n    """A network that is not part of the package."""\n'
    assert record["sources"] == {"network": checksum(source.encode())}
    assert record["config"]["parts"] == {"network": f"{__name__}.Network"}
    assert record["checksums"]["content"] is None
    assert record["checksums"]["result"] == report.samples_checksum(result.audio)
    assert reproduction.is_same(
        reproduction.Record(config, None, [], record["checksums"]["result"], []), result
    )
    assert not np.array_equal(result.audio, 0 * result.audio)
