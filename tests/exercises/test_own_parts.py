"""Right and wrong answers to the exercises of lesson 16."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nst_lib import STFT, Synthetic
from nst_lib.exercises import own_parts
from nst_lib.exercises.verdict import Verdict

Check = Callable[[object], Verdict]


class Maps(nn.Module):
    """A network with one map, given as a function."""

    layer_names = ("map",)

    def __init__(self, of: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.of = of

    def forward(self, S: torch.Tensor, layers: object = None) -> dict[str, torch.Tensor]:
        return {"map": self.of(S)}


@pytest.fixture(scope="module")
def heard() -> dict[str, Any]:
    pair, transform = Synthetic().pairs(seed=0)[0], STFT(sr=22050)
    sounds = {"content": pair.content, "style": pair.style}
    return {
        role: transform(torch.from_numpy(clip.load(sr=22050, duration=1.0))).numpy()
        for role, clip in sounds.items()
    } | {"transform": transform}


def test_no_pitch(heard: dict[str, Any]) -> None:
    given = {"content": heard["content"], "style": heard["style"]}
    before = heard["content"].copy()
    assert own_parts.no_pitch(Maps(lambda S: S.mean(0, keepdim=True)), **given).right
    assert (heard["content"] == before).all()
    for answer, said in (
        (Maps(lambda S: S), "knows the frequency"),
        (Maps(lambda S: torch.ones(1, S.shape[1])), "does not tell the content from the style"),
        (Maps(lambda S: S @ S), "RuntimeError"),
        (Maps, "Make an instance"),
        (lambda S: S, "`layer_names`"),
        (3, "an instance of your class"),
    ):
        verdict = own_parts.no_pitch(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def correlation(content: torch.Tensor, transform: object) -> Callable[[torch.Tensor], Any]:
    def course(S: torch.Tensor) -> torch.Tensor:
        level = torch.log(S.expm1().square().sum(0) + 1e-3)
        return (level - level.mean()) / level.std()

    return lambda S: (course(S) - course(content)).square().mean() / 2


def test_no_loudness(heard: dict[str, Any]) -> None:
    given = {"content": heard["content"], "transform": heard["transform"], "seed": 0}
    assert own_parts.no_loudness(correlation, **given).right
    for answer, said in (
        (lambda c, _: lambda S: (S - c).square().mean() / c.square().mean(), "hears the amplitude"),
        (lambda c, _: lambda S: 0.0 * S.mean(), "the frames are shuffled"),
        (lambda c, _: lambda S: S.mean(), "not 0 at the content"),
        (lambda c, _: lambda S: S, "one number"),
        (lambda c: lambda S: 0, "TypeError"),
        (0.5, "a class or a function"),
    ):
        verdict = own_parts.no_loudness(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_adjoint() -> None:
    assert own_parts.adjoint((torch.tensor(3.0), 3.00001)).right
    for answer, said in (
        ((3.0, -3.0), "not the signs"),
        ((3.0, 2.0), "a * b.conj()"),
        ((0.0, 0.0), "random"),
        (3.0, "two numbers"),
        ((3.0, 3j), "one number"),
    ):
        verdict = own_parts.adjoint(answer)
        assert verdict.right is False
        assert said in verdict.why
