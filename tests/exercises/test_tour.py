"""Right and wrong answers to the exercises of lesson 0."""

import numpy as np
import pytest
import torch

from nst_lib import TransferConfig, transfer
from nst_lib.exercises import tour
from nst_lib.result import TransferResult

Pair = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def pair() -> Pair:
    generator = np.random.default_rng(0)
    return {
        role: generator.standard_normal(11025).astype(np.float32) / 10
        for role in ("content", "style")
    }


@pytest.fixture(scope="module")
def run(pair: Pair):
    def transferred(content: str | None, style: str) -> TransferResult:
        config = TransferConfig.from_preset(
            "fast", start="noise", steps=0, sr=22050, duration=0.5, mono=True, level="off", n_iter=1
        )
        return transfer(content and pair[content], pair[style], config)

    return transferred


def test_the_other_way_round(pair: Pair, run) -> None:
    assert tour.the_other_way_round(run("style", "content"), **pair).right
    for content, style, said in (
        ("content", "style", "still the content of the lesson"),
        ("style", "style", "are the same recording"),
        (None, "style", "without a content"),
    ):
        verdict = tour.the_other_way_round(run(content, style), **pair)
        assert verdict.right is False
        assert said in verdict.why
    assert "the whole result" in tour.the_other_way_round(pair["style"], **pair).why
    assert (
        "neither"
        in tour.the_other_way_round(
            run("style", "content"), content=pair["content"], style=pair["style"] / 2
        ).why
    )


def test_a_longer_look() -> None:
    generator = torch.Generator().manual_seed(0)
    content = torch.rand(20, 60, generator=generator)
    given = {"content": content, "shuffled": content[:, torch.randperm(60, generator=generator)]}
    expected = tour._change(**given, kernel=11, seed=3)
    assert tour.a_longer_look(expected, **given, seed=3).right
    assert tour.a_longer_look(torch.tensor(expected), **given, seed=3).right
    for answer, said in (
        (tour._change(**given, kernel=1, seed=3), "`kernel=11`"),
        (expected / 100, "percent"),
        (tour._change(**given, kernel=5, seed=3), "only `kernel` should differ"),
        (tour._change(**given, kernel=11, seed=4), "`seed` should be the same"),
        ("12 %", "one number"),
    ):
        verdict = tour.a_longer_look(answer, **given, seed=3)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{expected:.1f}" not in verdict.why


@pytest.mark.parametrize(
    ("preset", "right"),
    [("shaped", "pieces of the style"), ("fast", "the content"), ("ulyanov2016", "noise")],
)
def test_before_the_first(preset: str, right: str) -> None:
    config = TransferConfig.from_preset(preset)
    assert tour.before_the_first(right, config=config).right
    for answer in {"noise", "the content", "the style", "pieces of the style"} - {right}:
        verdict = tour.before_the_first(answer, config=config)
        assert verdict.right is False
        assert "config.start" in verdict.why
        assert right not in verdict.why.replace("the content and the style", "")
    assert "choose one of" in tour.before_the_first("a mosaic", config=config).why
