"""One list of pins, and nothing that drifts from it."""

import re
import tomllib
from importlib.metadata import version

import pytest
import yaml

from tests.conftest import ROOT

PINS = dict(
    re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_has_one_list_of_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    packages, (pip,) = (
        [entry for entry in environment["dependencies"] if isinstance(entry, kind)]
        for kind in (str, dict)
    )
    assert [re.split(r"[<>=]", package)[0] for package in packages] == ["python", "pip"]
    assert pip == {"pip": ["-r requirements.txt", "-e ."]}


def test_every_dependency_is_pinned():
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    names = {re.split(r"[<>=\[; ]", requirement)[0] for requirement in wanted}
    assert names <= set(PINS)


def test_torch_is_pinned_exactly_in_both_places():
    assert PINS["torch"] == "2.13.0"
    assert "torch==2.13.0" in PROJECT["dependencies"]


def test_pins_name_no_host():
    for name in ("requirements.txt", "pyproject.toml", "environment.yml", "Makefile"):
        text = (ROOT / name).read_text()
        assert not re.search(r"(file|https?)://", text)


@pytest.mark.parametrize("name", ["torch", "librosa", "numpy", "jupyterlab", "papermill"])
def test_what_is_installed_is_what_is_pinned(name):
    assert version(name).split("+")[0] == PINS[name]


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version("nst-lib")
    assert "Neural Style Transfer of Environmental Audio Spectrograms" in str(citation)
