"""A small batch, from which the tests of the survey build listening tests."""

import json
from pathlib import Path

import pytest

from tests import forked


@pytest.fixture(scope="session")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of simulated recordings with two transforms."""
    folder = tmp_path_factory.mktemp("batch")
    grid = {
        "dataset": "synthetic",
        "pairs": [["snoring", "hand_saw"], ["hen", "car_horn"]],
        "factors": {"transform": ["stft", "cqt"]},
        "settings": {"steps": 0, "duration": 0.5, "n_iter": 2},
    }
    (folder / "grid.yaml").write_text(json.dumps(grid))
    done = forked.run(["batch", "grid.yaml", "--out", "out"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"
