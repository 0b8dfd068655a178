"""P. K. Mital, "Time domain neural audio style transfer", 2017 (arXiv:1711.11160).

The sound itself is optimised, through a DFT in the computation graph, so that no spectrogram has to
be inverted. The network sees real part, imaginary part and magnitude of each frame, stacked along
frequency.

These parts are exact, from the public code: the input; one convolution without padding over 15
frames, with the draw of Ulyanov and Lebedev, in which fan_in counts only one of the three planes;
and the losses. The content loss compares the stacked input and relu1, and the style loss compares
the Gram matrices of the linear magnitude and of relu1. All are sums of squares. Our choice is to
optimise the waveform. The code optimises overlapping frames as if they were independent of each
other, and pads them with zeros to twice their length. It has 2048 bins, and we have 1025.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from nst_lib.config import Filters, SoundItself, Transforms, Weighing
from nst_lib.core.losses import ContentTerm, StyleTerm, several, side_by_side
from nst_lib.core.network import variances
from nst_lib.core.objective import Losses, transfer_loss
from nst_lib.core.transforms import Transform
from nst_lib.features import random_network, random_weights
from nst_lib.system import Preset, System


class Stack(nn.Module):
    """Real part, imaginary part and magnitude of a transform, stacked along frequency."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, y: Tensor) -> Tensor:
        """Return the stack ``(..., 3 freq, time)`` for a waveform ``(..., samples)``."""
        c = self.transform.analyse(y)
        return torch.cat([c.real, c.imag, c.abs()], dim=-2)


class Mital2017Loss(nn.Module):
    """Losses of relu1 and of the input: content on its values, style on the Gram of its magnitude.

    Parameters
    ----------
    features : callable
        Function that returns the losses of relu1 for a stack multiplied by `gain`.
    gain : float > 0
        Factor that changes the weights drawn for three planes to the scale for one plane.
    style : sequence of Tensor, shape=(3 freq, time)
        Stacks of the styles.
    content : Tensor, shape=(3 freq, time), or None
        Stack of the content.
    config : Weighing
        Weights and normalisation of the losses.
    """

    def __init__(
        self,
        features: Callable[[Tensor], Losses],
        *,
        gain: float,
        style: Sequence[Tensor],
        content: Tensor | None,
        config: Weighing,
    ) -> None:
        super().__init__()
        self.features, self.gain = features, gain
        self.alpha, self.beta = config.alpha, config.beta
        magnitude = side_by_side([_magnitude(V) for V in style])
        self.magnitude = StyleTerm(magnitude, normalisation=config.normalisation)
        self.input = (
            None if content is None else ContentTerm(content, normalisation=config.normalisation)
        )

    def forward(self, V: Tensor) -> Losses:
        """Return the losses of a stack ``(3 freq, time)``."""
        losses = self.features(self.gain * V)
        magnitude = self.beta * self.magnitude(_magnitude(V))
        terms = {**losses.terms, "style magnitude": magnitude}
        content = losses.content
        if self.input is not None:
            terms["content input"] = self.alpha * self.input(V)
            content = content + terms["content input"]
        return replace(losses, style=losses.style + magnitude, content=content, terms=terms)


def _magnitude(V: Tensor) -> Tensor:
    return V[V.shape[-2] // 3 * 2 :]


class Mital2017(Weighing, Filters, SoundItself, Transforms, System):
    """A transfer of the sound itself, by one random layer over its complex spectrogram."""

    trial_width = {"channels": 256}  # noqa: RUF012

    def view(self, transform: Transform) -> Stack:
        """Return the module that stacks real part, imaginary part and magnitude."""
        return Stack(transform)

    def network(self, *, n_freq: int, n_frames: int) -> nn.Module:
        """Return the random layer for stacks of `n_freq` rows."""
        return random_network(self, n_freq=n_freq, n_frames=n_frames, seed=self.seed)

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights of the random layer."""
        return random_weights(self, n_freq=n_freq, n_frames=n_frames)

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Mital2017Loss:
        """Return the losses of relu1 and of the input."""
        styles = several(style)
        seen = styles[0] if content is None else content
        gain = _gain(self, n_freq=seen.shape[-2])
        network = self.network(n_freq=seen.shape[-2], n_frames=seen.shape[-1])
        features = transfer_loss(
            network.to(seen.device, seen.dtype),
            style=[gain * V for V in styles],
            content=None if content is None else gain * content,
            style_layers=("relu1",),
            content_layers=("relu1",),
            alpha=self.alpha,
            beta=self.beta,
            normalisation=self.normalisation,
            transform=transform,
        )
        return Mital2017Loss(features, gain=gain, style=styles, content=content, config=self)


def _gain(config: Mital2017, *, n_freq: int) -> float:
    """Return the factor between the weights drawn for a third of `n_freq` and those for all of it.

    It is the ratio of standard deviations. There are no biases with this draw, so that the input
    can be multiplied instead of the weights.
    """
    if config.init != "ulyanov2016":
        return 1.0
    one, all_three = (
        variances(config.init, fan=fan, channels=config.channels, taps=config.kernel)[0]
        for fan in (n_freq // 3, n_freq)
    )
    return math.sqrt(one / all_three)


PRESETS = (
    Preset(
        config=Mital2017(
            preset="mital2017",
            n_fft=2048,
            hop_length=256,
            kernel=15,
            padding="valid",
            init="ulyanov2016",
            normalisation="sum",
            alpha=0.05,
            beta=1.0,
            start="noise",
            start_std=1e-3,
            line_search="strong_wolfe",
            history=10,
            steps=300,
        ),
        source="P. K. Mital, Time domain neural audio style transfer, 2017; settings of its code",
        about=(
            "The sound itself is optimised. One random layer of 4096 filters over 15 frames sees "
            "real part, imaginary part and magnitude of its STFT. No inversion is needed."
        ),
        exact=(
            "Input, network, draw of the weights, losses, content weight 0.05 (the supplement has "
            "0.01), noise of 0.001 as the start."
        ),
        ours=(
            "A waveform is optimised. The code optimises independent frames and adds them up. "
            "Frames are not padded with zeros to twice their length, so there are 1025 bins, not "
            "2048. The Gram of relu1 is the mean over the frames that valid padding leaves, not "
            "over all. 300 evaluations; the code makes 300 iterations of SciPy's L-BFGS-B."
        ),
    ),
)
