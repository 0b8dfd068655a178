"""Transforms of a waveform into a log-magnitude spectrogram.

Layout: waveform ``(..., samples)`` -> spectrogram ``(..., freq, time)``. Scale: ``log1p`` (natural
logarithm of 1 + x) of the *amplitude*, as in the study. Frames are centred. Beyond the ends of a
sound, silence is assumed (``pad_mode="constant"``, as in librosa today) or the mirror image of the
sound ("reflect", as in the study).
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nst_lib.base.threads import threads
from nst_lib.base.validation import validate_choice, validate_positive
from nst_lib.core.filterbank import PAD_MODES, Array, FilterBank
from nst_lib.core.shapes import validate_shape

#: C1 in Hz, equal temperament with A4 = 440 Hz: the lowest bin of librosa's constant-Q transform.
C1 = 440.0 * 2 ** (-45 / 12)
#: Distance in bandwidths from the highest centre to the upper end of its filter. It must lie below
#: the Nyquist frequency. As in librosa, the distance is half the noise bandwidth of a Hann window.
MARGIN = 0.75
#: The smallest number of residual bands below the lowest bin. With fewer bands, the result of
#: Griffin-Lim is further from its target.
LOW_BANDS = 8


class Transform(nn.Module):
    """A transform of a waveform into a log-magnitude spectrogram, with its axes.

    Attributes
    ----------
    freqs : np.ndarray, shape=(n_freq,)
        Centre frequencies in Hz.
    freq_scale : {"linear", "log"}
        Scale on which `freqs` are equally spaced.
    min_samples : int > 0
        Smallest number of samples that can be transformed: one analysis window.
    """

    freq_label = "Frequency (Hz)"
    value_label = "log(1 + amplitude)"
    freq_scale: str
    min_samples: int

    def __init__(self, *, sr: int, hop_length: int, freqs: npt.NDArray[Any], pad_mode: str) -> None:
        super().__init__()
        validate_choice(pad_mode=(pad_mode, PAD_MODES))
        self.sr = sr
        self.hop_length = hop_length
        self.freqs = np.asarray(freqs, dtype=np.float64)
        self.pad_mode = pad_mode

    @property
    def n_freq(self) -> int:
        """Number of frequency bins."""
        return len(self.freqs)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a sound of `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def times(self, n_frames: int) -> npt.NDArray[np.float64]:
        """Return the centres of the first `n_frames` frames, in seconds."""
        return np.arange(n_frames) * self.hop_length / self.sr

    def forward(self, y: Tensor) -> Tensor:
        """Return the log-magnitude spectrogram of a waveform.

        Parameters
        ----------
        y : Tensor, shape=(..., samples)
            Waveform from -1 to 1, at least `min_samples` long.

        Returns
        -------
        Tensor, shape=(..., freq, time)
            log(1 + amplitude), 0 or more.

        Raises
        ------
        ValueError
            If the waveform is too short.
        """
        if y.shape[-1] < self.min_samples:
            raise ValueError(
                f"waveform of {y.shape[-1]} samples; accepted: {self.min_samples} samples or more, "
                "one analysis window"
            )

        S: Tensor = _LogAmplitude.apply(y, self)  # type: ignore[no-untyped-call]
        return S

    def amplitude(self, y: Tensor) -> Tensor:
        """Return the magnitude of the coefficients, shape ``(..., freq, time)``."""
        return self.analyse(y).abs()

    def analyse(self, y: Tensor) -> Tensor:
        """Return the complex coefficients, shape ``(..., freq, time)``; differentiable."""
        raise NotImplementedError

    def adjoint(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the adjoint of :meth:`analyse`, for Re <a, b>, shape ``(..., length)``."""
        raise NotImplementedError

    def dual(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return a first approximation of :meth:`synthesise`, as fast as :meth:`analyse`."""
        raise NotImplementedError

    def synthesise(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the waveform ``(..., length)`` whose coefficients are nearest (least squares)."""
        raise NotImplementedError


class _LogAmplitude(torch.autograd.Function):
    """log(1 + |coefficients|). The gradient is one adjoint (STFT: half the time of PyTorch's)."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, transform: Transform) -> Tensor:
        with threads(1):
            coefficients = transform.analyse(y)
            amplitude = coefficients.abs()
            ctx.save_for_backward(coefficients, amplitude)
            ctx.transform, ctx.length = transform, y.shape[-1]
            return amplitude.log1p()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        coefficients, amplitude = ctx.saved_tensors
        tiny = torch.finfo(gradient.dtype).tiny
        with threads(1):
            scale = gradient / ((amplitude + 1) * amplitude.clamp_min(tiny))
            return ctx.transform.adjoint(coefficients * scale, length=ctx.length), None


def window_length(seconds: float, *, sr: int) -> int:
    """Return the power of two nearest to a length in seconds, in samples; 16 or more."""
    return int(2 ** max(round(math.log2(seconds * sr)), 4))


class STFT(Transform):
    """Short-time Fourier transform with a periodic Hann window.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz. It only sets the labels of the frequency axis.
    n_fft : int > 1
        Window and FFT length in samples.
    hop_length : int > 0 or None
        Number of samples between frames; None is an eighth of the window.
    pad_mode : {"constant", "reflect"}
        What is assumed beyond the ends of a sound: silence, or its mirror image.
    """

    freq_scale = "linear"
    window: Tensor

    def __init__(
        self,
        *,
        sr: int = 22050,
        n_fft: int = 1024,
        hop_length: int | None = None,
        pad_mode: str = "constant",
    ) -> None:
        hop_length = max(n_fft // 8, 1) if hop_length is None else hop_length
        validate_positive(sr=sr, n_fft=n_fft - 1, hop_length=hop_length)
        super().__init__(
            sr=sr,
            hop_length=hop_length,
            freqs=np.fft.rfftfreq(n_fft, 1 / sr),
            pad_mode=pad_mode,
        )
        self.n_fft = n_fft
        self.min_samples = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a sound of `n_samples` samples.

        The padding has an even number of samples, so an odd window leaves room for one sample less.
        """
        return 1 + (n_samples - self.n_fft % 2) // self.hop_length

    def analyse(self, y: Tensor) -> Tensor:
        """Return the complex STFT, unnormalised, shape ``(..., 1 + n_fft // 2, time)``."""
        coefficients = torch.stft(
            y.reshape(-1, y.shape[-1]),
            self.n_fft,
            self.hop_length,
            window=self.window.to(y.dtype),
            center=True,
            pad_mode=self.pad_mode,
            return_complex=True,
        )
        return coefficients.reshape(*y.shape[:-1], *coefficients.shape[-2:])

    def adjoint(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the adjoint of :meth:`analyse`, for Re <a, b>, shape ``(..., length)``."""
        halved = coefficients.clone()
        halved[..., 1 : (self.n_fft + 1) // 2, :] *= 0.5  # irfft adds the conjugate half
        return self._add(halved, length=length, norm="forward")

    def dual(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the result of :meth:`synthesise`, which is as fast for the STFT."""
        return self.synthesise(coefficients, length=length)

    def synthesise(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the waveform ``(..., length)`` whose STFT is nearest.

        This is the least squares over the whole spectrum, including negative frequencies: D.
        Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", 1984,
        equation 6.
        """
        y = self._add(coefficients, length=length, norm="backward")
        energy = _window_energy(
            self.n_fft, self.hop_length, self.pad_mode, length, y.dtype, y.device
        )
        return y / energy

    def _add(self, coefficients: Tensor, *, length: int, norm: str) -> Tensor:
        """Window and overlap-add the frames, and fold what lies beyond the ends back."""
        validate_shape(coefficients, (self.n_freq, self.n_frames(length)), length=length)
        spectrum = coefficients.reshape(-1, *coefficients.shape[-2:]).mT
        frames = torch.fft.irfft(spectrum, n=self.n_fft, norm=norm)
        frames = frames * self.window.to(frames)
        y = _unpad(frames, self.n_fft, self.hop_length, self.pad_mode, length)
        return y.reshape(*coefficients.shape[:-2], length)


@lru_cache(maxsize=8)
def _window_energy(
    n_fft: int, hop: int, pad_mode: str, length: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the sum of the squared windows at each sample, shape ``(length,)``."""
    squared = torch.hann_window(n_fft, dtype=dtype, device=device).square()
    frames = squared.expand(1, 1 + (length - n_fft % 2) // hop, n_fft)
    energy = _unpad(frames, n_fft, hop, pad_mode, length)[0]
    return energy.clamp_min(torch.finfo(dtype).eps)


def _unpad(frames: Tensor, n_fft: int, hop: int, pad_mode: str, length: int) -> Tensor:
    """Add centred frames ``(batch, time, n_fft)`` to ``(batch, length)``: adjoint of framing."""
    half = n_fft // 2
    padded = _overlap_add(frames, hop, length=length + 2 * half)
    y = padded[:, half : half + length].clone()
    if pad_mode == "reflect":
        y[:, 1 : half + 1] += padded[:, :half].flip(-1)
        y[:, length - 1 - half : length - 1] += padded[:, half + length :].flip(-1)
    return y


def _overlap_add(frames: Tensor, hop: int, *, length: int) -> Tensor:
    """Add frames ``(batch, time, samples)``, `hop` samples apart, to ``(batch, length)``."""
    batch, n_frames, size = frames.shape
    parts = -(-size // hop)
    blocks = max(n_frames + parts, -(-length // hop))
    total = frames.new_zeros(batch, blocks, hop)
    for part in range(parts):
        piece = frames[..., part * hop : (part + 1) * hop]
        total[:, part : part + n_frames, : piece.shape[-1]] += piece
    return total.flatten(1)[:, :length]


class _Bands(Transform):
    """A transform by a filter bank whose bins are equally spaced in log-frequency.

    Attributes
    ----------
    bank : FilterBank
        The filter bank that computes the transform.
    bins : slice
        The bands that are bins. The others are residual bands.
    """

    freq_scale = "log"

    def __init__(
        self,
        prototype: str,
        *,
        quality: float,
        energy: float,
        per_octave: int,
        sr: int,
        hop_length: int,
        n_bins: int,
        fmin: float,
        residual: bool,
        scale: float,
        pad_mode: str,
    ) -> None:
        validate_positive(sr=sr, hop_length=hop_length, n_bins=n_bins, fmin=fmin, scale=scale)
        freqs, bandwidths = _log_bands(
            fmin, n_bins, per_octave, quality, sr=sr, hop=hop_length, residual=residual
        )
        super().__init__(sr=sr, hop_length=hop_length, freqs=freqs, pad_mode=pad_mode)
        self.bank = FilterBank(
            sr=sr,
            prototype=prototype,
            freqs=tuple(freqs.tolist()),
            bandwidths=tuple(bandwidths.tolist()),
            gains=tuple((scale * np.sqrt(energy * sr / bandwidths)).tolist()),
            hop=hop_length,
            pad_mode=pad_mode,
        )
        self.min_samples = self.bank.shortest
        first = int(np.searchsorted(self.freqs, fmin))
        self.bins = slice(first, first + n_bins)

    def analyse(self, y: Tensor) -> Tensor:
        """Return the complex coefficients, shape ``(..., freq, time)``; differentiable."""
        return self.bank.analyse(y)

    def adjoint(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the adjoint of :meth:`analyse`, for Re <a, b>, shape ``(..., length)``."""
        return self.bank.adjoint(coefficients, length=length)

    def dual(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return a first approximation of :meth:`synthesise`; see :class:`FilterBank`."""
        return self.bank.dual(coefficients, length=length)

    def synthesise(
        self, coefficients: Tensor, *, length: int, n_iter: int = 40, tolerance: float = 1e-5
    ) -> Tensor:
        """Return the waveform whose coefficients are nearest; see :class:`FilterBank`."""
        return self.bank.synthesise(coefficients, length=length, n_iter=n_iter, tolerance=tolerance)


class CQT(_Bands):
    """Constant-Q transform as librosa defines it, computed by a :class:`FilterBank`.

    Each band is a Hann window of Q sr / f samples (J. C. Brown, "Calculation of a constant Q
    spectral transform", 1991). librosa halves the sampling rate octave by octave, and its windows
    are up to half a sample off centre. Here all bands are computed at the full rate. The magnitudes
    differ by 0.5 % at most with 64 bins per octave, and by 2 % with 12, whose windows are shorter.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz.
    hop_length : int > 0
        Number of samples between frames. If it is more than two thirds of the window of the highest
        bin, which has Q sr / f samples with Q about 1.44 bins_per_octave, the sound between frames
        is lost.
    n_bins, bins_per_octave : int > 0
        Total number of bins, and number of bins in each octave.
    fmin : float > 0
        Frequency of the lowest bin in Hz; C1 (32.7 Hz) by default.
    residual : bool
        Whether to add bands above and below the bins, so that no frequencies are lost. Above,
        further bins go up to half the sampling rate. Below, bands of equal width go down to 0 Hz.
    scale : float > 0
        Factor of all coefficients. With librosa's factor, 1, most are so small that the logarithm
        hardly compresses them. With about 30 they are as large as those of an STFT.
    pad_mode : {"constant", "reflect"}
        What is assumed beyond the ends of a sound: silence, or its mirror image.

    Raises
    ------
    ValueError
        If the filter of the highest bin reaches the Nyquist frequency.
    """

    def __init__(
        self,
        *,
        sr: int = 22050,
        hop_length: int = 128,
        n_bins: int = 512,
        bins_per_octave: int = 64,
        fmin: float = C1,
        residual: bool = False,
        scale: float = 1.0,
        pad_mode: str = "constant",
    ) -> None:
        validate_positive(bins_per_octave=bins_per_octave)
        spacing = 2 ** (2 / bins_per_octave)
        super().__init__(
            "hann",
            quality=(spacing + 1) / (spacing - 1),
            energy=1.0,  # the window's sum, half its length N, times librosa's scale, 2 / sqrt(N)
            per_octave=bins_per_octave,
            sr=sr,
            hop_length=hop_length,
            n_bins=n_bins,
            fmin=fmin,
            residual=residual,
            scale=scale,
            pad_mode=pad_mode,
        )


class CWT(_Bands):
    """Continuous wavelet transform with complex Morlet wavelets of unit energy.

    C. Torrence and G. P. Compo, "A practical guide to wavelet analysis", 1998: equation 1, table 1
    and the normalisation of equation 6, sampled at the frames.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz.
    hop_length : int > 0
        Number of samples between frames.
    n_bins, voices : int > 0
        Total number of scales, and number of scales in each octave.
    fmin : float > 0
        Centre frequency of the largest scale in Hz; C1 (32.7 Hz) by default.
    w0 : float >= 5 or None
        Centre frequency divided by bandwidth: the phase of the carrier, in radians, over one
        standard deviation of the wavelet. None is twice `voices` (at least 5), which is close to
        the windows of the CQT. If frames are further apart than the length of the highest wavelet,
        3 w0 sr / (2 pi f) samples, the sound between frames is lost.
    residual, scale, pad_mode
        As in :class:`CQT`.

    Raises
    ------
    ValueError
        If the highest wavelet reaches the Nyquist frequency, or if `w0` is below 5.
    """

    def __init__(
        self,
        *,
        sr: int = 22050,
        hop_length: int = 128,
        n_bins: int = 512,
        voices: int = 64,
        fmin: float = C1,
        w0: float | None = None,
        residual: bool = False,
        scale: float = 1.0,
        pad_mode: str = "constant",
    ) -> None:
        validate_positive(voices=voices)
        w0 = max(2.0 * voices, 5.0) if w0 is None else w0
        if not w0 >= 5:
            raise ValueError(
                f"w0 {w0!r}; accepted: 5 or more (with less, the mean of a wavelet is not 0)"
            )
        super().__init__(
            "gauss",
            quality=w0,
            energy=1 / math.sqrt(math.pi),  # of a wavelet of sr / (2 pi bandwidth) samples
            per_octave=voices,
            sr=sr,
            hop_length=hop_length,
            n_bins=n_bins,
            fmin=fmin,
            residual=residual,
            scale=scale,
            pad_mode=pad_mode,
        )


def _log_bands(
    fmin: float, n_bins: int, per_octave: int, quality: float, *, sr: int, hop: int, residual: bool
) -> tuple[Array, Array]:
    """Return centres and bandwidths in Hz of the bins and of any residual bands."""
    top = fmin * 2 ** ((n_bins - 1) / per_octave)
    if top * (1 + MARGIN / quality) > sr / 2:
        raise ValueError(
            f"the filter of the highest bin at {top:.0f} Hz does not end below {sr / 2:.0f} Hz, "
            "half the sampling rate: use fewer n_bins or a lower fmin"
        )
    if not residual:
        freqs = fmin * 2 ** (np.arange(n_bins) / per_octave)
        return freqs, freqs / quality
    freqs = fmin * 2 ** (np.arange(math.ceil(per_octave * math.log2(sr / 2 / fmin))) / per_octave)
    # The main lobe of a low band is four spacings wide. It must not be wider than the frame rate.
    n_low = max(LOW_BANDS, math.ceil(4 * fmin * hop / sr))
    spacing = fmin / n_low
    return (
        np.concatenate([np.arange(n_low) * spacing, freqs]),
        np.concatenate([np.full(n_low, spacing), freqs / quality]),
    )
