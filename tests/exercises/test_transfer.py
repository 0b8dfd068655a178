"""Right and wrong answers to the exercises of lesson 7."""

from collections.abc import Callable

import pytest
import torch

from nst_lib import Synthetic, TransferConfig, transfer
from nst_lib.core.gains import Gains
from nst_lib.exercises import transfer as check
from nst_lib.result import TransferResult

Run = Callable[..., TransferResult]


@pytest.fixture(scope="module")
def run() -> Run:
    pair = Synthetic().pairs(seed=0)[0]
    content, style = (clip.load(sr=22050, duration=1.0) for clip in (pair.content, pair.style))

    def made(**settings: object) -> TransferResult:
        given = {"preset": "shaped", "steps": 16, "content": content, "style": style} | settings
        preset, recordings = given.pop("preset"), (given.pop("content"), given.pop("style"))
        config = TransferConfig.from_preset(preset, sr=22050, **given)
        return transfer(*recordings, config)

    return made


@pytest.fixture(scope="module")
def result(run: Run) -> TransferResult:
    return run()


def test_how_much_content(run: Run, result: TransferResult) -> None:
    assert check.how_much_content(run(content_weight=0.9), result=result).right
    other = result.style
    for answer, said in (
        (run(content_weight=0.0), "In which direction"),
        (result, "the settings of the lesson"),
        (run(content_weight=0.9, steps=17), "you have changed steps too"),
        (run(content_weight=0.9, content=other), "another recording"),
        (result.scores, "the whole result"),
    ):
        verdict = check.how_much_content(answer, result=result)
        assert verdict.right is False
        assert said in verdict.why


def test_how_many_gains() -> None:
    bands, frames = Gains(torch.zeros(60 * 22050), sr=22050).unchanged().shape
    assert check.how_many_gains(bands * frames, sr=22050).right
    for answer, said in (
        (frames, "one gain for each band"),
        (60 * 22050, "does not optimise samples"),
        (bands * frames / 12, "in proportion"),
        ("many", "one number"),
    ):
        verdict = check.how_many_gains(answer, sr=22050)
        assert verdict.right is False
        assert said in verdict.why
        assert str(bands * frames) not in verdict.why


def test_without_a_content(run: Run, result: TransferResult) -> None:
    fast = {"preset": "fast", "content": None, "start": "noise", "n_iter": 1, "duration": 1.0}
    assert check.without_a_content(run(**fast), style=result.style).right
    for answer, said in (
        (result, "has a content"),
        (run(**fast, style=result.content), "not that of the lesson"),
        (run(**{**fast, "steps": 1}), "hardly fallen"),
        ("fast", "the whole result"),
    ):
        verdict = check.without_a_content(answer, style=result.style)
        assert verdict.right is False
        assert said in verdict.why
