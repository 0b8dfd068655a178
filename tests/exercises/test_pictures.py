"""Right and wrong answers to the exercises of lesson 3."""

import pytest
import torch

from nst_lib.exercises import pictures
from nst_lib.systems.gatys2016 import ColourVGG19, draw_weights


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (13, "2 pixels apart"),
        (21, "A pooling sees two"),
        (3, "the layer before"),
        (100, "go back, layer by layer"),
        ("24 px", "one number"),
    ],
)
def test_what_a_filter_does_not_see(answer: object, said: str) -> None:
    verdict = pictures.what_a_filter_sees(answer)
    assert verdict.right is False
    assert said in verdict.why
    assert "24" not in verdict.why


def test_what_a_filter_sees_is_what_changes_the_feature_map() -> None:
    network = ColourVGG19(draw_weights(0))
    picture = torch.zeros(3, 64, 64, requires_grad=True)
    network(picture, ["conv3_1"])["conv3_1"][:, 8, 8].sum().backward()
    touched = picture.grad.abs().sum((0, 1)).nonzero()
    width = int(touched.max() - touched.min() + 1)
    assert pictures.what_a_filter_sees(width).right


def test_same_look() -> None:
    draw = torch.Generator().manual_seed(0)
    painting = torch.rand(3, 40, 48, generator=draw)
    given = {"painting": painting, "network": ColourVGG19(draw_weights(0))}
    assert pictures.same_look(painting.roll(16, dims=2), **given).right
    for answer, said in (
        (painting, "Only 0%"),
        (1 - painting, "Keep all colours"),
        (torch.zeros(3, 40, 48), "Keep all colours"),
        (2 * painting, "between 0 and 1"),
        (painting[:, :20], "has the shape (3, 20, 48)"),
    ):
        verdict = pictures.same_look(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_another_speed() -> None:
    assert pictures.another_speed("moves up").right
    assert "in an STFT" in pictures.another_speed("is stretched").why
    assert "louder" in pictures.another_speed("gets brighter").why
    assert "choose one of" in pictures.another_speed("sharper").why
