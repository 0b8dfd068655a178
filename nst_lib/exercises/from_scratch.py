"""Checks of the answers to the exercises of lesson 4, from scratch."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from nst_lib.core.losses import gram_matrix
from nst_lib.core.network import n_weights
from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong

#: The study's number of stacks, of channels, and of frames that a filter sees.
STACKS, CHANNELS, KERNEL = 3, 4096, 11
#: Largest style loss of exercise 3, as a share of that of the content.
SHARE = 0.01


@exercise
def report_loss(answer: object) -> Verdict:
    """Check exercise 1: the style loss of a layer as in the report.

    Parameters
    ----------
    answer : callable
        A function of a feature map of shape=(C, U) and of the Gram matrix of the style.
    """
    if not callable(answer):
        return wrong("The answer is a function of `F` and `G_s`: write it with `def`.")
    draw = torch.Generator().manual_seed(0)
    F, F_s = (torch.rand(6, frames, generator=draw, dtype=torch.float64) for frames in (40, 50))
    G, G_s = gram_matrix(F), gram_matrix(F_s)
    try:
        found = answer(F, G_s)
    except Exception as problem:  # whatever the student's function raises
        return wrong(f"Your function ends with {type(problem).__name__}: {problem}")
    value = number(found, "the loss")
    squares = float((G - G_s).square().sum())
    faults = {
        squares / 36: "This is the loss of the code. `mse_loss` divides by all C² entries.",
        squares: "Your loss is a sum over all entries. By what does the report divide it?",
        math.sqrt(squares) / 6: "The distance is not squared.",
        float((F @ F.T - G_s).square().sum()) / 6: "Is your Gram matrix a mean over the frames?",
    }
    for fault, why in faults.items():
        if math.isclose(value, fault, rel_tol=1e-6):
            return wrong(why)
    if math.isclose(value, squares / 6, rel_tol=1e-6):
        return right(
            "It is C times the loss of the code. With 4096 channels, the report's β would have to "
            "be 4096 times smaller than 10⁸ for the same balance."
        )
    return wrong("For random feature maps with 6 channels, the value is not that of the equation.")


@exercise
def weights(answer: object, *, n_freq: int) -> Verdict:
    """Check exercise 2: how many weights the study's network has, in billions.

    Parameters
    ----------
    answer : float
        Billions of weights.
    n_freq : int
        Number of frequencies of the spectrogram.
    """
    found = number(answer, "billions of weights")
    expected, same = (
        n_weights(fan=fan, stacks=STACKS, channels=CHANNELS, kernel=KERNEL, dimensions=1) / 1e9
        for fan in (n_freq, CHANNELS)
    )
    if math.isclose(found, expected * 1e9, rel_tol=0.01):
        return wrong("The number is right, but the question asks for billions.")
    if math.isclose(found, expected / KERNEL, rel_tol=0.02):
        return wrong("How many frames does one filter see?")
    if math.isclose(found, same, rel_tol=0.02):
        return wrong("The first convolution has another number of input channels: the frequencies.")
    if math.isclose(found, expected, rel_tol=0.03):
        return right(
            f"In single precision they take {4 * expected:.1f} GB. They are drawn once and never "
            "trained. The limit of infinite width needs none of them."
        )
    return wrong(
        "A convolution has one weight for each output channel, each input channel and each frame "
        "that a filter sees. Add up the three convolutions."
    )


@exercise
def same_style(
    answer: object,
    *,
    style: Tensor,
    content: Tensor,
    features: Callable[[Tensor], Sequence[Tensor]],
) -> Verdict:
    """Check exercise 3: another spectrogram with the Gram matrices of the style.

    Parameters
    ----------
    answer : Tensor, shape=(n_freq, n_frames)
        The spectrogram.
    style, content : Tensor, shape=(n_freq, n_frames)
        The spectrograms of the recordings.
    features : callable
        The network of the lesson: a spectrogram gives the feature maps of its layers.
    """
    S = torch.from_numpy(array(answer, "a spectrogram", tuple(style.shape))).to(style)
    if float((S - style).norm() / style.norm()) < 0.1:
        return wrong("This is the spectrogram of the style itself, or almost.")
    if float(S.min()) < 0:
        return wrong("A spectrogram has no negative values.")
    targets = [gram_matrix(F) for F in features(style)[:2]]

    def style_loss(x: Tensor) -> float:
        maps = features(x)[:2]
        return float(sum(mse_loss(gram_matrix(F), G) for F, G in zip(maps, targets, strict=True)))

    share = style_loss(S) / style_loss(content)
    if share <= SHARE:
        return right(
            f"Its style loss is {share:.1g} times that of the content. A Gram matrix is a mean "
            "over time: it does not notice *when* something happens. So it describes the timbre, "
            "and something else has to ask for the rhythm."
        )
    return wrong(
        f"Its style loss is {share:.2g} times that of the content, and {SHARE:g} is the most that "
        "counts. Which change of the style leaves a mean over time as it is? The filters see "
        "eleven neighbouring frames, so most neighbours must remain neighbours."
    )
