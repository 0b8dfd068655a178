"""Checks of the answers to the exercises of lesson 5, random features."""

import math
from collections.abc import Mapping

from torch import Tensor

from nst_lib.core.losses import StyleTerm
from nst_lib.core.network import RandomCNN
from nst_lib.exercises.verdict import Verdict, exercise, number, right, wrong

#: Number of frames that a filter of the study's network sees of the layer before.
KERNEL = 11
#: Size of the pooling, in frames.
POOL = 2


@exercise
def pytorchs_weights(
    answer: object, *, content: Tensor, style: Tensor, channels: int, seed: int
) -> Verdict:
    """Check exercise 1: the share of relu2 with PyTorch's weights, in percent.

    Parameters
    ----------
    answer : float
        The style term of relu2 over that of relu1 at the content, in percent.
    content, style : Tensor, shape=(n_freq, n_frames)
        Spectrograms.
    channels, seed : int
        Number of channels, and seed of the weights.
    """
    found = number(answer, "a share in percent")

    def share(init: str) -> float:
        network = RandomCNN(
            n_freq=len(content),
            stacks=2,
            channels=channels,
            pooling="average",
            init=init,
            seed=seed,
        )
        names = ("relu1", "relu2")
        here, there = network(content, names), network(style, names)
        first, second = (float(StyleTerm(there[name])(here[name])) for name in names)
        return 100 * second / first

    expected, studied = share("pytorch"), share("milacic2020")
    if math.isclose(found, expected, rel_tol=0.05):
        return right(
            f"With the study's weights it is {studied:.2g} %. So layers after a pooling could "
            "count, and pooling could have some effect. The content term would still have none, "
            "because of β = 10⁸."
        )
    if math.isclose(found, expected / 100, rel_tol=0.05):
        return wrong("The answer seems to be a share of 1. The question asks for percent.")
    if math.isclose(found, studied, rel_tol=0.05):
        return wrong("This is the share with the study's weights. Set `init`.")
    if math.isclose(found, 1e4 / expected, rel_tol=0.05):
        return wrong("This is relu1 over relu2.")
    return wrong(
        "Use the same channels, seed and average pooling as above, `StyleTerm` of each layer at "
        "the style, and the feature maps of the content."
    )


@exercise
def how_far_it_sees(answer: object) -> Verdict:
    """Check exercise 2: the number of frames that one value of relu2 depends on."""
    found = number(answer, "a number of frames")
    pooled = POOL * KERNEL
    if found == pooled + KERNEL - 1:
        return right(
            "That is 0.2 s at the study's hop. So relu2 knows more of the course of a sound than "
            "relu1, but its share of the published loss is tiny."
        )
    if found == KERNEL:
        return wrong(
            "This is what a filter sees of the layer before it. Go back to the spectrogram."
        )
    if found == pooled:
        return wrong("These frames of relu1 depend on more frames of the spectrogram than that.")
    if found in (2 * KERNEL - 1, 2 * KERNEL + 1):
        return wrong("After the pooling, neighbouring frames are two frames apart.")
    if found == KERNEL * KERNEL:
        return wrong("What neighbouring filters see overlaps.")
    return wrong(
        "Go back from one value of relu2: how many frames of pool1, of relu1, of the spectrogram?"
    )


@exercise
def content_with_an_effect(answer: object, *, terms: Mapping[str, float]) -> Verdict:
    """Check exercise 3: the factor for α.

    Parameters
    ----------
    answer : float
        The factor.
    terms : mapping of str to float
        The weighted terms of the lesson, with average pooling and the factors of the code.
    """
    found = number(answer, "a factor")
    content = terms["content relu3 (at the style)"]
    style = terms["style relu1"] + terms["style relu2"]
    if math.isclose(found, style / content, rel_tol=0.1):
        return right(
            "This holds at the beginning. At the end the style term is smaller by many orders of "
            "magnitude, and this α would keep the result at the content."
        )
    if math.isclose(found, content / style, rel_tol=0.1):
        return wrong("This is the content term over the style loss. α has to *grow*.")
    if math.isclose(found, terms["style relu3"] / content, rel_tol=0.1):
        return wrong("The study does not use relu3 for the style. Add up the layers that it uses.")
    return wrong("Divide the style loss at the start by the content term at the style.")
