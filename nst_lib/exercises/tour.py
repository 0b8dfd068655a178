"""Checks of the answers to the exercises of lesson 0, the tour."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nst_lib.core.losses import gram_matrix
from nst_lib.core.network import RandomCNN
from nst_lib.exercises.verdict import Verdict, choice, exercise, number, right, wrong
from nst_lib.result import TransferResult
from nst_lib.system import System

#: What a transfer without evaluations gives, for the starts that are not made of the style.
STARTS = {"content": "the content", "noise": "noise"}


@exercise
def the_other_way_round(
    answer: object, *, content: NDArray[np.float32], style: NDArray[np.float32]
) -> Verdict:
    """Check exercise 1: a transfer with the roles exchanged.

    Parameters
    ----------
    answer : TransferResult
        What `transfer` returned.
    content, style : np.ndarray of shape=(samples,)
        The recordings of the lesson, in their roles there.
    """
    if not isinstance(answer, TransferResult):
        return wrong("The answer is the whole result, as `transfer(...)` returns it.")
    given = answer.content
    if given is None:
        return wrong("This is a texture without a content. Which recording gives the rhythm now?")
    if np.array_equal(given, answer.style):
        return wrong("Content and style of your transfer are the same recording.")
    if np.array_equal(given, content):
        return wrong(
            "In your transfer, the content is still the content of the lesson. The first argument "
            "of `transfer` gives the rhythm."
        )
    if not np.array_equal(given, style):
        return wrong(
            "The content of your transfer is neither of the two recordings, as the lesson reads "
            "them. Have you given `transfer` the settings of the lesson, too?"
        )
    return right(
        "Each result has the rhythm of one recording and the timbre of the other. So these are two "
        "different sounds, and the scores of each are measured against its own roles."
    )


@exercise
def a_longer_look(answer: object, *, content: Tensor, shuffled: Tensor, seed: int) -> Verdict:
    """Check exercise 2: how far shuffled frames move G if a filter sees 11 frames.

    Parameters
    ----------
    answer : float
        The distance, in percent of the norm of the content's Gram matrix.
    content, shuffled : Tensor of shape=(n_freq, n_frames)
        The spectrogram of the content, and the same with its frames shuffled.
    seed : int
        Seed of the weights.
    """
    found = number(answer, "a distance in percent")
    expected = _change(content, shuffled, kernel=11, seed=seed)
    if math.isclose(found, expected / 100, rel_tol=0.02):
        return wrong("The answer seems to be a share of 1. The question asks for percent.")
    if abs(found) < 0.01:
        return wrong(
            "G does not change for filters that see one frame. Give the network `kernel=11`."
        )
    if math.isclose(found, expected, rel_tol=0.02):
        return right(
            "A filter over eleven frames answers to *neighbouring* frames: how a sound begins, how "
            "rough it is. Shuffled frames have new neighbours, and shuffled pieces keep most of "
            "theirs. The memory of G is as long as a filter, and a rhythm is longer: this is the "
            "difference between texture and rhythm."
        )
    return wrong(
        "Compare the network of the lesson with yours: only `kernel` should differ, and `seed` "
        "should be the same. Divide the norm of the difference by the norm of the content's G."
    )


@exercise
def before_the_first(answer: object, *, config: System) -> Verdict:
    """Check exercise 3: what a transfer with 0 evaluations sounds like.

    Parameters
    ----------
    answer : str
        One of the choices.
    config : System
        The settings of the lesson.
    """
    named = choice(answer, ("noise", "the content", "the style", "pieces of the style"))
    start = str(config.start)
    if named == STARTS.get(start, "pieces of the style"):
        return right(
            f"Without evaluations you hear the start of the optimisation, here: `{start}`. The "
            "optimisation changes this start only as far as the loss demands."
        )
    return wrong(
        "Listen to the order of the events, and to what they are made of. Compare with the content "
        "and the style. Where does the optimisation start in this preset? See `config.start`."
    )


def _change(content: Tensor, shuffled: Tensor, *, kernel: int, seed: int) -> float:
    """Return how far shuffling moves the Gram matrix, in percent."""
    network = RandomCNN(
        n_freq=len(content), stacks=1, channels=64, kernel=kernel, pooling="none", seed=seed
    )
    before, after = (gram_matrix(network(S, ["relu1"])["relu1"]) for S in (content, shuffled))
    return float(100 * (after - before).norm() / before.norm())
