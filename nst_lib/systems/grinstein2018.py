"""E. Grinstein, N. Q. K. Duong, A. Ozerov and P. Perez, "Audio style transfer", ICASSP 2018.

There is only a style loss, and the optimisation starts from the content. The content survives only
because it is the start, which the authors call the key factor. Two of their four variants are here:

- The wide, shallow, random network. They do not state its settings; we use those of Ulyanov and
  Lebedev.
- The texture statistics of J. H. McDermott and E. P. Simoncelli (Neuron 71, 2011), imposed on the
  sound itself. They are those of :mod:`nst_lib.metrics`; the loss is

      sum over families f of ||f(x) - f(s)||^2 / max(||f(s)||^2, ||f(c) - f(s)||^2) .

  A steady style has almost no variation or skew. Then the distance of the content sets the scale.

Their variant with VGG-19 is `gatys2016` without content layers and with the content as the start.
Their variant with SoundNet, whose results they found noisy, is not here: it needs weights trained
on sounds, which are not available.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nst_lib import metrics
from nst_lib.config import ConfigError, SoundItself, StyleWeight, Transforms
from nst_lib.core.losses import several
from nst_lib.core.objective import Losses
from nst_lib.core.transforms import Transform
from nst_lib.system import Preset, System
from nst_lib.systems import ulyanov2016


class StatisticsLoss(nn.Module):
    """Relative squared distance to the statistics and the timbre of the style; see the module.

    Parameters
    ----------
    style : sequence of Tensor, shape=(bands, frames)
        Envelopes of the styles. With several styles, the mean of their statistics is the target.
    content : Tensor, shape=(bands, frames), or None
        Envelopes of the content. Without it, distances are relative to the style's statistics only.
    beta : float >= 0
        Weight of the loss.
    """

    def __init__(self, style: Sequence[Tensor], *, content: Tensor | None, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.scales: dict[str, Tensor] = {}
        self.families = {"timbre": metrics.timbre, **metrics.STATISTICS}
        for name, statistic in self.families.items():
            target = torch.stack([statistic(E) for E in style]).mean(0)
            self.register_buffer(name, target, persistent=False)
            scale = target.square().sum()
            if content is not None:
                scale = torch.maximum(scale, (statistic(content) - target).square().sum())
            self.scales[name] = scale

    def forward(self, E: Tensor) -> Losses:
        """Return the losses of envelopes ``(bands, frames)``."""
        terms = {}
        for name, statistic in self.families.items():
            target = self.get_buffer(name)
            distance = (statistic(E) - target).square().sum() / self.scales[name]
            terms[name] = self.beta * distance
        return Losses.of(terms, {}, zero=E.new_zeros(()))


class TextureStatistics(StyleWeight, SoundItself, Transforms, System):
    """A transfer without a network that compares only statistics of the sound."""

    def view(self, transform: Transform) -> Callable[[Tensor], Tensor]:
        """Return the function that computes the envelopes ``(bands, frames)`` of a waveform."""

        def view(y: Tensor) -> Tensor:
            if y.shape[-1] < metrics.MIN_SAMPLES:
                raise ConfigError(
                    f"sound of {y.shape[-1]} samples; accepted: {metrics.MIN_SAMPLES} or more for "
                    "texture statistics"
                )
            return metrics.envelopes(y, sr=self.rate)

        return view

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> StatisticsLoss:
        """Return the distance to the style's statistics."""
        return StatisticsLoss(several(style), content=content, beta=self.beta)


_SOURCE = "E. Grinstein, N. Q. K. Duong, A. Ozerov, P. Perez, Audio style transfer, ICASSP 2018"

PRESETS = (
    Preset(
        config=ulyanov2016.CONFIG.replace(
            preset="grinstein2018",
            start="content",
            start_std=None,
            content_layers=(),
            normalisation="raw",
        ),
        source=f"{_SOURCE}: its wide, shallow, random network",
        about=(
            "One random layer of 4096 filters. There is only a style loss; the content survives "
            "only because it is the start."
        ),
        exact=(
            "No content loss, the content as the start, one layer of 4096 filters, unscaled Grams."
        ),
        ours=(
            "STFT, filter length, optimiser and numbers of iterations are not stated, so those of "
            "ulyanov2016 are used."
        ),
    ),
    Preset(
        config=TextureStatistics(
            preset="grinstein2018_texture",
            beta=1.0,
            line_search="strong_wolfe",
            history=20,
            steps=300,
            result_level="style",
        ),
        source=f"{_SOURCE}: its texture statistics, of McDermott and Simoncelli 2011",
        about=(
            "No network. The sound itself is optimised, from the content, until its envelopes in "
            "30 cochlear bands have the style's statistics: mean, variation, skew, correlations "
            "between bands, and modulation power. The style's level is restored at the end."
        ),
        exact=(
            "30 bands, envelopes compressed by 0.3 at 400 Hz, 20 modulation bands, correlations at "
            "McDermott and Simoncelli's offsets; only a style loss; the content as the start."
        ),
        ours=(
            "The distance of each family is divided by the size of the style's statistics, or by "
            "the distance of the content if that is larger. The modulation correlations C1 and C2 "
            "and the kurtosis are left out. L-BFGS, 300 evaluations. The loss is made of the same "
            "statistics as the texture score."
        ),
    ),
)
