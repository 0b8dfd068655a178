"""Checks of the answers to the exercises of lesson 3, the picture first."""

import torch
from torch import Tensor

from nst_lib.core.losses import gram_matrix
from nst_lib.exercises.verdict import Verdict, array, choice, exercise, number, right, wrong
from nst_lib.systems.gatys2016 import ColourVGG19

#: The layers from the picture to conv3_1: the size of their windows, and the step between them.
_LAYERS = ((3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2), (3, 1))
#: Exercise 2: least share of other pixels, least difference of such a pixel, largest change of G.
OTHER_PIXELS, CLEARLY, ALMOST = 0.5, 0.05, 0.05


def _seen(layers: tuple[tuple[int, int], ...]) -> int:
    """Return the width of what one value after some layers depends on, in pixels."""
    seen, step = 1, 1
    for size, stride in layers:
        seen += (size - 1) * step
        step *= stride
    return seen


@exercise
def what_a_filter_sees(answer: object) -> Verdict:
    """Check exercise 1: the width of what one value of conv3_1 depends on, in pixels."""
    found = number(answer, "a number of pixels")
    if found == _seen(_LAYERS):
        return right(
            "Convolutions after a pooling see twice as far in pixels. So deeper layers describe "
            "larger structures: strokes instead of grain."
        )
    if found == _seen(tuple((size, 1) for size, _ in _LAYERS)):
        return wrong("After a pooling of 2, neighbouring values are 2 pixels apart, then 4.")
    if found == _seen(tuple((s, n) if s == 3 else (1, n) for s, n in _LAYERS)):
        return wrong("A pooling sees two neighbouring values, so it also makes the part wider.")
    if found == 3:
        return wrong("This is what a filter sees of the layer before. How much of the picture?")
    return wrong(
        "Begin with one value of conv3_1 and go back, layer by layer: how many values of the layer "
        "before does it depend on? A convolution adds 2 values, a pooling doubles them."
    )


@exercise
def same_look(answer: object, *, painting: Tensor, network: ColourVGG19) -> Verdict:
    """Check exercise 2: other pixels, and almost the same Gram matrix.

    Parameters
    ----------
    answer : Tensor, shape=(3, height, width)
        The picture, with values from 0 to 1.
    painting : Tensor, shape=(3, height, width)
        The painting of the lesson.
    network : ColourVGG19
        The network of the lesson.
    """
    picture = torch.from_numpy(array(answer, "a picture", tuple(painting.shape))).to(painting)
    if picture.min() < 0 or picture.max() > 1:
        return wrong("The values of a picture lie between 0 and 1.")
    other = ((picture - painting).abs().amax(0) > CLEARLY).float().mean().item()
    if other < OTHER_PIXELS:
        return wrong(
            f"Only {other:.0%} of the pixels are clearly different, and {OTHER_PIXELS:.0%} is the "
            "least that counts."
        )
    G, H = (gram_matrix(network(x, ["conv1_1"])["conv1_1"].flatten(1)) for x in (painting, picture))
    changed = ((H - G).norm() / G.norm()).item()
    if changed < ALMOST:
        return right(
            f"{other:.0%} of the pixels are different, and the Gram matrix changes by "
            f"{changed:.2%}. A mean over all places does not know *where* something is."
        )
    return wrong(
        f"The Gram matrix changes by {changed:.0%}. Keep all colours and their close neighbours as "
        "they are. What else can change, if the Gram matrix is a mean over all places?"
    )


@exercise
def another_speed(answer: object) -> Verdict:
    """Check exercise 3: what happens to a CQT if all frequencies have the same factor."""
    choices = ("moves up", "is stretched", "gets brighter")
    named = choice(answer, choices)
    if named == choices[0]:
        return right(
            "An equal factor is an equal number of bins. So a network for pictures hardly notices "
            "the pitch of a CQT. (In time, the recording also becomes shorter.) In an STFT the "
            "picture is stretched instead."
        )
    if named == choices[1]:
        return wrong("This is what happens in an STFT, whose bins are equally wide in Hz.")
    return wrong("Playing a recording faster does not make it louder.")
