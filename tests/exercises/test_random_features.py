"""Right and wrong answers to the exercises of lesson 5."""

import pytest
import torch

from nst_lib import RandomCNN
from nst_lib.core.losses import StyleTerm
from nst_lib.exercises import random_features


def test_pytorchs_weights() -> None:
    draw = torch.Generator().manual_seed(0)
    content, style = (torch.rand(30, 80, generator=draw) * scale for scale in (1, 2))
    given = {"content": content, "style": style, "channels": 16, "seed": 1}

    def share(**settings: object) -> float:
        network = RandomCNN(n_freq=30, stacks=2, channels=16, pooling="average", **settings)
        first, second = (
            StyleTerm(network(style)[name])(network(content)[name]) for name in ("relu1", "relu2")
        )
        return float(100 * second / first)

    right = share(init="pytorch", seed=1)
    assert random_features.pytorchs_weights(right, **given).right
    for answer, said in (
        (right / 100, "percent"),
        (share(init="milacic2020", seed=1), "Set `init`"),
        (1e4 / right, "relu1 over relu2"),
        (3 * right, "the same channels, seed"),
        ("5 %", "one number"),
    ):
        verdict = random_features.pytorchs_weights(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_how_far_it_sees_is_what_changes_relu2() -> None:
    network = RandomCNN(n_freq=4, stacks=2, channels=8, init="pytorch", pooling="average")
    S = torch.rand(4, 100, generator=torch.Generator().manual_seed(0)).requires_grad_()
    network(S, ["conv2"])["conv2"][:, 25].sum().backward()
    seen = S.grad.abs().sum(0).nonzero()
    assert random_features.how_far_it_sees(int(seen.max() - seen.min() + 1)).right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (11, "the layer before it"),
        (22, "depend on more frames"),
        (21, "two frames apart"),
        (121, "overlaps"),
        (50, "Go back"),
        (None, "one number"),
    ],
)
def test_how_far_it_does_not_see(answer: object, said: str) -> None:
    verdict = random_features.how_far_it_sees(answer)
    assert verdict.right is False
    assert said in verdict.why
    assert "32" not in verdict.why


def test_content_with_an_effect() -> None:
    terms = {
        "style relu1": 200.0,
        "style relu2": 20.0,
        "style relu3": 3.0,
        "content relu3 (at the style)": 1e-7,
    }
    assert random_features.content_with_an_effect(2.2e9, terms=terms).right
    for answer, said in (
        (1e-7 / 220, "has to *grow*"),
        (3e7, "does not use relu3"),
        (220, "Divide the style loss"),
        ("ten", "one number"),
    ):
        verdict = random_features.content_with_an_effect(answer, terms=terms)
        assert verdict.right is False
        assert said in verdict.why
