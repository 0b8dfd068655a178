"""Scores of a transfer, computed from the waveforms alone; :mod:`nst_lib.metrics` lists them."""

import math
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nst_lib.metrics.ear import SAME_CATEGORY, installed
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
    ear, ear_content : float from -1 to 1, or None
        Similarity to the style and to the content in the trained ear; see
        :mod:`nst_lib.metrics.ear`. None if it is not installed.
    """

    timbre: float
    texture: float
    rhythm: float
    noise: float
    families: dict[str, float]
    ear: float | None = None
    ear_content: float | None = None

    def __str__(self) -> str:
        text = (
            f"timbre {self.timbre:.2f}, texture {self.texture:.2f}, rhythm {self.rhythm:.2f}, "
            f"noise {self.noise:+.1f} dB"
        )
        if self.ear is None:
            return text
        return f"{text}, ear {self.ear:.2f} (the content: {self.ear_content:.2f})"

    def to_dict(self) -> dict[str, float]:
        """Return all scores in one dict: "timbre", ..., "ear", "ear content", "texture mean", ...

        Without the trained ear, its two scores are left out.
        """
        scores = asdict(self)
        families = scores.pop("families")
        heard = {"ear": scores.pop("ear"), "ear content": scores.pop("ear_content")}
        scores |= {name: value for name, value in heard.items() if value is not None}
        return scores | {f"texture {name}": value for name, value in families.items()}

    def recognised(self) -> str:
        """Return in words what the trained ear hears in the result; "" without the ear.

        A recording counts as heard if the similarity is at least the one that two clips of one
        category have on average (:data:`nst_lib.metrics.ear.SAME_CATEGORY`).
        """
        if self.ear is None or self.ear_content is None:
            return ""
        nearer = "the style" if self.ear >= self.ear_content else "the content"
        heard = sum(one >= SAME_CATEGORY for one in (self.ear, self.ear_content))
        words = ("neither recording clearly", nearer, f"both recordings, {nearer} more")
        return f"the trained ear hears {words[heard]}"


def scores(result: Audio, *, content: Audio, style: Audio, sr: int) -> Scores:
    """Return the scores of a result, given the two recordings that it was made from.

    Parameters
    ----------
    result, content, style : np.ndarray, shape=(samples,) or (channels, samples)
        Sounds with at least `nst_lib.metrics.MIN_SAMPLES` samples, not silent. If result and
        content differ in length, rhythm compares them over the shorter length. The power of
        channels is averaged.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Scores

    Raises
    ------
    AudioError
        If a sound cannot be used.
    EarError
        If the trained ear is installed and its file is damaged.
    """
    x, c, s = (
        _Heard.of(hear(y, name=name, sr=sr))
        for name, y in (("result", result), ("content", content), ("style", style))
    )
    found = [one.statistics for one in (x, c, s)]
    reached = {name: _towards(*(one[name] for one in found)) for name in found[0]}
    families = {name: reached[name] for name in FAMILIES}
    trained = installed()
    louder = torch.maximum(c.background, s.background)
    return Scores(
        timbre=reached["timbre"],
        texture=float(np.mean(list(families.values()))),
        rhythm=float(correlation(x.onsets, c.onsets)),
        noise=float((x.background - louder).mean()),
        families=families,
        ear=None if trained is None else trained.cosine(result, style, sr=sr),
        ear_content=None if trained is None else trained.cosine(result, content, sr=sr),
    )


@dataclass(frozen=True)
class _Heard:
    """What the scores need of one sound; its envelopes are not kept."""

    statistics: dict[str, Tensor]
    onsets: Tensor
    background: Tensor

    @classmethod
    def of(cls, E: Tensor) -> Self:
        return cls(statistics(E), onset_strength(E), background(E))


def _towards(result: Tensor, content: Tensor, style: Tensor) -> float:
    """Return 1 at the style, 0 if as far from it as the content; NaN if both are the same."""
    apart = float((content - style).norm())
    same = apart <= 1e-6 * float(style.norm())
    return math.nan if same else 1 - float((result - style).norm()) / apart
