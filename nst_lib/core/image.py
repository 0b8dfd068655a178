"""The stereo image: one channel with the power of all, and the image of a recording on a sound.

Several channels have the shape ``(channels, samples)``. The image is the covariance of the channels
in each auditory band and at each moment, divided by their mean power: differences in level,
differences in phase, and coherence. Covariances are averaged over half-cosine bands on the ERB-rate
scale, which together cover all frequencies, and smoothed over time.

:func:`place` mixes a sound so that its covariances are those of the content, by the method of J.
Vilkamo, T. Bäckström and A. Kuntz, "Optimized covariance domain framework for time-frequency
processing of spatial audio", Journal of the Audio Engineering Society 61, 2013. Each channel is as
near to the sound itself as these covariances allow. What they need beyond that comes from
decorrelated copies of the sound: all-pass filters, short so that attacks stay attacks.

Everything runs over blocks of frames, so the memory is that of the sounds and of the covariances.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve

from nst_lib.core.bands import FloatArray, erb_frequency, erb_rate, half_cosines
from nst_lib.core.shaping import Waveform
from nst_lib.core.transforms import window_length

#: Length of the window in seconds; the nearest power of two in samples is used. The hop is a
#: quarter of it.
WINDOW = 0.046
#: Number of bands from 0 Hz to half the sampling rate.
N_BANDS = 28
#: Standard deviation in seconds of the smoothing of covariances over time.
SMOOTHING = 0.04
#: Level of the content, relative to its mean in the band (dB), at which its image is half that of
#: the moment and half that of the whole recording.
SILENCE = -50.0
#: Longest delay of the decorrelated copies in seconds, and in periods of the bandwidth of the ear.
DELAY = 0.02
PERIODS = 2.0
#: Correlations with the loudest channel between which a channel turns from the sound as it is to
#: the sound with opposite phase.
TURN = (-0.3, -0.9)
#: Share of the power below which an incoherent part counts as rounding.
ROUNDING = 1e-5
#: Number of frames in a block.
BLOCK = 256

Complex = npt.NDArray[np.complexfloating[Any, Any]]
Indices = npt.NDArray[np.intp]


def downmix(y: Waveform, *, sr: int) -> Waveform:
    """Return one channel with the power of all channels.

    Channels of opposite phase do not cancel, and a delay between channels makes no comb filter:
    each frequency has the mean power of the channels, and the phase of their sum. In a band in
    which a channel is opposite to the loudest one, its sign is changed first.

    Parameters
    ----------
    y : np.ndarray, shape=(channels, samples)
        The sound.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray, shape=(samples,)
        The channel itself if all channels are the same.
    """
    y = _validated(y, "sound", dims=(2,))
    grid = _Grid(y.shape[1], sr=sr)
    covariance = grid.smoothed(grid.covariances(y))
    loudest = _loudest(covariance)
    signs = np.sign(_correlations(covariance, loudest))
    result = np.zeros((1, y.shape[1]), np.float32)
    for block in grid.blocks():
        spectrum = grid.analyse(y, block)
        total = (grid.spread(np.moveaxis(signs[block], -1, 0)) * spectrum).sum(0)
        power = np.square(np.abs(spectrum)).mean(0)
        size = np.abs(total)
        phase = np.divide(total, size, out=np.ones_like(total), where=size > 0)
        grid.add(result, phase[None] * np.sqrt(power), block)
    return np.asarray(result[0])


def place(y: Waveform, content: Waveform, *, sr: int, seed: int = 0) -> Waveform:
    """Return a sound with the stereo image of the content.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound.
    content : np.ndarray, shape=(channels, samples)
        The recording that has the image, as long as the sound.
    sr : int > 0
        Sampling rate in Hz.
    seed : int >= 0
        Seed of the decorrelated copies.

    Returns
    -------
    np.ndarray, shape=(channels of the content, samples)
        In each band and at each moment, the mean power of its channels is that of the sound. If all
        channels of the content are the same, each channel is the sound itself.

    Raises
    ------
    ValueError
        If the shapes are other ones, or the lengths differ.
    """
    content = _validated(content, "content", dims=(2,))
    y = _validated(y, "sound", dims=(1, 2))
    if y.shape[-1] != content.shape[1]:
        raise ValueError(
            f"sound of {y.shape[-1]} samples and content of {content.shape[1]} samples; accepted: "
            "the same length"
        )
    mono = downmix(y, sr=sr) if y.ndim == 2 else y
    grid = _Grid(len(mono), sr=sr)
    image = _image(grid.smoothed(grid.covariances(content)))
    loudest = _loudest(image)
    filters = _all_pass(len(content), sr=sr, seed=seed)
    result = np.zeros_like(content)
    for block in grid.blocks():
        direct, diffuse = _mixing(image[block], loudest)
        spectrum = grid.spread(direct) * grid.analyse(mono[None], block)
        if diffuse.any():
            copies = grid.analyse(mono[None], block, filters)
            spectrum += np.einsum("ij...,j...->i...", grid.spread(diffuse), copies)
        grid.add(result, spectrum, block)
    return result


def _image(covariance: Complex) -> Complex:
    """Return covariances of mean power 1; see `SILENCE`. Without any power: equal channels."""
    floor = 10 ** (SILENCE / 10)
    band = covariance.mean(0, keepdims=True)
    rest = floor * (band + floor * band.mean(1, keepdims=True))
    result = covariance + rest
    power = _powers(result).mean(-1)[..., None, None]
    return np.asarray(np.divide(result, power, out=np.ones_like(result), where=power > 0))


def _mixing(image: Complex, loudest: Indices) -> tuple[Complex, Complex]:
    """Return the gains of the sound and of its decorrelated copies for covariances of power 1.

    Both have the channels first: shapes ``(channels, ...)`` and ``(channels, channels, ...)``.
    """
    image = image.astype(np.complex128)
    low, high = TURN[1], TURN[0]
    signs = (2 * (_correlations(image, loudest) - low) / (high - low) - 1).clip(-1, 1)
    copy = signs * np.sqrt(_powers(image))
    direct = np.einsum("...ij,...j->...i", image, copy)
    share = np.einsum("...i,...i->...", copy, direct).real[..., None]
    direct = np.divide(direct, np.sqrt(share), out=np.zeros_like(direct), where=share > 0)
    residual = image - direct[..., :, None] * direct[..., None, :].conj()
    values, vectors = np.linalg.eigh(residual)
    values = values.clip(0)
    roots = np.sqrt(values) * values / (values + ROUNDING)
    diffuse = np.einsum("...ik,...k,...jk->ij...", vectors, roots, vectors.conj())
    return np.moveaxis(direct, -1, 0), diffuse


def _powers(covariance: Complex) -> FloatArray:
    return np.asarray(np.einsum("...ii->...i", covariance).real)


def _loudest(covariance: Complex) -> Indices:
    """Return the channel with the highest power in each band."""
    return np.asarray(_powers(covariance).mean(0).argmax(-1))


def _correlations(covariance: Complex, reference: Indices) -> FloatArray:
    """Return the correlations of all channels with that of reference, shape ``(..., channels)``."""
    band = np.arange(len(reference))
    cross = covariance[:, band, :, reference].swapaxes(0, 1).real
    power = _powers(covariance)
    size = np.sqrt(power * power[:, band, reference][..., None])
    return np.asarray(np.divide(cross, size, out=np.ones_like(cross), where=size > 0))


class _Grid:
    """The frames and bands of a sound of a given length."""

    def __init__(self, samples: int, *, sr: int) -> None:
        self.samples = samples
        self.n_fft = window_length(WINDOW, sr=sr)
        self.hop = self.n_fft // 4
        self.frames = -(-samples // self.hop) + 3
        self.smoothing = SMOOTHING * sr / self.hop
        self.window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        low, high = erb_rate(np.array([0.0, sr / 2]))
        step = (high - low) / (N_BANDS + 1)
        scale = erb_rate(np.fft.rfftfreq(self.n_fft, 1 / sr)).clip(low + step, high - step)
        self.weights = np.square(half_cosines(scale, low, high, n=N_BANDS)).astype(np.float32)

    def blocks(self) -> Iterator[slice]:
        """Yield the frames block by block."""
        for first in range(0, self.frames, BLOCK):
            yield slice(first, min(first + BLOCK, self.frames))

    def analyse(self, y: Waveform, block: slice, filters: Waveform | None = None) -> Complex:
        """Return the spectrum of channels in a block of frames, ``(channels, frames, bins)``."""
        first, last = self._span(block)
        before = 0 if filters is None else filters.shape[1] - 1
        begin, end = first - before, last
        inside = y[:, max(begin, 0) : max(end, 0)].astype(np.float32, copy=False)
        missing = end - begin - inside.shape[1] - max(-begin, 0)
        padded = np.pad(inside, ((0, 0), (max(-begin, 0), missing)))
        if filters is not None:
            padded = oaconvolve(padded, filters, mode="full", axes=1)[:, before : end - begin]
        frames = sliding_window_view(padded, self.n_fft, axis=1)[:, :: self.hop]
        return np.asarray(rfft(frames * self.window, axis=2))

    def add(self, y: Waveform, spectrum: Complex, block: slice) -> None:
        """Add the sound ``(channels, samples)`` of a block of frames to `y`."""
        frames = irfft(spectrum, self.n_fft, axis=2) * (self.window / 1.5)
        channels, n, _ = frames.shape
        total = np.zeros((channels, n + 3, self.hop), np.float32)
        for part in range(4):
            total[:, part : part + n] += frames[..., part * self.hop : (part + 1) * self.hop]
        first, last = self._span(block)
        begin, end = max(first, 0), min(last, self.samples)
        y[:, begin:end] += total.reshape(channels, -1)[:, begin - first : end - first]

    def _span(self, block: slice) -> tuple[int, int]:
        """Return the first sample of a block of frames, and the one after its last."""
        first = (block.start - 3) * self.hop
        return first, first + (block.stop - block.start - 1) * self.hop + self.n_fft

    def spread(self, gains: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return gains of bands ``(..., bands)`` as gains of frequencies ``(..., bins)``."""
        if np.iscomplexobj(gains):
            return self.spread(gains.real) + 1j * self.spread(gains.imag)
        return np.asarray(gains.astype(np.float32) @ self.weights)

    def covariances(self, y: Waveform) -> Complex:
        """Return the covariances of channels, shape ``(frames, bands, channels, channels)``."""
        channels = len(y)
        result = np.empty((self.frames, N_BANDS, channels, channels), np.complex64)
        for block in self.blocks():
            spectrum = self.analyse(y, block)
            for i in range(channels):
                for j in range(i + 1):
                    cross = spectrum[i] * spectrum[j].conj()
                    result[block, :, i, j] = cross.real @ self.weights.T
                    if i != j:
                        result[block, :, i, j] += 1j * (cross.imag @ self.weights.T)
                        result[block, :, j, i] = result[block, :, i, j].conj()
        return result

    def smoothed(self, covariance: Complex) -> Complex:
        """Return covariances smoothed over time."""
        return np.asarray(gaussian_filter1d(covariance, self.smoothing, axis=0))


def _all_pass(channels: int, *, sr: int, seed: int) -> Waveform:
    """Return filters with equal power at all frequencies and random delays, one per channel."""
    n = 2 ** int(np.ceil(np.log2(8 * DELAY * sr)))
    freqs = np.fft.rfftfreq(n, 1 / sr)
    scale = erb_rate(freqs)
    width = np.gradient(erb_frequency(scale), scale)
    knots = np.arange(0, np.ceil(scale[-1]) + 1, 0.5)
    share = np.random.default_rng(seed).uniform(0.3, 1, (channels, len(knots)))
    shares = np.stack([np.interp(scale, knots, row) for row in share])
    delay = shares * np.minimum(DELAY, PERIODS / width)
    phase = -2 * np.pi * np.cumsum(delay, axis=1) * (sr / n)
    response: Waveform = irfft(np.exp(1j * phase), n, axis=1)
    return response[:, : round(2 * DELAY * sr)].astype(np.float32)


def _validated(y: Waveform, name: str, *, dims: tuple[int, ...]) -> Waveform:
    """Return the sound as float32, or raise ValueError."""
    if y.ndim not in dims or y.size == 0:
        shapes = {1: "(samples,)", 2: "(channels, samples)"}
        accepted = " or ".join(shapes[n] for n in dims)
        raise ValueError(f"{name} of shape {y.shape}; accepted: {accepted}, not empty")
    return np.asarray(y, np.float32)
