"""Scores of a transfer, computed from the waveforms alone; :mod:`nst_lib.metrics` lists them."""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from nst_lib.metrics.hearing import background, hear, onset_strength
from nst_lib.metrics.texture import FAMILIES, correlation, statistics
from nst_lib.sound.audio import Audio


@dataclass(frozen=True)
class Scores:
    """Scores of one result; see :mod:`nst_lib.metrics`.

    Attributes
    ----------
    timbre, texture, rhythm : float <= 1
        Timbre and texture are NaN if content and style are the same sound. Rhythm is 0 if there are
        no onsets.
    families : dict of str to float
        Texture score of each family.
    noise : float
        Noise in dB, averaged over bands.
    """

    timbre: float
    texture: float
    rhythm: float
    noise: float
    families: dict[str, float]

    def __str__(self) -> str:
        return (
            f"timbre {self.timbre:.2f}, texture {self.texture:.2f}, rhythm {self.rhythm:.2f}, "
            f"noise {self.noise:+.1f} dB"
        )

    def to_dict(self) -> dict[str, float]:
        """Return all scores in one dict: "timbre", ..., "texture mean", "texture variation", ..."""
        scores = asdict(self)
        families = scores.pop("families")
        return scores | {f"texture {name}": value for name, value in families.items()}


def scores(result: Audio, *, content: Audio, style: Audio, sr: int) -> Scores:
    """Return the scores of a result, given the two recordings that it was made from.

    Parameters
    ----------
    result, content, style : np.ndarray, shape=(samples,)
        Sounds with at least `nst_lib.metrics.MIN_SAMPLES` samples, not silent. If result and
        content differ in length, rhythm compares them over the shorter length.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Scores

    Raises
    ------
    AudioError
        If a sound cannot be used.
    """
    heard = {
        name: hear(y, name=name, sr=sr)
        for name, y in (("result", result), ("content", content), ("style", style))
    }
    x, c, s = heard["result"], heard["content"], heard["style"]
    found = [statistics(E) for E in (x, c, s)]
    reached = {name: _towards(*(one[name] for one in found)) for name in found[0]}
    families = {name: reached[name] for name in FAMILIES}
    louder = torch.maximum(background(c), background(s))
    return Scores(
        timbre=reached["timbre"],
        texture=float(np.mean(list(families.values()))),
        rhythm=float(correlation(onset_strength(x), onset_strength(c))),
        noise=float((background(x) - louder).mean()),
        families=families,
    )


def _towards(result: Tensor, content: Tensor, style: Tensor) -> float:
    """Return 1 at the style, 0 if as far from it as the content; NaN if both are the same."""
    apart = float((content - style).norm())
    same = apart <= 1e-6 * float(style.norm())
    return math.nan if same else 1 - float((result - style).norm()) / apart
