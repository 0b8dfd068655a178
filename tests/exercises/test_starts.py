"""Right and wrong answers to the exercises of lesson 8."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from nst_lib import TransferConfig, transfer
from nst_lib.exercises import starts


def test_gains_from_noise() -> None:
    config = TransferConfig.from_preset("fast", steps=0, start="noise", n_iter=1)
    y = np.random.default_rng(0).standard_normal(11025).astype(np.float32)
    result = transfer(None, y, config)
    losses = {("gains", "noise"): 0.8, ("samples", "noise"): 0.1}
    losses |= {("gains", "mosaic"): 0.3, ("samples", "mosaic"): 0.2}
    made = {key: replace(result, realised={"style": value}) for key, value in losses.items()}
    assert starts.gains_from_noise(8.0, made=made).right
    for answer, said in (
        (0.125, "wrong order"),
        (0.7, "the difference"),
        (1.5, "the rows for the mosaic"),
        (3, "Divide the style losses"),
        ("8 times", "one number"),
    ):
        verdict = starts.gains_from_noise(answer, made=made)
        assert verdict.right is False
        assert said in verdict.why


def test_fold_it() -> None:
    assert starts.fold_it(lambda x: (x.exp() - 1).abs().log1p()).right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (torch.abs, "the absolute value of x"),
        (torch.relu, "become 0 here"),
        (lambda x: x.expm1().abs(), "This is the amplitude"),
        (lambda x: x, "Nothing is folded"),
        (lambda x: x**2, "take the amplitude"),
        (lambda x: x.expm1().log1p().sqrt(), "not finite"),
        (lambda x: x.sum(), "an array"),
        (lambda: 0, "TypeError"),
        (0.5, "write it with `def`"),
    ],
)
def test_not_folded(answer: Callable[..., object], said: str) -> None:
    verdict = starts.fold_it(answer)
    assert verdict.right is False
    assert said in verdict.why


def test_where_it_is_concave() -> None:
    assert starts.where_it_is_concave(4.77).right
    for answer, said in (
        (-4.77, "positive number"),
        (2.39, "20 dB for each factor"),
        (9.54, "a third of s"),
        (25, "second derivative"),
        ("5 dB", "one number"),
    ):
        verdict = starts.where_it_is_concave(answer)
        assert verdict.right is False
        assert said in verdict.why
        assert "4.8" not in verdict.why
