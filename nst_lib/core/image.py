"""The stereo image: one channel with the power of all, and the image of a recording on a sound.

Several channels have the shape ``(channels, samples)``. The image is the covariance of the channels
in each auditory band and at each moment, divided by their mean power: it holds their levels and
their correlation, from -1 to 1. Covariances are those of :mod:`nst_lib.core.covariance`.

:func:`place` mixes a sound so that its covariances are those of the content, by the method of J.
Vilkamo, T. Bäckström and A. Kuntz, "Optimized covariance domain framework for time-frequency
processing of spatial audio", Journal of the Audio Engineering Society 61, 2013. Each channel stays
as near to the sound as the image allows. Correlation below 1 comes from copies of the sound under
all-pass filters, which are so short that attacks stay attacks. Real sounds are not quite
uncorrelated with their copies, so a second mix corrects the covariances that the first one has.

Everything runs over blocks of frames. Besides the sounds, only the covariances are held in memory.
"""

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft, next_fast_len

from nst_lib.core.bands import erb_frequency, erb_rate
from nst_lib.core.covariance import Array, Grid, correlations, diagonal, normalised, power
from nst_lib.core.shaping import Waveform

#: Level of the content, relative to its mean in the band (dB), at which its image is half that of
#: the moment and half that of the whole recording.
SILENCE = -50.0
#: How often the image of all moments is brought nearer to that of the whole recording. Each time,
#: the image of each moment is further from that of the same moment of the content.
ROUNDS = 3
#: Longest delay of a copy in seconds, and in periods of the bandwidth of the ear.
DELAY = 0.03
PERIODS = 3.0
#: Correlations with the loudest channel between which a channel turns from the sound as it is to
#: the sound with opposite sign.
TURN = (-0.3, -0.9)
#: Share of the power below which an incoherent part counts as rounding.
ROUNDING = 1e-5
#: Least share of the power in any direction that the correction counts on (-30 dB).
LEAST = 1e-3


def downmix(y: Waveform, *, sr: int) -> Waveform:
    """Return one channel with the power of all channels.

    Channels of opposite sign do not cancel, and a delay between channels makes no comb filter: each
    frequency has the mean power of the channels, and the phase of their sum. In a band in which a
    channel is opposite to the loudest one, its sign is changed first.

    Parameters
    ----------
    y : np.ndarray, shape=(channels, samples)
        The sound.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray, shape=(samples,)
        The sound as float32. It is the channel itself if all channels are the same.

    Raises
    ------
    ValueError
        If the sound has another shape or is empty.
    """
    y = _validated(y, "sound", dims=(2,))
    grid = Grid(y.shape[1], sr=sr)
    covariance = grid.covariances(y)
    signs = np.moveaxis(_signs(correlations(covariance, _loudest(covariance))), -1, 0)
    mixed = np.zeros((1, y.shape[1]), np.float32)
    for block in grid.blocks():
        spectrum = grid.analyse(y, block)
        total = np.einsum("i...,i...->...", grid.spread(signs[:, block]), spectrum)
        size = np.abs(total)
        phase = np.divide(total, size, out=np.ones_like(total), where=size > 0)
        amplitude = np.sqrt(np.square(np.abs(spectrum)).mean(0))
        grid.add(mixed, phase[None] * amplitude, block)
    return np.asarray(_corrected(mixed, power(covariance)[..., None, None], grid)[0])


def place(y: Waveform, content: Waveform, *, sr: int, seed: int = 0) -> Waveform:
    """Return a sound with the stereo image of the content.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound. If it has as many channels as the content, each channel of the result comes as
        near as it can to the same channel of the sound. Any other number of channels is mixed to
        one (:func:`downmix`).
    content : np.ndarray, shape=(channels, samples)
        The recording that has the image, as long as the sound.
    sr : int > 0
        Sampling rate in Hz.
    seed : int >= 0
        Seed of the filters.

    Returns
    -------
    np.ndarray, shape=(channels of the content, samples)
        The sound as float32. In each band and at each moment, the mean power of its channels is
        that of the channels of the sound. If all channels of the content are the same, so are those
        of the result, and each one is the sound itself if it has one channel.

    Raises
    ------
    ValueError
        If a sound has another shape or is empty, or if the lengths differ.
    """
    content = _validated(content, "content", dims=(2,))
    y = np.atleast_2d(_validated(y, "sound", dims=(1, 2)))
    if y.shape[1] != content.shape[1]:
        raise ValueError(
            f"sound of {y.shape[1]} samples and content of {content.shape[1]} samples; accepted: "
            "the same length"
        )
    y = y if len(y) in (1, len(content)) else downmix(y, sr=sr)[None]
    grid = Grid(y.shape[1], sr=sr)
    own = grid.covariances(y)
    loudness = power(own)
    image = _image(grid.covariances(content), loudness)
    mixed = _mixed(y, normalised(own), image, grid, _all_pass(len(content), sr=sr, seed=seed))
    del y, own  # of a long sound, they take much memory
    image *= loudness[..., None, None]
    return _corrected(mixed, image, grid)


def _image(covariance: Array, loudness: Array) -> Array:
    """Return covariances of mean power 1. Without any power in the content, channels are equal.

    Parameters
    ----------
    covariance : np.ndarray, shape=(frames, bands, channels, channels)
        The covariances of the content. They are overwritten.
    loudness : np.ndarray, shape=(frames, bands)
        The power of the sound. With it as the weight, the average of the result over frames comes
        near to that of the content; see `ROUNDS`.
    """
    floor = 10 ** (SILENCE / 10)
    whole = covariance.mean(0)
    covariance += floor * (whole + floor * whole.mean(0))
    image = normalised(covariance)
    wanted = normalised(whole + 1e-9 * whole.mean(0))
    for _ in range(ROUNDS):
        average = normalised(np.einsum("tk,tkij->kij", loudness, image))
        change = _correction(average, wanted).astype(np.float32)
        image = normalised(change @ image @ change)
    return image


def _mixed(y: Array, own: Array, image: Array, grid: Grid, filters: Array) -> Waveform:
    """Return the channels that have the image if `y` has nothing in common with its copies.

    `own` is the image of `y`, which has one channel or as many as the content.
    """
    result = np.zeros((len(filters), y.shape[1]), np.float32)
    loudest = _loudest(image)
    for block in grid.blocks():
        direct, diffuse = _mixing(image[block], own[block], loudest)
        spectrum = (grid.spread(direct) * grid.analyse(y, block)).sum(1)
        if diffuse.any():
            spectrum += (grid.spread(diffuse) * grid.analyse(y, block, filters)).sum(1)
        grid.add(result, spectrum, block)
    return result


def _mixing(image: Array, own: Array, loudest: Array) -> tuple[Array, Array]:
    """Return the gains of a sound and of its copies that lead from its own image to another.

    The sound comes as near to the image as it can, and the copies supply the rest. Both arrays have
    the shape ``(channels, channels, frames, bands)``.
    """
    image = image.astype(np.float64)
    own = np.broadcast_to(own, image.shape)
    signs = _signs(correlations(image, loudest) * correlations(own, loudest))
    levels = np.sqrt(diagonal(image) / (diagonal(own) + LEAST))
    scale = signs * levels * np.sqrt(1 + LEAST)
    reached = scale[..., :, None] * own * scale[..., None, :]
    direct = _correction(reached, image) * scale[..., None, :]
    residual = image - direct @ own @ direct.mT
    diffuse = _function(residual, lambda x: np.sqrt(x) * x / (x + ROUNDING))
    return _first(direct), _first(diffuse)


def _corrected(y: Waveform, wanted: Array, grid: Grid) -> Waveform:
    """Return channels with the wanted covariances, ``(frames, bands, channels, channels)``."""
    reached = grid.covariances(y)
    result = np.zeros_like(y)
    for block in grid.blocks():
        gains = _first(_correction(reached[block], wanted[block]))
        grid.add(result, (grid.spread(gains) * grid.analyse(y, block)).sum(1), block)
    return result


def _correction(reached: Array, wanted: Array) -> Array:
    """Return the gains nearest to none that turn the covariances reached into those wanted."""
    reached = reached.astype(np.float64)
    least = LEAST * power(reached)[..., None, None] + 1e-30
    root = _function(reached, lambda x: np.sqrt(np.maximum(x, least[..., 0])))
    inverse = _function(reached, lambda x: 1 / np.sqrt(np.maximum(x, least[..., 0])))
    return np.asarray(inverse @ _function(root @ wanted @ root, np.sqrt) @ inverse)


def _function(matrices: Array, change: Callable[[Array], Array]) -> Array:
    """Return symmetric matrices with changed eigenvalues; eigenvalues below 0 are rounding."""
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray((vectors * change(values.clip(0))[..., None, :]) @ vectors.mT)


def _loudest(covariance: Array) -> Array:
    """Return the channel with the highest power in each band, shape ``(bands,)``."""
    return np.asarray(diagonal(covariance).mean(0).argmax(-1))


def _signs(correlation: Array) -> Array:
    """Return factors from -1 to 1; see `TURN`."""
    high, low = TURN
    return np.asarray((2 * (correlation - low) / (high - low) - 1).clip(-1, 1))


def _first(matrices: Array) -> Array:
    """Return matrices with their rows and columns as the first axes."""
    return np.moveaxis(matrices, (-2, -1), (0, 1))


def _all_pass(channels: int, *, sr: int, seed: int) -> Waveform:
    """Return filters with gain 1 and random delays, shape ``(channels, samples)``.

    The delays vary over frequency and from channel to channel. High frequencies have short delays,
    because the ear's filters are short there; see `DELAY` and `PERIODS`.
    """
    n = next_fast_len(round(8 * DELAY * sr), real=True)
    scale = erb_rate(np.fft.rfftfreq(n, 1 / sr))
    width = np.gradient(erb_frequency(scale), scale)
    knots = np.arange(0, scale[-1] + 0.5, 0.5)
    shares = np.random.default_rng(seed).uniform(0.3, 1, (channels, len(knots)))
    delays = np.stack([np.interp(scale, knots, share) for share in shares])
    delays *= np.minimum(DELAY, PERIODS / width)
    phase = -2 * np.pi * np.cumsum(delays, axis=1) * (sr / n)
    response: Waveform = irfft(np.exp(1j * phase), n, axis=1)
    return response[:, : round(2 * DELAY * sr)].astype(np.float32)


def _validated(y: Waveform, name: str, *, dims: tuple[int, ...]) -> Waveform:
    """Return the sound as float32, or raise ValueError."""
    if y.ndim not in dims or y.size == 0:
        shapes = {1: "(samples,)", 2: "(channels, samples)"}
        accepted = " or ".join(shapes[n] for n in dims)
        raise ValueError(f"{name} of shape {y.shape}; accepted: {accepted}, not empty")
    return np.asarray(y, np.float32)
