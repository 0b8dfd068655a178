"""Right and wrong answers to the exercises of lesson 4."""

from collections.abc import Callable

import pytest
import torch

from nst_lib import RandomCNN
from nst_lib.exercises import from_scratch


def gram(F: torch.Tensor) -> torch.Tensor:
    return F @ F.T / F.shape[1]


def test_report_loss() -> None:
    assert from_scratch.report_loss(lambda F, G: (gram(F) - G).square().sum() / len(F)).right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda F, G: (gram(F) - G).square().mean(), "the loss of the code"),
        (lambda F, G: (gram(F) - G).square().sum(), "By what does the report divide"),
        (lambda F, G: (gram(F) - G).norm() / len(F), "not squared"),
        (lambda F, G: (F @ F.T - G).square().sum() / len(F), "a mean over the frames"),
        (lambda F, G: (gram(F) - G).square(), "one number"),
        (lambda F, G: gram(F) - F, "RuntimeError"),
        (lambda F: 0.0, "TypeError"),
        (lambda F, G: 1.0, "not that of the equation"),
        (0.5, "write it with `def`"),
    ],
)
def test_report_loss_that_is_wrong(answer: Callable[..., object], said: str) -> None:
    verdict = from_scratch.report_loss(answer)
    assert verdict.right is False
    assert said in verdict.why


def test_weights() -> None:
    right = 11 * 4096 * (513 + 2 * 4096) / 1e9
    assert from_scratch.weights(right, n_freq=513).right
    assert from_scratch.weights(0.39, n_freq=513).right, "rounded"
    for answer, said in (
        (right * 1e9, "asks for billions"),
        (right / 11, "How many frames"),
        (11 * 4096 * 3 * 4096 / 1e9, "The first convolution"),
        (4096e-9, "Add up the three"),
        ("0.39", "one number"),
    ):
        verdict = from_scratch.weights(answer, n_freq=513)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{right:.2f}" not in verdict.why


def test_same_style() -> None:
    draw = torch.Generator().manual_seed(0)
    style, content = torch.rand(20, 200, generator=draw), 2 * torch.rand(20, 200, generator=draw)
    style = style * torch.linspace(0, 1, 20)[:, None]
    network = RandomCNN(n_freq=20, channels=16, stacks=2)

    def check(answer: object):
        return from_scratch.same_style(
            answer,
            style=style,
            content=content,
            features=lambda S: [network(S)["relu1"], network(S)["relu2"]],
        )

    assert check(style.roll(100, dims=1)).right
    for answer, said in (
        (style, "the style itself"),
        (content, "times that of the content"),
        (style.flip(0), "Which change of the style"),
        (-style, "negative"),
        (style[:, :50], "has the shape (20, 50)"),
        (style * float("nan"), "not finite"),
    ):
        verdict = check(answer)
        assert verdict.right is False
        assert said in verdict.why
        assert "roll" not in verdict.why
