"""How far a transfer is: what the callbacks show and what they write."""

import json

import pytest

from nst_lib import TransferConfig
from nst_lib.core.optimise import Evaluation
from nst_lib.show.progress import VARIABLE, read, track


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def evaluation(step):
    return Evaluation(step=step, seconds=0.0, losses={"style": 0.5, "content": 0, "total": 0.5})


def test_the_file_follows_the_transfer(file):
    with track(TransferConfig(steps=3), hidden=True) as callbacks:
        assert read(file) == {}
        callbacks.on_stage("analyse")
        assert read(file) == {"stage": "analyse"}
        for step in range(3):
            callbacks.on_evaluation(evaluation(step))
        callbacks.on_inversion(1, 0.1)
        callbacks.on_stage("score")
    assert read(file) == {"stage": "score", "step": 3, "steps": 3, "style": 0.5}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_that_cannot_be_written_stops_nothing(file, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(file.parent / "no" / "progress.json"))
    with track(TransferConfig(), hidden=True) as callbacks:
        callbacks.on_stage("read")
        callbacks.on_evaluation(evaluation(0))


def test_the_bar_counts_and_says_what_is_being_done(capsys, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with track(TransferConfig(steps=5, n_iter=7)) as callbacks:
        callbacks.on_stage("invert")
        callbacks.on_inversion(2, 0.1)
        callbacks.on_stage("refine")
        callbacks.on_evaluation(evaluation(0))
    shown = capsys.readouterr().err
    assert "inverting the spectrogram, 2 of 7" in shown
    assert "refining the sound" in shown
    assert "/5" in shown


def test_half_a_file_is_nothing(tmp_path):
    (tmp_path / "half.json").write_text(json.dumps({"step": 1})[:-3])
    assert read(tmp_path / "half.json") == {}
    assert read(tmp_path / "none.json") == {}
