"""Waveform to log-magnitude spectrogram.

Layout: waveform ``(..., samples)`` -> spectrogram ``(..., freq, time)``. Scale: ``log1p`` (natural
logarithm of 1 + x) of the *amplitude*, as in the study; frames are centred and the edges reflected.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

#: C1 in Hz, equal temperament with A4 = 440 Hz: the lowest bin of librosa's constant-Q transform.
C1 = 440.0 * 2 ** (-45 / 12)


class Transform(nn.Module):
    """A waveform's log-magnitude, with the axes that label it.

    Attributes
    ----------
    freqs : np.ndarray, shape=(n_freq,)
        Centre frequencies in Hz.
    freq_scale : {"linear", "log"}
        How `freqs` are spaced.
    min_samples : int > 0
        Fewest samples that can be transformed: one analysis window.
    """

    freq_label = "Frequency (Hz)"
    time_label = "Time (s)"
    value_label = "log(1 + amplitude)"
    freq_scale: str
    min_samples: int

    def __init__(self, *, sr: int, hop_length: int, freqs: npt.NDArray[Any]) -> None:
        super().__init__()
        self.sr = sr
        self.hop_length = hop_length
        self.freqs = np.asarray(freqs, dtype=np.float64)

    @property
    def n_freq(self) -> int:
        """Number of frequency bins."""
        return len(self.freqs)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def times(self, n_frames: int) -> npt.NDArray[np.float64]:
        """Return the centres of the first `n_frames` frames, in seconds."""
        return np.arange(n_frames) * self.hop_length / self.sr

    def forward(self, y: Tensor) -> Tensor:
        """Transform a waveform.

        Parameters
        ----------
        y : Tensor, shape=(..., samples)
            Full scale at +-1, at least `min_samples` long.

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
                f"waveform of {y.shape[-1]} samples; accepted: one analysis window of "
                f"{self.min_samples} samples or more"
            )
        return self.log_amplitude(y)

    def log_amplitude(self, y: Tensor) -> Tensor:
        """Return log(1 + amplitude), shape ``(..., freq, time)``."""
        return torch.log1p(self.amplitude(y))

    def amplitude(self, y: Tensor) -> Tensor:
        """Return the magnitude of the complex coefficients, shape ``(..., freq, time)``."""
        raise NotImplementedError


class STFT(Transform):
    """Short-time Fourier transform with a periodic Hann window; differentiable.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz; labels the frequency axis.
    n_fft : int > 1
        Window and FFT length in samples.
    hop_length : int > 0
        Samples between frames.
    """

    freq_scale = "linear"
    window: Tensor

    def __init__(self, *, sr: int = 22050, n_fft: int = 1024, hop_length: int = 128) -> None:
        _validate_positive(sr=sr, n_fft=n_fft - 1, hop_length=hop_length)
        super().__init__(sr=sr, hop_length=hop_length, freqs=np.fft.rfftfreq(n_fft, 1 / sr))
        self.n_fft = n_fft
        self.min_samples = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def log_amplitude(self, y: Tensor) -> Tensor:
        """Return log(1 + |STFT|); its gradient costs half of what PyTorch's would."""
        S: Tensor = _LogSTFT.apply(y, self)  # type: ignore[no-untyped-call]
        return S

    def amplitude(self, y: Tensor) -> Tensor:
        """Return |STFT|, unnormalised as in librosa, shape ``(..., 1 + n_fft // 2, time)``."""
        return self.analyse(y).abs()

    def analyse(self, y: Tensor) -> Tensor:
        """Return the complex STFT, shape ``(..., 1 + n_fft // 2, time)``."""
        coefficients = torch.stft(
            y.reshape(-1, y.shape[-1]),
            self.n_fft,
            self.hop_length,
            window=self.window.to(y.dtype),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        return coefficients.reshape(*y.shape[:-1], *coefficients.shape[-2:])

    def synthesise(self, coefficients: Tensor, *, length: int) -> Tensor:
        """Return the waveform ``(..., length)`` whose STFT is nearest (least squares)."""
        y = torch.istft(
            coefficients.reshape(-1, *coefficients.shape[-2:]),
            self.n_fft,
            self.hop_length,
            window=self.window.to(coefficients.real.dtype),
            center=True,
            length=length,
        )
        return y.reshape(*coefficients.shape[:-2], length)


class _LogSTFT(torch.autograd.Function):
    """log(1 + |STFT|); PyTorch's own gradient of a real FFT is a complex one, twice as long."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, stft: STFT) -> Tensor:
        coefficients = stft.analyse(y)
        amplitude = coefficients.abs()
        ctx.save_for_backward(coefficients, amplitude)
        ctx.stft, ctx.shape = stft, y.shape
        return amplitude.log1p()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        coefficients, amplitude = ctx.saved_tensors
        n_fft, hop = ctx.stft.n_fft, ctx.stft.hop_length
        scale = gradient / ((amplitude + 1) * amplitude.clamp_min(torch.finfo(gradient.dtype).tiny))
        spectrum = coefficients * scale
        spectrum[..., 1 : (n_fft + 1) // 2, :] *= 0.5  # the conjugate half that irfft implies
        frames = torch.fft.irfft(spectrum.mT, n=n_fft, norm="forward")
        frames = (frames * ctx.stft.window.to(frames)).reshape(-1, gradient.shape[-1], n_fft)
        n_samples, half = ctx.shape[-1], n_fft // 2
        padded = _overlap_add(frames, hop, length=n_samples + 2 * half)
        inner = padded[:, half : half + n_samples].clone()
        inner[:, 1 : half + 1] += padded[:, :half].flip(-1)
        inner[:, n_samples - 1 - half : n_samples - 1] += padded[:, half + n_samples :].flip(-1)
        return inner.reshape(ctx.shape), None


def _overlap_add(frames: Tensor, hop: int, *, length: int) -> Tensor:
    """Add frames ``(batch, time, samples)`` that begin `hop` apart, to ``(batch, length)``."""
    batch, n_frames, size = frames.shape
    parts = -(-size // hop)
    blocks = max(n_frames + parts, -(-length // hop))
    total = frames.new_zeros(batch, blocks, hop)
    for part in range(parts):
        piece = frames[..., part * hop : (part + 1) * hop]
        total[:, part : part + n_frames, : piece.shape[-1]] += piece
    return total.flatten(1)[:, :length]


class CQT(Transform):
    """Constant-Q transform, computed by librosa on the CPU; not differentiable.

    Parameters
    ----------
    sr : int > 0
        Sampling rate in Hz.
    hop_length : int > 0
        Samples between frames.
    n_bins, bins_per_octave : int > 0
        Number of bins in all, and in each octave.
    fmin : float > 0
        Frequency of the lowest bin in Hz; C1 (32.7 Hz) by default.

    Raises
    ------
    ValueError
        If the highest bin reaches the Nyquist frequency.
    """

    freq_scale = "log"

    def __init__(
        self,
        *,
        sr: int = 22050,
        hop_length: int = 128,
        n_bins: int = 512,
        bins_per_octave: int = 64,
        fmin: float = C1,
    ) -> None:
        _validate_positive(
            sr=sr, hop_length=hop_length, n_bins=n_bins, bins_per_octave=bins_per_octave, fmin=fmin
        )
        freqs = fmin * 2 ** (np.arange(n_bins) / bins_per_octave)
        # The upper edge of the highest filter, as librosa checks it: half a Hann bandwidth above.
        spacing = 2 ** (2 / bins_per_octave)
        quality = (spacing + 1) / (spacing - 1)
        if freqs[-1] * (1 + 0.75 / quality) > sr / 2:
            raise ValueError(
                f"highest CQT bin at {freqs[-1]:.0f} Hz; accepted: its filter must end below "
                f"{sr / 2:.0f} Hz, half the sampling rate (fewer n_bins or a lower fmin)"
            )
        super().__init__(sr=sr, hop_length=hop_length, freqs=freqs)
        self.n_bins = n_bins
        self.bins_per_octave = bins_per_octave
        self.fmin = fmin
        self.min_samples = math.ceil(quality * sr / freqs[-1])

    @property
    def librosa_arguments(self) -> dict[str, Any]:
        """The arguments that ``librosa.cqt`` and ``librosa.griffinlim_cqt`` share."""
        return {
            "sr": self.sr,
            "hop_length": self.hop_length,
            "fmin": self.fmin,
            "bins_per_octave": self.bins_per_octave,
            "pad_mode": "reflect",
        }

    def amplitude(self, y: Tensor) -> Tensor:
        """Return |CQT|, scaled as librosa does by default, shape ``(..., n_bins, time)``."""
        if y.requires_grad:
            raise ValueError("CQT is not differentiable; optimise its spectrogram, or use STFT")
        import librosa

        with quiet_short_signals():
            coefficients = librosa.cqt(
                y.cpu().numpy().astype(np.float32), n_bins=self.n_bins, **self.librosa_arguments
            )
        return torch.from_numpy(np.abs(coefficients)).to(y)


@contextmanager
def quiet_short_signals() -> Iterator[None]:
    """Silence librosa where an octave's filters are longer than the sound; it pads with zeros."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"n_fft=\d+ is too large for input signal")
        yield


def _validate_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} {value!r}; accepted: more than 0")
