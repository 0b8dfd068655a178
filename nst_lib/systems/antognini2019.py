"""J. Antognini, M. Hoffman and R. J. Weiss, "Audio texture synthesis with random neural networks".

The subtitle is "improving diversity and quality" (ICASSP 2019). Six random networks of one layer
each see the frames of a log-magnitude STFT, side by side. Their filters span from 2 to 128 frames.
For each feature map F, with filters c and times t, the loss has three terms,

    Gram              G_cd = mean over t of F_ct F_dt
    autocorrelation   A_cl = mean over t of F_ct F_c,t+l, for lags l from 0.2 to 2 s: rhythm
    diversity         D = max over shifts of the correlation of F with the style's F_s, shifted

    beta * sum over networks of ( ||G - G_s||^2 / ||G_s||^2 + a ||A - A_s||^2 / ||A_s||^2 + d D )

where a and d are the settings `autocorrelation` and `diversity`. The first two terms are 0 at the
style itself, and small for a copy of it that is shifted in time. D is largest for such a copy.

According to the authors' page and to summaries of the paper, these parts are exact: the STFT, the
networks, the first two terms, their lags, and the weights that the page shows. The form of the
diversity term is ours. The published term is a penalty on the best match in time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from nst_lib.base.validation import setting
from nst_lib.config import ConfigError, GriffinLim, StyleWeight, Transforms
from nst_lib.core.losses import StyleTerm, several, side_by_side
from nst_lib.core.objective import Losses
from nst_lib.core.parallel import ParallelCNN, n_weights
from nst_lib.core.transforms import Transform
from nst_lib.system import Preset, System

#: Widths of the filters in frames. Six widths up to 128 were published; 256 is on the authors'
#: page.
WIDTHS = (2, 4, 8, 16, 64, 128, 256)
#: Shortest and longest lag in seconds.
LAGS = (0.2, 2.0)


def autocorrelation(F: Tensor, lags: range) -> Tensor:
    """Return the mean of F(t) F(t + lag) over all t at which both lie in the map.

    Parameters
    ----------
    F : Tensor, shape=(filters, time)
        Feature map.
    lags : range
        Lags in frames, each less than the number of frames of `F`.

    Returns
    -------
    Tensor, shape=(filters, len(lags))
    """
    A: Tensor = _Autocorrelation.apply(F, lags)  # type: ignore[no-untyped-call]
    return A


class _Autocorrelation(torch.autograd.Function):
    """Autocorrelation by FFT. Its gradient, a convolution to both sides, is by FFT too."""

    @staticmethod
    def forward(ctx: Any, F: Tensor, lags: range) -> Tensor:
        from scipy.fft import next_fast_len

        length = F.shape[-1]
        n = next_fast_len(length + lags.stop, real=True)
        spectrum = torch.fft.rfft(F, n=n)
        power = spectrum.real.square() + spectrum.imag.square()
        sums = torch.fft.irfft(power, n=n)[:, lags.start : lags.stop]
        pairs = length - torch.arange(lags.start, lags.stop).to(F)
        ctx.save_for_backward(spectrum, pairs)
        ctx.sizes = lags.start, length, n
        A: Tensor = sums / pairs
        return A

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        spectrum, pairs = ctx.saved_tensors
        shortest, length, n = ctx.sizes
        sides = 2 * torch.fft.rfft(pad(gradient / pairs, (shortest, 0)), n=n).real
        return torch.fft.irfft(sides * spectrum, n=n)[:, :length], None


def best_match(F: Tensor, F_s: Tensor) -> Tensor:
    """Return the largest correlation of two feature maps over circular shifts in time.

    The mean over time of each filter is subtracted first. If the maps differ in length, the shorter
    one is compared with a stretch of the same length of the longer one. The energy of this stretch
    is taken to be proportional to its length.

    Parameters
    ----------
    F, F_s : Tensor, shape=(filters, time)
        Feature maps.

    Returns
    -------
    Tensor
        A 0-dimensional tensor: 1 for a shifted copy, close to 0 for an unrelated map.
    """
    n = max(F.shape[-1], F_s.shape[-1])
    X, X_s = (one - one.mean(-1, keepdim=True) for one in (F, F_s))
    with torch.no_grad():
        cross = torch.fft.rfft(X, n=n) * torch.fft.rfft(X_s, n=n).conj()
        shift = int(torch.fft.irfft(cross.sum(0), n=n).argmax())
    matched = pad(X_s, (0, n - F_s.shape[-1])).roll(shift, -1)[:, : F.shape[-1]]
    overlap = min(F.shape[-1], F_s.shape[-1]) / n
    scale = torch.linalg.vector_norm(X) * torch.linalg.vector_norm(X_s) * overlap**0.5
    correlation: Tensor = (X * matched).sum() / scale.clamp_min(torch.finfo(F.dtype).tiny)
    return correlation


class AutocorrelationTerm(nn.Module):
    """Relative distance between the autocorrelations of a feature map and the style.

    The longest lag is at most half the length of the shorter map.

    Parameters
    ----------
    styles : sequence of Tensor, shape=(filters, time)
        Feature maps of the styles. The target is the mean of their autocorrelations.
    shortest, longest : int > 0
        Shortest and longest lag in frames.

    Raises
    ------
    ConfigError
        If even the shortest lag is more than half the length of a map.
    """

    target: Tensor

    def __init__(self, styles: Sequence[Tensor], *, shortest: int, longest: int) -> None:
        super().__init__()
        self.lags = range(shortest, longest + 1)
        lags = self._within(min(F.shape[-1] for F in styles))
        target = torch.stack([autocorrelation(F, lags) for F in styles]).mean(0)
        self.register_buffer("target", target)
        self.lags = lags

    def _within(self, length: int) -> range:
        lags = range(self.lags.start, min(self.lags.stop, length // 2 + 1))
        if not lags:
            raise ConfigError(
                f"the feature map of {length} frames is too short for autocorrelation at a lag of "
                f"{lags.start} frames: use a longer sound, a smaller widest, or autocorrelation=0"
            )
        return lags

    def forward(self, F: Tensor) -> Tensor:
        """Return the term of a feature map ``(filters, time)``."""
        lags = self._within(F.shape[-1])
        target = self.target[:, : len(lags)]
        energy = target.square().sum().clamp_min(torch.finfo(F.dtype).tiny)
        return (autocorrelation(F, lags) - target).square().sum() / energy


class TextureLoss(nn.Module):
    """The loss with its three terms; see the module.

    Parameters
    ----------
    network : nn.Module
        The network whose feature maps are compared, such as
        :class:`nst_lib.core.parallel.ParallelCNN`.
    styles : sequence of Tensor, shape=(freq, time)
        Spectrograms of the styles. With several styles, the means of their G and A are the targets,
        and D is the largest over the styles.
    beta, autocorrelation, diversity : float >= 0
        Weights of the loss and of its terms; see the module.
    frame_rate : float > 0
        Number of frames per second.
    """

    def __init__(
        self,
        network: nn.Module,
        styles: Sequence[Tensor],
        *,
        beta: float = 1.0,
        autocorrelation: float = 0.0,
        diversity: float = 0.0,
        frame_rate: float = 250.0,
    ) -> None:
        super().__init__()
        self.network, self.beta = network, beta
        self.autocorrelation, self.diversity = autocorrelation, diversity
        self.grams, self.rhythms = nn.ModuleDict(), nn.ModuleDict()
        shortest, longest = (max(1, round(lag * frame_rate)) for lag in LAGS)
        with torch.no_grad():
            self.maps: list[dict[str, Tensor]] = [network(S) for S in styles]
            for name in self.maps[0]:
                F = [maps[name] for maps in self.maps]
                self.grams[name] = StyleTerm(side_by_side(F), normalisation="relative")
                if autocorrelation:
                    self.rhythms[name] = AutocorrelationTerm(F, shortest=shortest, longest=longest)

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        maps, zero = self.network(S), S.new_zeros(())
        terms = {"gram": sum((self.grams[name](F) for name, F in maps.items()), zero)}
        if self.autocorrelation:
            distance = sum((self.rhythms[name](F) for name, F in maps.items()), zero)
            terms["autocorrelation"] = self.autocorrelation * distance
        if self.diversity:
            matches = [
                torch.stack([best_match(F, styles[name]) for styles in self.maps]).amax()
                for name, F in maps.items()
            ]
            terms["diversity"] = self.diversity * sum(matches, zero)
        return Losses.of({k: self.beta * term for k, term in terms.items()}, {}, zero=zero)


class Antognini2019(StyleWeight, GriffinLim, Transforms, System):
    """A texture synthesis that keeps the style's rhythm and avoids copies of the style."""

    trial_width = {"filters": 64}  # noqa: RUF012

    filters: int = setting(512, "number of filters of each network", ge=1, le=65536)
    widest: int = setting(
        128,
        "widest filters (frames): the widths are 2, 4, 8, 16, 64, 128, 256, up to this one",
        ge=2,
        le=256,
    )
    autocorrelation: float = setting(
        1.0, "weight of the rhythm term; the authors show 0, 1, 1e3, 1e5", ge=0, le=1e15
    )
    diversity: float = setting(
        1e-5, "weight of the penalty on copies; the authors show 1e-5, 1e-3", ge=0, le=1e15
    )

    @property
    def sizes(self) -> list[tuple[int]]:
        """Size of the filters of each network."""
        return [(width,) for width in WIDTHS if width <= self.widest]

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights of all networks."""
        return n_weights(self.sizes, shape=(n_freq,), filters=self.filters)

    def network(self, *, n_freq: int, n_frames: int) -> ParallelCNN:
        """Return the networks for spectrograms of `n_freq` bins."""
        return ParallelCNN(self.sizes, shape=(n_freq,), filters=self.filters, seed=self.seed)

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> TextureLoss:
        """Return the loss with its three terms."""
        styles = several(style)
        n_freq, n_frames = styles[0].shape[-2:]
        return TextureLoss(
            self.network(n_freq=n_freq, n_frames=n_frames).to(styles[0]),
            styles,
            beta=self.beta,
            autocorrelation=self.autocorrelation,
            diversity=self.diversity,
            frame_rate=self.rate / transform.hop_length,
        )


PRESETS = (
    Preset(
        config=Antognini2019(
            preset="antognini2019",
            sr=16000,
            n_fft=512,
            hop_length=64,
            beta=1.0,
            start="noise",
            line_search="strong_wolfe",
            history=10,
            steps=2000,
        ),
        source=(
            "J. Antognini, M. Hoffman, R. J. Weiss, Audio texture synthesis with random neural "
            "networks: improving diversity and quality, ICASSP 2019"
        ),
        about=(
            "A texture from noise, through six random networks side by side. The loss compares "
            "their Gram matrices and the rhythm of their feature maps, and it penalises copies of "
            "the style. A content only sets the length and, with start=content, the start."
        ),
        exact=(
            "From the authors' page: separate networks of one layer, 512 filters, the three terms, "
            "and the weights that are shown for two of them. From summaries, because the paper "
            "itself was not available: 16 kHz, STFT of 512 samples every 64, log-magnitude, six "
            "widths from 2 to 128, relative distances, lags from 0.2 to 2 s, L-BFGS with 2000 "
            "steps, Griffin-Lim."
        ),
        ours=(
            "The widths in between, 4, 8, 16 and 64; no padding, no bias, weights drawn as Glorot "
            "and Bengio do; noise with the style's mean and spread; lags up to half the length of "
            "a feature map. A match is the largest correlation of centred maps over shifts. Of the "
            "weights that are shown: rhythm 1, because the rhythm then matches within 300 steps "
            "and the Gram matrices still follow, which they do not with 1000; diversity 1e-5."
        ),
    ),
)
