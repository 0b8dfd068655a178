"""H. Caracalla and A. Roebel, "Sound texture synthesis using RI spectrograms", ICASSP 2020.

The sound itself is optimised. Real and imaginary part of its complex STFT z make two planes,

    x = 2 sigmoid(10 z / max|z|) - 1,

which eight random networks of one layer each see, side by side. Their filters span frequency and
time, and F holds their feature maps. As in the authors' "Sound texture synthesis using
convolutional neural networks", DAFx 2019, products of filters i and j are averaged over time n
only, so that there is one Gram matrix for each frequency m:

    H_ijm = mean over n of F_imn F_jmn,        loss = beta * sum_k ||H_k - H_k,s||^2 / ||H_k,s||^2

over the layers k. The authors' paper of 2017 derives the gradient with respect to the sound by
Wirtinger calculus. Today autograd computes it.

According to public reimplementations, these parts are exact: the STFT, the compression, the sizes
and number of the filters, their draw, the loss, L-BFGS with a line search, and the level at the
end. The preset lists our own choices.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from nst_lib.base.validation import setting, validate_memory
from nst_lib.config import SoundItself, StyleWeight
from nst_lib.core.losses import several
from nst_lib.core.objective import Losses
from nst_lib.core.parallel import ParallelCNN, n_weights
from nst_lib.core.transforms import Transform
from nst_lib.system import Growth, Preset, System

#: Height (frequency bins) and width (frames) of the filters.
SIZES = ((101, 2), (53, 3), (11, 5), (3, 3), (5, 5), (11, 11), (19, 19), (27, 27))
BOUND = 0.05
COMPRESSION = 10.0


class RISpectrogram(nn.Module):
    """Real and imaginary part of a transform, divided by its largest magnitude and compressed."""

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, y: Tensor) -> Tensor:
        """Return values in (-1, 1), shape ``(2, freq, time)``, for a waveform ``(samples,)``."""
        z = self.transform.analyse(y)
        z = z / z.abs().amax().clamp_min(torch.finfo(y.dtype).tiny)
        return 2 * torch.sigmoid(COMPRESSION * torch.stack([z.real, z.imag])) - 1


def time_gram(F: Tensor) -> Tensor:
    """Return H, shape ``(freq, filters, filters)``, of feature maps ``(filters, freq, time)``."""
    rows = F.transpose(0, 1)
    return rows @ rows.mT / F.shape[-1]


class TimeGramLoss(nn.Module):
    """Sum over layers of the relative distance between H and that of the style; see the module.

    Parameters
    ----------
    network : nn.Module
        The network whose feature maps are compared, such as
        :class:`nst_lib.core.parallel.ParallelCNN`.
    styles : sequence of Tensor, shape=(2, freq, time)
        Views of the styles. With several styles, the mean of their H is the target.
    beta : float >= 0
        Weight of the loss.
    """

    def __init__(self, network: nn.Module, styles: Sequence[Tensor], *, beta: float) -> None:
        super().__init__()
        self.network = network
        self.weights: dict[str, float] = {}
        with torch.no_grad():
            H = [{k: time_gram(F) for k, F in network(style).items()} for style in styles]
        for name in H[0]:
            target = torch.stack([one[name] for one in H]).mean(0)
            self.register_buffer(name, target)
            self.weights[name] = beta / (float(target.square().sum()) or 1.0)

    def forward(self, x: Tensor) -> Losses:
        """Return the losses of a view ``(2, freq, time)``."""
        terms = {}
        for name, weight in self.weights.items():
            F = self.network(x, [name])[name].transpose(0, 1)
            distance: Tensor = _TimeGramDistance.apply(F, self.get_buffer(name))  # type: ignore[no-untyped-call]
            terms[name] = weight * distance
        return Losses.of(terms, {}, zero=x.new_zeros(()))


class _TimeGramDistance(torch.autograd.Function):
    """||H - target||^2 of ``(freq, filters, time)``; the gradient is one product."""

    @staticmethod
    def forward(ctx: Any, F: Tensor, target: Tensor) -> Tensor:
        difference = torch.baddbmm(target, F, F.mT, beta=-1, alpha=1 / F.shape[-1])
        ctx.save_for_backward(F, difference)
        distance: Tensor = torch.linalg.vector_norm(difference).square()
        return distance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        F, difference = ctx.saved_tensors
        return (4 / F.shape[-1] * gradient * difference) @ F, None


def n_kept(filters: int, *, n_freq: int, n_frames: int) -> int:
    """Return the bytes that an evaluation keeps: feature maps, H and its targets."""
    return sum(
        4 * filters * (n_freq - height + 1) * (n_frames - width + 1 + 2 * filters)
        for height, width in SIZES
    )


class Caracalla2020(StyleWeight, SoundItself, System):
    """A texture synthesis of the sound itself, by real and imaginary part of its STFT."""

    trial_width = {"filters": 16}  # noqa: RUF012

    transform: str = setting(
        "stft", "transform whose real and imaginary part the networks see", choices=("stft",)
    )
    filters: int = setting(128, "number of filters of each of the eight networks", ge=1, le=65536)

    def view(self, transform: Transform) -> RISpectrogram:
        """Return the module that computes compressed real and imaginary parts."""
        return RISpectrogram(transform)

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights of the eight networks."""
        return n_weights(SIZES, shape=(2, n_freq), filters=self.filters)

    def network(self, *, n_freq: int, n_frames: int) -> ParallelCNN:
        """Return the eight networks for views of `n_freq` bins."""
        return ParallelCNN(
            SIZES, shape=(2, n_freq), filters=self.filters, bound=BOUND, seed=self.seed
        )

    def growth(self, small: Self, *, n_freq: int, n_frames: int, longer: float) -> Growth:
        """Return how much more a transfer takes than the trial.

        Memory for products grows with the square of the number of filters.
        """
        growth = super().growth(small, n_freq=n_freq, n_frames=n_frames, longer=longer)
        kept = n_kept(self.filters, n_freq=n_freq, n_frames=round(longer * n_frames))
        in_trial = n_kept(small.filters, n_freq=n_freq, n_frames=n_frames)
        return replace(growth, memory=kept / in_trial)

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> TimeGramLoss:
        """Return the loss, after a check that feature maps and products fit in memory."""
        styles = several(style)
        seconds = self.texture_duration or 0.0
        lengths = [x.shape[-1] for x in (*styles, *([] if content is None else [content]))]
        n_frames = max(*lengths, transform.n_frames(round(seconds * self.rate)))
        n_freq = styles[0].shape[-2]
        validate_memory(
            n_kept(self.filters, n_freq=n_freq, n_frames=n_frames),
            of=f"filters={self.filters}, {n_frames} frames: feature maps and their products",
            accepted="fewer filters, or shorter sounds",
        )
        network = self.network(n_freq=n_freq, n_frames=n_frames).to(styles[0])
        return TimeGramLoss(network, styles, beta=self.beta)


PRESETS = (
    Preset(
        config=Caracalla2020(
            preset="caracalla2020",
            n_fft=512,
            hop_length=256,
            beta=1e9,
            start="noise",
            line_search="strong_wolfe",
            steps=5000,
            result_level="style",
        ),
        source=(
            "H. Caracalla, A. Roebel, Sound texture synthesis using RI spectrograms, ICASSP 2020, "
            "with the statistics of their paper at DAFx 2019"
        ),
        about=(
            "A texture from white noise. The sound itself is optimised. Eight random networks side "
            "by side see real and imaginary part of its STFT, and there is one Gram matrix for "
            "each frequency. A content only sets the length and, with start=content, the start."
        ),
        exact=(
            "According to public reimplementations: STFT of 512 samples every 256, compression "
            "2 sigmoid(10 x) - 1, eight layers of 128 filters from 101 x 2 to 27 x 27 without "
            "padding or bias, weights from U(+-0.05), relative loss times 1e9, L-BFGS with strong "
            "Wolfe line search, the style's level at the end."
        ),
        ours=(
            "22 050 Hz; a Hann window; the STFT of each sound is divided by its own largest "
            "magnitude; the noise has the style's spread, and its ends are not faded; 5000 "
            "evaluations instead of the published 250 times 20 iterations."
        ),
    ),
)
