"""The example package: a system that an installed package adds, without an edit here."""

import importlib
import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from nst_lib.show import reproduction
from nst_lib.show.reproduction import RecordError
from nst_lib.system import PRESETS
from tests.conftest import ROOT

SOURCE = ROOT / "docs" / "example_system"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Install the package into a folder of its own, as pip does; return what PYTHONPATH adds."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(SOURCE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run(pip, check=True, capture_output=True)
    return os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")])


def test_it_is_short():
    text = (SOURCE / "mean_spectrum.py").read_text("utf-8")
    lines = text[text.index("class ") : text.index("PRESET =")].strip().splitlines()
    assert len(lines) <= 20


def test_presets_list_it(nst, site):
    listed = nst("presets", PYTHONPATH=site)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "mean_spectrum: an example" in listed.stdout
    shown = nst("presets", "mean_spectrum", PYTHONPATH=site).stdout
    assert "beta = 1.0    # weight of the style loss" in shown
    assert "preset = mean_spectrum    # name of the preset" in shown
    assert "\nchannels = " not in shown


def test_a_transfer_runs_it(nst, site, make_wav, tmp_path):
    make_wav("a.wav")
    made = nst(
        *("transfer", "--preset", "mean_spectrum", "--content", "a.wav", "--style", "a.wav"),
        *("--out", "out.wav", "--set", "duration=0.5", "--set", "start=noise", "--steps", 8),
        PYTHONPATH=site,
    )
    assert (made.returncode, made.stderr) == (0, "")
    record = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert record["config"]["preset"] == "mean_spectrum"
    losses = [row["style mean spectrum"] for row in record["losses"]]
    assert losses[-1] < 0.1 * losses[0]


PARTS = {
    "transform": "own_parts.ERBBands",
    "network": "own_parts.Modulations",
    "content_term": "own_parts.Loudness",
}


def test_three_own_parts_run_in_a_transfer_and_are_reproduced(
    nst, site, make_wav, tmp_path, monkeypatch
):
    make_wav("a.wav")
    made = nst(
        *("transfer", "--preset", "own_parts", "--content", "a.wav", "--style", "a.wav"),
        *("--out", "out.wav", "--set", "duration=1", "--steps", 3),
        PYTHONPATH=site,
    )
    assert (made.returncode, made.stderr) == (0, "")
    record = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert record["config"]["parts"] == PARTS
    assert {"style bands", "style changes"} <= {*record["losses"][0]}
    sums = record["sources"]
    assert {*sums} == {*PARTS}
    assert all(len(found) == 64 for found in sums.values())
    again = nst("reproduce", "out.json", "--out", "again.wav", PYTHONPATH=site)
    assert again.returncode == 0, again.stderr
    assert "the same sound, sample by sample" in again.stdout
    with pytest.raises(RecordError, match=r"author's own \(transform own_parts"):
        reproduction.read(tmp_path / "out.json")
    monkeypatch.syspath_prepend(SOURCE)
    monkeypatch.setitem(PRESETS, "own_parts", importlib.import_module("own_parts").PRESET)
    record["sources"]["network"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(record), "utf-8")
    notes = reproduction.read(tmp_path / "other.json").notes
    assert "the source of the network is not that of the record" in notes


@pytest.mark.kernel
def test_three_own_parts_run_in_a_batch(nst, site, tmp_path):
    grid = {
        "dataset": "synthetic",
        "pairs": [["snoring", "hand_saw"]],
        "settings": {"preset": "own_parts", "duration": 1.0, "steps": 2},
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid), encoding="utf-8")
    ran = nst("batch", "grid.yaml", "--out", "out", "--jobs", 1, PYTHONPATH=site)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (path,) = (tmp_path / "out" / "runs").glob("*/metrics.json")
    record = json.loads(path.read_text("utf-8"))
    assert record["config"]["parts"] == PARTS
    assert record["scores"]["timbre"] > 0.5


def test_a_package_that_adds_none_is_named(nst, site, tmp_path):
    broken = tmp_path / "broken-1.0.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", "utf-8")
    (broken / "entry_points.txt").write_text("[nst_lib.systems]\nworse = no.such:P\n", "utf-8")
    listed = nst("presets", PYTHONPATH=os.pathsep.join([str(tmp_path), site]))
    assert listed.returncode == 2
    assert listed.stderr == (
        "nst: entry point worse (no.such:P) cannot add its presets: No module named 'no'; repair "
        "or remove that package\n"
    )
