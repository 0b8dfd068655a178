"""Three parts of one's own in a preset: a transform, a network and a content term."""

import numpy as np
import torch
from torch import nn

from nst_lib import TransferConfig
from nst_lib.core.filterbank import FilterBank
from nst_lib.core.transforms import Transform
from nst_lib.system import Preset


class ERBBands(Transform):
    """A transform with bands as wide as those of the ear (B. R. Glasberg, B. C. J. Moore, 1990)."""

    freq_scale = "log"

    def __init__(self, *, sr, n_bands=160, hop_length=128):
        low, high = 21.4 * np.log10(1 + 0.00437 * np.array([60, 0.45 * sr]))
        freqs = (10 ** (np.linspace(low, high, n_bands) / 21.4) - 1) / 0.00437
        widths = 24.7 * (1 + 0.00437 * freqs)
        super().__init__(sr=sr, hop_length=hop_length, freqs=freqs, pad_mode="constant")
        self.bank = FilterBank(
            sr=sr,
            prototype="hann",
            freqs=tuple(freqs),
            bandwidths=tuple(widths),
            gains=tuple(30 * np.sqrt(sr / widths)),
            hop=hop_length,
            pad_mode="constant",
        )
        self.min_samples = self.bank.shortest

    def analyse(self, y):
        """Return the complex coefficients, shape (..., freq, time)."""
        return self.bank.analyse(y)

    def adjoint(self, coefficients, *, length):
        """Return the adjoint of the analysis: its gradient."""
        return self.bank.adjoint(coefficients, length=length)

    def dual(self, coefficients, *, length):
        """Return a sound with about these coefficients."""
        return self.bank.dual(coefficients, length=length)

    def synthesise(self, coefficients, *, length):
        """Return the sound with the nearest coefficients."""
        return self.bank.synthesise(coefficients, length=length)


class Modulations(nn.Module):
    """A network without weights: bands, and their changes over 3, 9 and 27 frames."""

    layer_names = ("bands", "changes")

    def forward(self, S, layers=None):
        """Return the feature maps, shape (channels, frames)."""
        bands = nn.functional.avg_pool1d(S.mT, 4).mT
        changes = [(bands - bands.roll(lag, dims=-1)).abs() for lag in (3, 9, 27)]
        return {"bands": bands, "changes": torch.cat(changes)}


class Loudness(nn.Module):
    """A content term: how far the loudness over time is from the content's, from 0."""

    def __init__(self, content, transform):
        super().__init__()
        self.loudness = content.mean(0)

    def forward(self, S):
        """Return the distance of a spectrogram from the content, as a share."""
        return (S.mean(0) - self.loudness).square().mean() / self.loudness.square().mean()


PRESET = Preset(
    config=TransferConfig.from_preset(
        "shaped", preset="own_parts", sr=22050, duration=5.0, mono=True, content_weight=0.3
    ).using(transform=ERBBands(sr=22050), network=Modulations(), content_term=Loudness),
    source="an example, docs/example_system",
    about="A transform, a network and a content term of one's own, with the settings of shaped.",
    ours="Everything.",
)
