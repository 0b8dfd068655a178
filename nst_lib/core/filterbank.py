"""Banks of band-pass filters, given by frequency responses: analysis, its adjoint, its inverse.

Waveform ``(..., samples)`` <-> complex coefficients ``(..., bands, frames)``. A coefficient is the
inner product of the sound with a band's filter, shifted to the frame. It is computed in the
frequency domain: the spectrum of the whole sound is multiplied by the response of the band and
folded to the number of frames. The filters are dilations of one prototype, so the CQT (Hann) and
the CWT (Gauss) share this code.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nst_lib.core.shapes import validate_shape

#: What is assumed beyond the ends of a sound: silence, or its mirror image.
PAD_MODES = ("constant", "reflect")
#: Outside of all bands, the energy of the responses is taken to be at least this share of that at
#: the nearest band. This keeps frequencies that the bank does not see out of the inversion.
FLOOR = 0.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prototype:
    """A frequency response with its peak of 1 at 0.

    Attributes
    ----------
    response : callable
        Function of the distance from the centre, in bandwidths, that returns the response.
    reach : float > 0
        Distance in bandwidths beyond which the response is set to 0.
    duration : float > 0
        Length of the filter in time, in inverse bandwidths.
    """

    response: Callable[[Array], Array]
    reach: float
    duration: float


def _hann(u: Array) -> Array:
    return np.sinc(u) + (np.sinc(u - 1) + np.sinc(u + 1)) / 2


def _gauss(u: Array) -> Array:
    return np.exp(-(u**2) / 2)


#: "hann": the Fourier transform of a window of 1 / bandwidth seconds, cut off at -80 dB. "gauss":
#: the bandwidth is the standard deviation; cut off at -108 dB in frequency and in time.
PROTOTYPES = {
    "hann": Prototype(_hann, reach=15.0, duration=1.0),
    "gauss": Prototype(_gauss, reach=5.0, duration=10 / (2 * math.pi)),
}


@dataclass(frozen=True)
class FilterBank:
    """Filters and the distance between their frames.

    Attributes
    ----------
    sr : int > 0
        Sampling rate in Hz.
    prototype : str
        Name of a prototype in `PROTOTYPES`.
    freqs, bandwidths, gains : tuple of float, length=bands
        Centre frequencies in Hz, ascending; bandwidths in Hz, the unit of the prototype's argument;
        responses at the centres.
    hop : int > 0
        Number of samples between frames.
    pad_mode : {"constant", "reflect"}
        What is assumed beyond the ends of a sound: silence, or its mirror image.
    """

    sr: int
    prototype: str
    freqs: tuple[float, ...]
    bandwidths: tuple[float, ...]
    gains: tuple[float, ...]
    hop: int
    pad_mode: str = "constant"

    @property
    def longest(self) -> int:
        """Length of the longest filter in samples."""
        return math.ceil(PROTOTYPES[self.prototype].duration * self.sr / min(self.bandwidths))

    @property
    def shortest(self) -> int:
        """Length of the shortest filter in samples."""
        return math.ceil(PROTOTYPES[self.prototype].duration * self.sr / max(self.bandwidths))

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a sound of `n_samples` samples."""
        return 1 + n_samples // self.hop

    def analyse(self, y: Tensor) -> Tensor:
        """Return the coefficients of a waveform; differentiable.

        Parameters
        ----------
        y : Tensor, shape=(..., samples)

        Returns
        -------
        Tensor, shape=(..., bands, frames), complex
        """
        coefficients: Tensor = _Analyse.apply(y, self)  # type: ignore[no-untyped-call]
        return coefficients

    def adjoint(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the adjoint of :meth:`analyse`, for the inner product Re <a, b>.

        Parameters
        ----------
        coefficients : Tensor, shape=(..., bands, frames), complex
        length : int > 0
            Number of samples.

        Returns
        -------
        Tensor, shape=(..., length)

        Raises
        ------
        ValueError
            If the shape of the coefficients is not that for a sound of this length.
        """
        return self._plan_of(coefficients, length).adjoint(coefficients)

    def dual(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return a first approximation of :meth:`synthesise`.

        It is the adjoint, divided at each frequency by the energy of all responses. Away from the
        ends it is exact for filters whose responses are no wider than the frame rate (painless
        frames).
        """
        plan = self._plan_of(coefficients, length)
        return plan.whiten(plan.adjoint(coefficients))

    def synthesise(
        self, coefficients: Tensor, *, length: int, n_iter: int = 40, tolerance: float = 1e-5
    ) -> Tensor:
        """Return the waveform whose coefficients are nearest to these in the least-squares sense.

        Uses conjugate gradients on the normal equations, preconditioned as in :meth:`dual`: K.
        Groechenig, "Acceleration of the frame algorithm", IEEE Trans. Signal Process. 41, 1993.

        Parameters
        ----------
        coefficients : Tensor, shape=(..., bands, frames), complex
            They may be modified, so that no sound has exactly these coefficients.
        length : int > 0
            Number of samples.
        n_iter : int > 0
            Largest number of iterations.
        tolerance : float >= 0
            The iteration ends when the residual of every sound has fallen to this share of its
            start, in amplitude. Values below 64 units of rounding count as 64 units: further
            iterations would only add what no band sees.

        Returns
        -------
        Tensor, shape=(..., length)
            Frequencies outside of all bands are hardly in the coefficients, and so are weakened.
        """
        tolerance = max(tolerance, 64 * torch.finfo(coefficients.dtype).eps)
        plan = self._plan_of(coefficients, length)
        residual = plan.adjoint(coefficients)
        y = torch.zeros_like(residual)
        step = white = plan.whiten(residual)
        energy = start = _dot(residual, white)
        for _ in range(n_iter):
            image = plan.adjoint(plan.analyse(step))
            size = energy / _dot(step, image).clamp_min(_tiny(y))
            y = y + size * step
            residual = residual - size * image
            white = plan.whiten(residual)
            previous, energy = energy, _dot(residual, white)
            if bool((energy <= tolerance**2 * start).all()):
                break
            step = white + energy / previous.clamp_min(_tiny(y)) * step
        return y

    def energy(self, freqs: npt.ArrayLike) -> Array:
        """Return the energy of all responses: the gain of analysis and adjoint at each frequency.

        Parameters
        ----------
        freqs : array_like of float
            Frequencies in Hz.

        Returns
        -------
        np.ndarray, same shape
            For filters whose responses are no wider than the frame rate, a sound that is analysed
            and passed to :meth:`adjoint` is multiplied by this energy at each frequency.
        """
        prototype = PROTOTYPES[self.prototype]
        at = np.asarray(freqs, dtype=np.float64)
        total = np.zeros(at.shape)
        for centre, width, gain in zip(self.freqs, self.bandwidths, self.gains, strict=True):
            u = (at - centre) / width
            total += np.where(np.abs(u) <= prototype.reach, gain * prototype.response(u), 0) ** 2
        return total / (2 * self.hop)

    def _plan_of(self, coefficients: Tensor, length: int) -> "_Plan":
        validate_shape(coefficients, (len(self.freqs), self.n_frames(length)), length=length)
        return _plan(self, length, coefficients.real.dtype, coefficients.device)


class _Analyse(torch.autograd.Function):
    """Analysis with its adjoint as the gradient."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, bank: FilterBank) -> Tensor:
        ctx.bank, ctx.length = bank, y.shape[-1]
        return _plan(bank, y.shape[-1], y.dtype, y.device).analyse(y)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.bank.adjoint(gradient, length=ctx.length), None


@dataclass(frozen=True)
class _Block:
    """The responses of consecutive bands over one stretch of the spectrum, one row per band."""

    stretch: int
    bands: slice
    responses: Tensor


class _Plan:
    """The tables of a filter bank for one length, data type and device.

    The spectrum is cut into stretches as long as the padded number of frames. To fold the spectrum
    of a band, the stretches that its response touches are added.
    """

    def __init__(
        self, bank: FilterBank, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        from scipy.fft import next_fast_len

        self.length, self.hop, self.n_bands = length, bank.hop, len(bank.freqs)
        self.n_frames = bank.n_frames(length)
        self.reflect = bank.pad_mode == "reflect"
        # Long enough that no filter wraps around from one end of the sound to the other.
        self.size = bank.hop * next_fast_len(-(-(length + bank.longest) // bank.hop))
        if self.reflect:
            n = np.arange(self.size)
            n = np.where(n < (self.size + length) // 2, n, n - self.size)
            period = max(2 * (length - 1), 1)
            folded = n % period
            self.samples = torch.from_numpy(np.minimum(folded, period - folded)).to(device)
        self.blocks = _blocks(bank, self.size, dtype, device)
        self.energy = _energy(bank, self.blocks, self.size).to(device, dtype)

    def analyse(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.fft(self._extend(y.reshape(-1, self.length)), norm="forward")
        planes = torch.view_as_real(spectrum).movedim(-1, 1)
        stretches = planes.reshape(len(spectrum), 2, self.hop, -1)
        folded = planes.new_zeros(len(spectrum), 2, self.n_bands, stretches.shape[-1])
        for block in self.blocks:
            stretch = stretches[:, :, block.stretch, None]
            folded[:, :, block.bands].addcmul_(stretch, block.responses)
        coefficients = torch.fft.ifft(torch.complex(folded[:, 0], folded[:, 1]), norm="forward")
        kept: Tensor = coefficients[..., : self.n_frames]
        return kept.reshape(*y.shape[:-1], *kept.shape[-2:])

    def adjoint(self, coefficients: Tensor) -> Tensor:
        shape = coefficients.shape
        flat = coefficients.reshape(-1, *shape[-2:])
        padded = torch.nn.functional.pad(flat, (0, self.size // self.hop - self.n_frames))
        planes = torch.view_as_real(torch.fft.fft(padded)).movedim(-1, 1).contiguous()
        spectrum = torch.zeros(
            len(flat), self.size, dtype=coefficients.dtype, device=coefficients.device
        )
        stretches = torch.view_as_real(spectrum.view(len(spectrum), self.hop, -1))
        for block in self.blocks:
            summed = (planes[:, :, block.bands] * block.responses).sum(-2)
            stretches[:, block.stretch] += summed.movedim(1, -1)
        y = self._fold(torch.fft.ifft(spectrum).real)
        return y.reshape(*shape[:-2], self.length)

    def whiten(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(y, n=self.size) / self.energy
        whitened: Tensor = torch.fft.irfft(spectrum, n=self.size)
        return whitened[..., : self.length]

    def _extend(self, y: Tensor) -> Tensor:
        if self.reflect:
            return y[:, self.samples]
        return torch.nn.functional.pad(y, (0, self.size - self.length))

    def _fold(self, extended: Tensor) -> Tensor:
        if self.reflect:
            y = extended.new_zeros(len(extended), self.length)
            return y.index_add_(1, self.samples, extended)
        return extended[:, : self.length]


@lru_cache(maxsize=8)
def _plan(bank: FilterBank, length: int, dtype: torch.dtype, device: torch.device) -> _Plan:
    return _Plan(bank, length, dtype, device)


def _blocks(bank: FilterBank, size: int, dtype: torch.dtype, device: torch.device) -> list[_Block]:
    """Return the responses of a bank over each stretch of the spectrum that they touch."""
    prototype = PROTOTYPES[bank.prototype]
    freqs, bandwidths, gains = map(np.array, (bank.freqs, bank.bandwidths, bank.gains))
    points = size // bank.hop
    resolution = bank.sr / size
    low = np.ceil((freqs - prototype.reach * bandwidths) / resolution) // points
    high = np.floor((freqs + prototype.reach * bandwidths) / resolution) // points
    blocks = []
    for stretch in range(int(low.min()), int(high.max()) + 1):
        touched = np.flatnonzero((low <= stretch) & (stretch <= high))
        if not len(touched):
            continue
        bands = slice(touched[0], touched[-1] + 1)
        at = np.arange(stretch * points, (stretch + 1) * points) * resolution
        u = (at - freqs[bands, None]) / bandwidths[bands, None]
        responses = np.where(np.abs(u) <= prototype.reach, prototype.response(u), 0)
        weights = torch.from_numpy(gains[bands, None] * responses)
        blocks.append(_Block(stretch % bank.hop, bands, weights.to(device, dtype)))
    return blocks


def _energy(bank: FilterBank, blocks: list[_Block], size: int) -> Tensor:
    """Return the gain of analysis followed by adjoint at each frequency, ``(1 + size // 2,)``."""
    energy = torch.zeros(size, dtype=torch.float64)
    stretches = energy.view(bank.hop, -1)
    for block in blocks:
        power = block.responses.double().square().sum(0).cpu()
        stretches[block.stretch] += power / bank.hop
    both = (energy + energy.roll(-1).flip(0))[
        : size // 2 + 1
    ] / 2  # mean of +f and -f, for real sounds
    first, last = (round(f * size / bank.sr) for f in (bank.freqs[0], bank.freqs[-1]))
    both[:first] = both[:first].clamp_min(FLOOR * float(both[first]))
    both[last + 1 :] = both[last + 1 :].clamp_min(FLOOR * float(both[last]))
    return both.clamp_min(1e-6 * float(both.max()))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _tiny(y: Tensor) -> float:
    return torch.finfo(y.dtype).tiny
