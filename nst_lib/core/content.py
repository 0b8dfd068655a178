"""Content terms that compare the rhythm of a spectrogram with that of the content.

Each term is 1 - Pearson's correlation: 0 at the content, 1 for an uncorrelated sound, 2 at most.
Recordings share some of their mean spectrum, so two unrelated ones get 0.5 to 1.1 from the term
"spectrogram". Both terms hardly depend on level (6 dB change them by 0.01). They are our choice.
`benchmarks/front.md` compares them with the study's kind of term, distances of features.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice
from nst_lib.core.bands import BAND_RANGE, N_BANDS, erb_rate, half_cosines, smooth
from nst_lib.core.transforms import Transform

#: Level below which a band counts as silent, in dB relative to the content's loudest band.
SILENCE = -80.0
#: Standard deviation of the smoothing of onsets, in seconds.
SMOOTHING = 0.05


class CorrelationTerm(nn.Module):
    """1 - correlation between the description of a spectrogram and that of the content.

    Parameters
    ----------
    describe : callable
        Function of a spectrogram ``(freq, time)`` that returns its description ``(points,)``.
    content : Tensor, shape=(freq, time)
        The content's log-magnitude spectrogram.
    """

    target: Tensor

    def __init__(self, describe: Callable[[Tensor], Tensor], content: Tensor) -> None:
        super().__init__()
        self.describe = describe
        with torch.no_grad():
            self.register_buffer("target", _standardise(describe(content)))

    def forward(self, S: Tensor) -> Tensor:
        """Return the term for a spectrogram of the same shape as the content's."""
        distance: Tensor = 1 - (_standardise(self.describe(S)) * self.target).sum()
        return distance


class OnsetStrength(nn.Module):
    """Rises of level from frame to frame, averaged over ERB bands and smoothed; differentiable.

    Parameters
    ----------
    transform : Transform
        The transform that makes the spectrograms.
    content : Tensor, shape=(freq, time)
        The content's log-magnitude spectrogram. The level of silence is relative to its loudest
        band.
    """

    weights: Tensor
    silence: Tensor

    def __init__(self, transform: Transform, content: Tensor) -> None:
        super().__init__()
        scale = erb_rate(transform.freqs)
        low, high = erb_rate(np.array(BAND_RANGE))
        weights = half_cosines(scale, low, high, n=N_BANDS) ** 2
        weights = weights[weights.sum(1) > 0]
        weights /= weights.sum(1, keepdims=True)
        self.std = SMOOTHING * transform.sr / transform.hop_length
        self.register_buffer("weights", torch.from_numpy(weights).to(content))
        self.register_buffer("silence", torch.empty(()))
        self.set_loudest(self.power(content).amax())

    def set_loudest(self, power: Tensor) -> None:
        """Set the power of the content's loudest band, to which the level of silence is relative.

        It is that of the content that was given, unless this is only a part of it.
        """
        self.silence = power * 10 ** (SILENCE / 10) + 1e-30

    def power(self, S: Tensor) -> Tensor:
        """Return the power ``(bands, time)`` of a log-magnitude spectrogram."""
        return self.weights @ torch.expm1(S).square()

    def rises(self, S: Tensor) -> Tensor:
        """Return the rises ``(time - 1,)``, before the smoothing."""
        return (self.power(S) + self.silence).log().diff(dim=-1).clamp_min(0).mean(0)

    def smooth(self, rises: Tensor) -> Tensor:
        """Return the onset strength from the rises."""
        return smooth(rises, self.std)

    def forward(self, S: Tensor) -> Tensor:
        """Return the onset strength ``(time - 1,)`` of a log-magnitude spectrogram."""
        return self.smooth(self.rises(S))


#: Names of the terms.
CORRELATIONS = ("onset", "spectrogram")


def correlation_term(name: str, content: Tensor, transform: Transform) -> CorrelationTerm:
    """Return the content term with this name for the content's spectrogram ``(freq, time)``.

    "onset" compares :class:`OnsetStrength`, and "spectrogram" compares all log-magnitudes.

    Raises
    ------
    ValueError
        If the name is not in `CORRELATIONS`.
    """
    validate_choice(content_terms=(name, CORRELATIONS))
    describe: nn.Module = OnsetStrength(transform, content) if name == "onset" else nn.Flatten(0)
    return CorrelationTerm(describe, content)


def _standardise(x: Tensor) -> Tensor:
    centred = x - x.mean()
    return centred / centred.square().sum().clamp_min(1e-24).sqrt()
