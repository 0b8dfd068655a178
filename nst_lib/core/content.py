"""Content terms that act: distances of a spectrogram to the content's in what makes its rhythm.

Each is 1 - Pearson's correlation: 0 at the content, 1 for what is uncorrelated (recordings share
some of their mean spectrum: 0.5 to 1.1 for the term "spectrogram"), 2 at most. Both are nearly
blind to level (0.01 for 6 dB). They are our choice; `benchmarks/front.md` compares them with
distances of features, the study's kind of term.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice
from nst_lib.core.bands import BAND_RANGE, N_BANDS, erb_rate, half_cosines, smooth
from nst_lib.core.transforms import Transform

#: What counts as silence in a band (dB below the content's loudest), and the standard deviation in
#: seconds that onsets are smoothed with.
SILENCE = -80.0
SMOOTHING = 0.05


class CorrelationTerm(nn.Module):
    """1 - correlation of what `describe` makes of a spectrogram with the content's.

    Parameters
    ----------
    describe : callable
        Spectrogram ``(freq, time)`` -> Tensor, shape=(points,).
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
        """Return the distance of a spectrogram as large as the content's."""
        distance: Tensor = 1 - (_standardise(self.describe(S)) * self.target).sum()
        return distance


class OnsetStrength(nn.Module):
    """Rises of level from frame to frame, mean over ERB bands, smoothed; differentiable.

    Parameters
    ----------
    transform : Transform
        What the spectrograms are of.
    content : Tensor, shape=(freq, time)
        The content's log-magnitude spectrogram; its loudest band says what silence is.
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
        loudest = self._power(content).amax()
        self.register_buffer("silence", loudest * 10 ** (SILENCE / 10) + 1e-30)

    def _power(self, S: Tensor) -> Tensor:
        return self.weights @ torch.expm1(S).square()

    def forward(self, S: Tensor) -> Tensor:
        """Return the onset strength ``(time - 1,)`` of a log-magnitude spectrogram."""
        rises = (self._power(S) + self.silence).log().diff(dim=-1).clamp_min(0).mean(0)
        return smooth(rises, self.std)


#: Names of the terms.
CORRELATIONS = ("onset", "spectrogram")


def correlation_term(name: str, content: Tensor, transform: Transform) -> CorrelationTerm:
    """Return a term of `CORRELATIONS` towards a content's spectrogram ``(freq, time)``.

    "onset" compares :class:`OnsetStrength`; "spectrogram" all log-magnitudes. Another name is a
    ValueError.
    """
    validate_choice(content_terms=(name, CORRELATIONS))
    describe: nn.Module = OnsetStrength(transform, content) if name == "onset" else nn.Flatten(0)
    return CorrelationTerm(describe, content)


def _standardise(x: Tensor) -> Tensor:
    centred = x - x.mean()
    return centred / centred.square().sum().clamp_min(1e-24).sqrt()
