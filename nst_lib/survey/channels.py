"""Make the sounds of the check of the left and the right channel.

The question is whether a sound is on the left, on the right, or on both sides. The check finds
headphones that are worn the wrong way round, and devices that play one channel or a mono mix. There
is one question for each place; all answers must be right. This check is ours.
"""

import numpy as np

from nst_lib.survey.headphones import Array, noise

CHECKS = 3
#: Places of a sound, and the gains of its channels.
LEFT, BOTH, RIGHT = range(3)
_GAINS = {LEFT: (1.0, 0.0), BOTH: (1.0, 1.0), RIGHT: (0.0, 1.0)}
#: Duration of a sound in seconds.
SECONDS = 1.5


def places(seed: int) -> list[int]:
    """Return the place of the sound of each question, in an order from the seed."""
    return [int(k) for k in np.random.default_rng([seed, CHECKS, 1]).permutation(CHECKS)]


def passed(answers: list[int], *, seed: int) -> bool:
    """Whether all answers are right."""
    return answers == places(seed)


def burst(place: int, *, level: float, seed: int) -> Array:
    """Return the sound of a question: pink noise on one side or on both.

    Parameters
    ----------
    place : {0, 1, 2}
        Left, both or right.
    level : float
        RMS level of a channel in dBFS.
    seed : int
        Seed of the noise.

    Returns
    -------
    np.ndarray, shape=(samples, 2), float32
        The sound, sampled at :data:`nst_lib.survey.headphones.SR` Hz.
    """
    y = noise(level=level, seed=seed, seconds=SECONDS)
    return np.outer(y, _GAINS[place]).astype(np.float32)
