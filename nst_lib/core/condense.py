"""Condense a recording of any length to a short sound with the same statistics.

The short sound is made of stretches of the recording, in the order of time. The features of a
stretch are means over time: of the amplitudes of auditory bands, of their products, and of the same
after compression, and of the cubes and the changes of compressed amplitudes. The stretches are
chosen so that the mean of their features is near to the mean over the whole recording. The short
sound is therefore as loud, as varied and as often silent as the recording. In stereo, the power of
the channels is averaged, and all channels are cut in the same places.

Stretches are chosen one by one, each as the best next one. This is kernel herding (Y. Chen, M.
Welling, A. Smola, "Super-samples from kernel herding", UAI 2010) with the features as the kernel,
but without repetition. The chosen stretches are then exchanged for others as long as that helps,
which is our addition.

A recording is read in blocks, once for the features and once for the chosen stretches. The time
that this takes grows linearly with the length of the recording. The memory is bounded.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from nst_lib.core.bands import BAND_RANGE, N_BANDS, erb_rate, half_cosines
from nst_lib.core.transforms import window_length

Waveform = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
#: A function that starts to read a recording from its beginning, in blocks of any length.
Blocks = Callable[[], Iterable[Waveform]]

#: The longest stretch in seconds. All stretches of a result are equally long.
STRETCH = 2.0
#: Number of parts of a stretch. A stretch can begin with any part of the recording.
PARTS = 16
#: The largest number of stretches to choose from. If the recording has more, every second one is
#: left out, again and again. All of them count in the mean.
MOST_STRETCHES = 4096
#: The largest number of times that all chosen stretches are compared with all others.
ROUNDS = 20
#: Length in seconds of the windows in which levels are measured (the nearest power of two in
#: samples), and number of windows per second.
WINDOW = 0.046
RATE = 100
#: Power that compresses amplitudes, as in the scores.
COMPRESSION = 0.3
#: Numbers of windows over which changes are measured.
LAGS = (1, 4, 16, 64)
#: Length in seconds of the crossfade between two stretches.
FADE = 0.04


def condense(sound: Waveform | Blocks, *, sr: int, seconds: float) -> Waveform:
    """Return stretches of a recording that have the statistics of the whole recording.

    Parameters
    ----------
    sound : np.ndarray, shape=(samples,) or (channels, samples), or callable
        The recording, full scale at +-1. Or a function that returns an iterator over the blocks of
        a recording, which have one of these shapes. The function is called up to three times.
    sr : int > 0
        Sampling rate in Hz.
    seconds : float >= 0.1
        Length of the result.

    Returns
    -------
    np.ndarray, shape=(samples,) or (channels, samples), float32
        The chosen stretches in the order of time, joined by crossfades of `FADE` seconds. The
        result is shorter than `seconds` by less than `PARTS` samples for each stretch. A recording
        that is not longer than `seconds` is returned as it is. The same recording gives the same
        result.

    Raises
    ------
    ValueError
        If `seconds` is too small.
    """
    if not seconds >= 2.5 * FADE:
        raise ValueError(f"seconds {seconds:g}; accepted: {2.5 * FADE:g} or more")
    blocks: Blocks = sound if callable(sound) else lambda: [sound]
    whole = _if_short(blocks(), round(seconds * sr))
    if whole is not None:
        return whole
    count = math.ceil(seconds / STRETCH)
    size = round(seconds * sr) // (count * PARTS)
    deviations, step = _measure(blocks(), sr=sr, size=size)
    if len(deviations) * step < 2 * PARTS * count:  # too few to choose any without getting stuck
        deviations, step = deviations[::PARTS], PARTS
    chosen = choose(deviations, count=count, apart=-(-PARTS // step))
    runs = _runs(step * size * np.sort(chosen), PARTS * size)
    return _join(blocks(), runs, fade=round(FADE * sr / 2))


def choose(deviations: Features, *, count: int, apart: int = 1) -> Indices:
    """Return rows whose sum is near to zero, in Euclidean distance.

    Parameters
    ----------
    deviations : np.ndarray, shape=(rows, features)
        Features without their mean.
    count : int > 0
        Number of rows to choose. With `apart` of 1, at most the number of rows, and otherwise at
        most about a (2 * `apart`)-th of it.
    apart : int > 0
        Smallest distance between the indices of two chosen rows.

    Returns
    -------
    np.ndarray, shape=(count,)
        Indices of the rows.
    """
    squares = np.square(deviations).sum(1)
    near = np.arange(1 - apart, apart)
    total, chosen = np.zeros_like(deviations[0]), np.empty(0, np.intp)

    def costs(rest: Features, others: Indices) -> Features:
        """Return how long the sum is with each row, squared and less the same for all rows."""
        cost = squares + 2 * deviations @ rest
        cost[np.clip(others[:, None] + near, 0, len(cost) - 1)] = np.inf
        return np.asarray(cost)

    for _ in range(count):
        row = costs(total, chosen).argmin()
        chosen, total = np.append(chosen, row), total + deviations[row]
    for _ in range(ROUNDS):
        before = chosen.copy()
        for place, old in enumerate(before):
            rest = total - deviations[old]
            cost = costs(rest, np.delete(chosen, place))
            row = cost.argmin()
            if cost[row] < cost[old] - 1e-6 * squares[old]:  # more than rounding
                chosen[place], total = row, rest + deviations[row]
        if np.array_equal(chosen, before):
            break
    return chosen


def _if_short(blocks: Iterable[Waveform], limit: int) -> Waveform | None:
    """Return the whole sound if it has at most `limit` samples."""
    read, length = list[Waveform](), 0
    for block in blocks:
        read.append(block)
        length += block.shape[-1]
        if length > limit:
            return None
    if not read:
        raise ValueError("the recording has no samples")
    return np.concatenate(read, axis=-1) if len(read) > 1 else read[0]


def _measure(blocks: Iterable[Waveform], *, sr: int, size: int) -> tuple[Features, int]:
    """Return the features of stretches of `PARTS` parts of `size` samples.

    Returns
    -------
    deviations : np.ndarray, shape=(stretches, features), float32
        Features without their mean over the recording. The total variance of each family is 1.
    step : int
        Number of parts between the beginnings of two stretches.
    """
    hear = _Ear(sr=sr, size=size)
    parts, stretches = deque[Features](maxlen=PARTS), list[Features]()
    total, step = np.zeros(1), 1
    for number, part in enumerate(_cut(blocks, size, hear.n_fft)):
        families = hear(part)
        parts.append(np.concatenate(families))
        total = total + parts[-1]
        first = number - PARTS + 1
        if first >= 0 and first % step == 0:
            stretches.append(np.mean(parts, axis=0))
        if len(stretches) > MOST_STRETCHES:
            stretches, step = stretches[::2], 2 * step
    deviations = np.stack(stretches)
    deviations -= (total / (number + 1)).astype(np.float32)
    edges = np.cumsum([len(family) for family in families])[:-1]
    for family in np.split(deviations, edges, axis=1):
        family /= np.sqrt(np.square(family).sum(1).mean()) or 1.0
    return deviations, step


def _cut(blocks: Iterable[Waveform], size: int, more: int) -> Iterator[Waveform]:
    """Yield all stretches of `size` samples, each with `more` samples after it.

    They have the shape ``(channels, size + more)``. What is shorter than a stretch is left out at
    the end. The sound is followed by zeros.
    """
    rest: Waveform | None = None
    for block in map(np.atleast_2d, blocks):
        rest = block if rest is None else np.concatenate([rest, block], axis=1)
        starts = range(0, rest.shape[1] - size - more + 1, size)
        for start in starts:
            yield rest[:, start : start + size + more]
        rest = rest[:, len(starts) * size :]
    if rest is not None:
        padded = np.pad(rest, ((0, 0), (0, more)))
        for start in range(0, rest.shape[1] - size + 1, size):
            yield padded[:, start : start + size + more]


class _Ear:
    """Computes the features of one stretch after the other."""

    def __init__(self, *, sr: int, size: int) -> None:
        self.n_fft = window_length(WINDOW, sr=sr)
        frames = max(round(RATE * size / sr), 1)
        starts = np.arange(frames) * size // frames
        self.samples = starts[:, None] + np.arange(self.n_fft)
        self.window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        low, high = erb_rate(np.array([BAND_RANGE[0], min(BAND_RANGE[1], sr / 2)]))
        edges = np.linspace(low, high, N_BANDS + 2)
        scale = erb_rate(np.fft.rfftfreq(self.n_fft, 1 / sr)).clip(edges[1], edges[-2])
        self.gains = half_cosines(scale, low, high, n=N_BANDS).T.astype(np.float32) ** 2
        self.before: Features | None = None

    def __call__(self, stretch: Waveform) -> list[Features]:
        """Return the families of features of a stretch with `n_fft` samples after it."""
        spectra = rfft(stretch[:, self.samples] * self.window)
        power = (np.square(spectra.real) + np.square(spectra.imag)).mean(0) @ self.gains
        amplitude = np.sqrt(power)
        x = amplitude**COMPRESSION
        past = max(LAGS)
        start = np.repeat(x[:1], past, axis=0) if self.before is None else self.before
        known = np.concatenate([start, x])
        self.before = known[-past:]
        changes = [x - known[past - lag : len(known) - lag] for lag in LAGS]
        return [
            amplitude.mean(0),
            _products(amplitude),
            x.mean(0),
            _products(x),
            (x**3).mean(0),
            np.concatenate([np.square(change).mean(0) for change in changes]),
            changes[0].clip(0).mean(0),
        ]


def _products(x: Features) -> Features:
    """Return the means over time of the products of all pairs of bands."""
    return np.asarray((x.T @ x)[np.triu_indices(x.shape[1])] / len(x))


def _runs(starts: Indices, size: int) -> list[tuple[int, int]]:
    """Return where each run of stretches that follow one another begins and ends."""
    runs: list[tuple[int, int]] = []
    for start in map(int, starts):
        first = runs.pop()[0] if runs and runs[-1][1] == start else start
        runs.append((first, start + size))
    return runs


def _join(blocks: Iterable[Waveform], runs: list[tuple[int, int]], *, fade: int) -> Waveform:
    """Return the runs one after the other, with crossfades of twice `fade` samples."""
    bounds = [(start - fade, stop + fade) for start, stop in runs]
    bounds[0] = (runs[0][0], bounds[0][1])
    bounds[-1] = (bounds[-1][0], runs[-1][1])
    pieces, flat = _fetch(blocks, bounds)
    result = np.zeros((len(pieces[0]), sum(stop - start for start, stop in runs)), np.float32)
    rise = np.sin(0.5 * np.pi * (np.arange(2 * fade) + 0.5) / (2 * fade)).astype(np.float32)
    at = 0
    for number, piece in enumerate(pieces):
        first, last = number == 0, number == len(pieces) - 1
        head, tail = (rise[::2] if first else rise), (rise[::-2] if last else rise[::-1])
        piece[:, : len(head)] *= head
        piece[:, piece.shape[1] - len(tail) :] *= tail
        result[:, at : at + piece.shape[1]] += piece
        at += piece.shape[1] - 2 * fade
    return result[0] if flat else result


def _fetch(
    blocks: Iterable[Waveform], bounds: list[tuple[int, int]]
) -> tuple[list[Waveform], bool]:
    """Return the samples ``(channels, samples)`` between bounds, and whether blocks are flat."""
    pieces, position, flat = list[Waveform](), 0, True
    for block in blocks:
        flat = block.ndim == 1
        rows = np.atleast_2d(block)
        if not pieces:
            pieces = [np.zeros((len(rows), stop - start), np.float32) for start, stop in bounds]
        end = position + rows.shape[1]
        for (start, stop), piece in zip(bounds, pieces, strict=True):
            first, last = max(start, position), min(stop, end)
            if first < last:
                piece[:, first - start : last - start] = rows[:, first - position : last - position]
        position = end
    return pieces, flat
