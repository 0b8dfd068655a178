"""Checks of the answers to the exercises of lesson 16, parts of your own."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nst_lib.core.losses import gram_matrix
from nst_lib.core.transforms import Transform
from nst_lib.exercises.verdict import Verdict, exercise, number, right, wrong

#: Exercise 1: bins by which the spectrogram moves, and what "hardly" and "still" mean.
MOVED, HARDLY, STILL = 10, 0.02, 0.1
#: Exercise 2: what "almost 0" and "clearly above 0" mean.
ALMOST, CLEARLY = 0.02, 0.1

Picture = npt.NDArray[np.float32]


@exercise
def no_pitch(answer: Any, *, content: Picture, style: Picture) -> Verdict:
    """Check exercise 1: a network that does not hear pitch.

    Parameters
    ----------
    answer : nn.Module
        The network.
    content, style : np.ndarray, shape=(n_freq, n_frames)
        Spectrograms.
    """
    if not callable(answer):
        return wrong("The answer is a network, an instance of your class.")
    if isinstance(answer, type):
        return wrong("The answer is the class. Make an instance of it: `MyNetwork()`.")
    if not getattr(answer, "layer_names", None):
        return wrong("Your network does not name its feature maps; give it `layer_names`.")
    S_c, S_s = torch.from_numpy(content.copy()), torch.from_numpy(style)
    S_c[-MOVED:] = 0  # so that moving it loses nothing
    try:
        pitch, other = (_change(answer, S_c, S) for S in (S_c.roll(MOVED, dims=0), S_s))
    except Exception as problem:  # whatever the student's network raises
        return wrong(f"Your network ends with {type(problem).__name__}: {problem}")
    if not pitch <= HARDLY:
        return wrong(
            f"Its Gram matrices change by {pitch:.0%} if the spectrogram moves up, and at most "
            f"{HARDLY:.0%} counts as hardly. A map for each frequency knows the frequency. What "
            "could a map be that all frequencies share?"
        )
    if not other >= STILL:
        return wrong(
            f"It does not tell the content from the style: its Gram matrices differ by {other:.0%}."
        )
    return right(
        "Your style knows how loud and how lively a sound is, and not how high. A transfer with it "
        "would leave the pitch of its start as it is."
    )


@exercise
def no_loudness(answer: Any, *, content: Picture, transform: Transform, seed: int) -> Verdict:
    """Check exercise 2: a content term that does not hear loudness.

    Parameters
    ----------
    answer : callable
        The maker of the content term.
    content : np.ndarray, shape=(n_freq, n_frames)
        The spectrogram of the content.
    transform : Transform
        The transform that made it.
    seed : int
        Seed of the shuffling.
    """
    if not callable(answer):
        return wrong("The answer is a class or a function of `content` and `transform`.")
    S = torch.from_numpy(content)
    order = torch.randperm(S.shape[1], generator=torch.Generator().manual_seed(seed))
    cases = {"same": S, "half": (S.expm1() / 2).log1p(), "shuffled": S[:, order]}
    try:
        term = answer(S, transform)
        values = {name: number(term(x), "a distance") for name, x in cases.items()}
    except (TypeError, RuntimeError, IndexError, AttributeError) as problem:
        return wrong(f"Your content term ends with {type(problem).__name__}: {problem}")
    said = ", ".join(f"{value:.3f}" for value in values.values())
    said = f"(At the content, at half its amplitude, shuffled: {said}.)"
    if abs(values["same"]) > 1e-4:
        return wrong(f"It is not 0 at the content. {said}")
    if abs(values["half"]) > ALMOST:
        return wrong(
            f"It hears the amplitude. {said} What stays the same if all amplitudes are halved: "
            "levels, or their differences and correlations?"
        )
    if values["shuffled"] < CLEARLY:
        return wrong(f"It hardly notices that the frames are shuffled. {said} It needs the time.")
    return right(
        f"{said} Such a term asks for *when* something happens, and not for how loud it is."
    )


@exercise
def adjoint(answer: Any) -> Verdict:
    """Check exercise 3: both sides of the definition of an adjoint.

    Parameters
    ----------
    answer : (float, float)
        Left and right side.
    """
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return wrong("The answer is two numbers in brackets: (left side, right side).")
    left, other = (number(side, "a scalar product") for side in answer)
    if left == 0 and other == 0:
        return wrong("Both sides are 0. Use random sounds and coefficients.")
    if math.isclose(left, other, rel_tol=1e-3):
        return right(
            "This is the quickest test of a gradient. If it fails, an optimisation takes wrong "
            "steps and never says why."
        )
    if math.isclose(abs(left), abs(other), rel_tol=1e-3):
        return wrong("The sizes agree, but not the signs. Which of the two is conjugated?")
    return wrong(
        "The two sides differ. The product of two complex arrays is the sum of `a * b.conj()`, and "
        "its real part counts. Both sides need the same y and the same c."
    )


def _change(network: Any, before: Tensor, after: Tensor) -> float:
    """Return the largest change of a Gram matrix, as a share of its norm."""
    maps = network(before), network(after)
    changes = []
    for name in network.layer_names:
        G, H = (gram_matrix(one[name]) for one in maps)
        changes.append(float((H - G).norm() / G.norm()))
    return max(changes)
