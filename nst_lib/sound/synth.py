"""Simulate sounds of ten ESC-50 categories, so that everything runs without downloads.

Sounds are mono float32 in [-1, 1], with a peak of at most 0.9 and an RMS near 0.1 (0.05 if events
are sparse). Frequencies are in Hz and times in seconds. No recordings are used: each sound is
simulated from noise, harmonic buzzes and decaying partials, and shaped by resonances, envelopes and
a small room. Inside this module signals are float64. Each generator has its own scale, and
`synthesise` levels the result.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator as Rng
from numpy.typing import NDArray
from scipy import signal

Signal = NDArray[np.float64]
Band = tuple[float, float, float]
Recipe = Callable[[Rng, int, int], Signal]


def _noise(rng: Rng, shape: int | tuple[int, int], sr: int, low: float, high: float) -> Signal:
    """Return band-passed white noise of about unit RMS. Both edges stay below Nyquist."""
    high = min(high, 0.45 * sr)
    low = min(low, 0.6 * high)
    sos = signal.butter(2, (low, high), "bandpass", fs=sr, output="sos")
    gain = np.sqrt(sr / (2 * (high - low)))
    y: Signal = gain * signal.sosfilt(sos, rng.standard_normal(shape))
    return y


def _resonate(y: Signal, sr: int, bands: Sequence[Band]) -> Signal:
    """Filter with parallel two-pole resonances, each (frequency, bandwidth, peak gain)."""
    out = np.zeros_like(y)
    for frequency, bandwidth, gain in bands:
        if frequency < 0.48 * sr:
            b, a = signal.iirpeak(frequency, frequency / bandwidth, fs=sr)
            out += gain * signal.lfilter(b, a, y)
    return out


def _low_pass(y: Signal, sr: int, cutoff: float) -> Signal:
    """Filter with one pole: 6 dB per octave above the cutoff."""
    pole = np.exp(-2 * np.pi * cutoff / sr)
    out: Signal = signal.lfilter([1 - pole], [1, -pole], y)
    return out


def _buzz(f0: Signal, sr: int) -> Signal:
    """Return a unit-RMS sum of equal cosines at all multiples of f0 below 0.45 sr (Dirichlet)."""
    harmonics = max(1, int(0.45 * sr / f0.max()))
    half = np.pi * np.cumsum(f0) / sr
    width = 2 * harmonics + 1
    kernel = np.full_like(half, width)
    np.divide(np.sin(width * half), np.sin(half), out=kernel, where=np.abs(np.sin(half)) > 1e-6)
    unit: Signal = (kernel - 1) / np.sqrt(2 * harmonics)
    return unit


def _pulses(rng: Rng, rate: Signal, sr: int, decay: float, jitter: float) -> Signal:
    """Return decaying pulses. `decay` is in periods; `jitter` is the spread of the log sizes."""
    phase = np.cumsum(rate) / sr
    sizes = np.exp(jitter * rng.standard_normal(int(phase[-1]) + 1))
    return sizes[phase.astype(np.int64)] * np.exp(-(phase % 1) / decay)


def _wander(rng: Rng, n: int, sr: int, rate: float, low: float, high: float) -> Signal:
    """Return a random curve between `low` and `high` with `rate` turns per second."""
    knots = rng.uniform(low, high, int(rate * n / sr) + 3)
    return np.interp(np.arange(n) * rate / sr, np.arange(len(knots)), knots)


def _onsets(rng: Rng, duration: float, interval: float, jitter: float) -> Signal:
    """Return times of events: `interval` apart, varied by up to the fraction `jitter`."""
    count = int(duration / (interval * (1 - jitter))) + 2
    gaps = interval * rng.uniform(1 - jitter, 1 + jitter, count)
    times = np.cumsum(gaps) - gaps[0] * rng.uniform(0.5, 0.95)
    inside: Signal = times[times < duration]
    return inside


def _add(y: Signal, event: Signal, start: int) -> None:
    """Mix an event into `y` from sample `start`, and cut it where `y` ends."""
    stop = min(len(y), start + len(event))
    y[start:stop] += event[: max(0, stop - start)]


def _fade(n: int, edge: int) -> Signal:
    """Return a window of ones with raised-cosine edges of `edge` samples."""
    ramp = np.minimum(np.arange(n), np.arange(n)[::-1]) / max(1, min(edge, n // 2))
    window: Signal = 0.5 - 0.5 * np.cos(np.pi * np.minimum(ramp, 1))
    return window


def _bursts(rng: Rng, count: int, sr: int, low: float, high: float, decay: float) -> Signal:
    """Return exponentially decaying bands of noise with unit peak, one in each row."""
    n = int(7 * decay * sr) + 2
    y = _noise(rng, (count, n), sr, low, high) * np.exp(-np.arange(n) / (decay * sr))
    unit: Signal = y / np.abs(y).max(axis=1, keepdims=True)
    return unit


def _bubble(sr: int, frequency: float, decay: float, rise: float) -> Signal:
    """Return a Minnaert bubble: a decaying sine whose pitch rises by `rise` per decay time."""
    t = np.arange(int(7 * decay * sr) + 2) / (decay * sr)
    f = np.minimum(frequency * (1 + rise * t), 0.45 * sr)
    y: Signal = np.sin(2 * np.pi * np.cumsum(f) / sr) * np.exp(-t) * np.minimum(1, t * 8)
    return y


def _room(rng: Rng, y: Signal, sr: int, decay: float, wet: float) -> Signal:
    """Add a diffuse tail of gain `wet` that falls by 60 dB in `decay` seconds."""
    n = int(decay * sr) + 1
    tail = _low_pass(rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n), sr, 3000)
    reverberant: Signal = signal.oaconvolve(y, tail / np.sqrt(np.sum(tail**2)))[: len(y)]
    return y + wet * reverberant


def _snoring(rng: Rng, sr: int, n: int) -> Signal:
    breath = np.cumsum(_wander(rng, n, sr, 0.5, 0.9, 1.1)) / (sr * rng.uniform(2.5, 4.0))
    phase = (breath + rng.uniform(0.85, 0.98)) % 1
    inhale = np.interp(phase, [0, 0.08, 0.2, 0.36, 0.42, 1], [0, 0.5, 0.8, 1, 0, 0])
    exhale = np.interp(phase, [0, 0.5, 0.58, 0.75, 0.9, 1], [0, 0, 1, 0.6, 0, 0])
    throat, shift = rng.uniform(40, 75), rng.uniform(0.85, 1.2)
    flutter = _pulses(rng, _wander(rng, n, sr, 6, 0.85, 1.1) * throat, sr, 0.18, 0.35)
    air = _noise(rng, n, sr, 80, 9000)
    source = inhale**2 * flutter * (1 + 0.5 * air)
    formants = [(170, 90, 1.0), (430, 150, 0.9), (1050, 250, 0.45), (2100, 300, 0.15)]
    formants += [(3400, 400, 0.1), (4800, 500, 0.1), (6900, 700, 0.06)]
    y = _resonate(source, sr, [(f * shift, b, g) for f, b, g in formants])
    nose = [(500 * shift, 400, 0.5), (1100 * shift, 500, 0.3), (3900 * shift, 500, 0.12)]
    y += rng.uniform(0.08, 0.2) * _resonate(exhale * air, sr, nose)
    return _room(rng, y, sr, 0.3, 0.15)


def _hand_saw(rng: Rng, sr: int, n: int) -> Signal:
    cycle = np.cumsum(_wander(rng, n, sr, 2, 0.9, 1.1)) * rng.uniform(0.8, 1.7) / sr
    phase, turn = cycle % 1, rng.uniform(0.45, 0.6)
    push = np.sin(np.pi * np.clip(phase / turn, 0, 1))
    pull = np.sin(np.pi * np.clip((phase - turn) / (1 - turn), 0, 1))
    teeth = np.cumsum((push + pull) * rng.uniform(140, 320)) / sr
    bite = 0.45 + np.exp(-(teeth % 1) / 0.25) * _wander(rng, n, sr, 60, 0.6, 1.6)
    shift = rng.uniform(0.8, 1.25)
    cut = push**1.5 * (_noise(rng, n, sr, 350, 2500) + 0.8 * _noise(rng, n, sr, 1500, 9000))
    drag = pull**1.5 * (0.6 * _noise(rng, n, sr, 500, 3000) + _noise(rng, n, sr, 2500, 10000))
    y = bite * (cut + rng.uniform(0.25, 0.6) * drag)
    wood = [(330 * shift, 80, 1.5), (620 * shift, 120, 1.5), (1100 * shift, 150, 1.0)]
    blade = [(1450 * shift, 30, 1.0), (2950 * shift, 40, 0.8), (5200 * shift, 60, 0.6)]
    return _room(rng, 0.5 * y + _resonate(y, sr, wood + blade), sr, 0.35, 0.3)


def _cluck(rng: Rng, sr: int, glide: Sequence[float], length: float) -> Signal:
    n = int(length * sr) + 2
    f0 = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(glide)), glide)
    voice = _low_pass(_buzz(f0 * _wander(rng, n, sr, 50, 0.985, 1.015), sr), sr, 900)
    voice += 0.04 * _noise(rng, n, sr, 800, 6000)
    throat = [(950, 350, 1.0), (1500, 400, 0.6), (3000, 500, 0.25), (4200, 800, 0.15)]
    return _resonate(voice, sr, throat) * _fade(n, int(min(0.3 * length, 0.04) * sr))


def _hen(rng: Rng, sr: int, n: int) -> Signal:
    y = np.zeros(n)
    pitch, pace = rng.uniform(400, 560), rng.uniform(0.17, 0.27)
    t = rng.uniform(0.03, 0.15)
    while t < n / sr:
        for _ in range(rng.integers(3, 7)):
            f0 = pitch * rng.uniform(0.92, 1.1)
            bok = _cluck(rng, sr, (1.15 * f0, f0, 0.72 * f0), rng.uniform(0.05, 0.1))
            _add(y, rng.uniform(0.4, 0.9) * bok, int(t * sr))
            t += pace * rng.uniform(0.75, 1.35)
        if rng.random() < 0.75:
            f0, length = pitch * rng.uniform(1.1, 1.4), rng.uniform(0.3, 0.55)
            cry = _cluck(rng, sr, (0.7 * f0, 1.15 * f0, 1.25 * f0, 1.2 * f0, f0), length)
            _add(y, rng.uniform(0.9, 1.3) * cry, int(t * sr))
            t += length
        t += rng.uniform(0.1, 0.35)
    return _room(rng, y, sr, rng.uniform(0.2, 0.6), 0.2)


def _car_horn(rng: Rng, sr: int, n: int) -> Signal:
    gate, t = np.zeros(n), rng.uniform(0.03, 0.15)
    lengths = (0.15, 0.5) if rng.random() < 0.5 else (0.5, 1.6)
    while t < n / sr:
        length = rng.uniform(*lengths)
        _add(gate, _fade(int(length * sr) + 2, int(0.02 * sr)), int(t * sr))
        t += length + rng.uniform(0.08, 0.35)
    low = rng.uniform(370, 440)
    strained = 1 - 0.02 * (1 - _low_pass(np.minimum(gate, 1), sr, 8))
    chord = np.zeros(n)
    for f0, size in ((low, 1.0), (low * rng.uniform(1.18, 1.27), rng.uniform(0.7, 1.0))):
        for detune in (1.0, rng.uniform(1.001, 1.004)):
            chord += size * _buzz(f0 * detune * strained * _wander(rng, n, sr, 8, 0.999, 1.001), sr)
    diaphragm = [(2100.0, 500.0, 0.5), (rng.uniform(2800, 3500), 700.0, 0.6)]
    chord = _low_pass(chord, sr, 2500)
    y = gate * (_low_pass(chord, sr, 500) + 0.3 * _resonate(chord, sr, diaphragm))
    return _room(rng, y, sr, rng.uniform(0.6, 1.6), rng.uniform(0.15, 0.35))


def _toilet_flush(rng: Rng, sr: int, n: int) -> Signal:
    clock = (np.arange(n) / sr) % 9.0 * rng.uniform(0.8, 1.25)
    attack, hold = rng.uniform(0.3, 1.4), rng.uniform(2.0, 3.0)
    rush_times = [0, 0.2, attack + 0.2, hold, hold + 1.2, hold + 2.2, 12]
    rush = np.interp(clock, rush_times, [0.05, 0.25, 1, 0.8, 0.25, 0.1, 0.02])
    gurgle = np.interp(clock, [0, 0.4, 1.8, 2.9, 4.0, 4.9, 12], [0.1, 0.3, 0.45, 1, 0.7, 0.05, 0])
    refill = rng.uniform(0.5, 1.5) * np.interp(clock, [0, 1.2, 2.8, 9, 12], [0, 0.1, 0.2, 0.15, 0])
    splash = np.exp(0.25 * _low_pass(rng.standard_normal(n), sr, 25) * np.sqrt(sr / 40))
    thud = rng.uniform(0.5, 2.0) * np.exp(-clock / 0.5) * _noise(rng, n, sr, 90, 350)
    water = rng.uniform(0.6, 1.2) * _noise(rng, n, sr, 150, 900)
    water += splash * rng.uniform(0.5, 1.1) * _noise(rng, n, sr, 700, 4000)
    water += splash * rng.uniform(0.3, 0.9) * _noise(rng, n, sr, 2500, 10000)
    y = rush * water + 0.5 * thud
    for centre in rng.uniform((250, 450, 800), (400, 750, 1300)):
        throb = np.maximum(0, _wander(rng, n, sr, rng.uniform(7, 12), -0.6, 1.4))
        sweep = np.cumsum(centre * _wander(rng, n, sr, 5, 0.7, 1.4)) / sr
        body = _low_pass(rng.standard_normal(n), sr, 40) * np.sqrt(sr / 40)
        y += 0.9 * gurgle * throb * body * np.cos(2 * np.pi * sweep)
    y += refill * _resonate(_noise(rng, n, sr, 1500, 10000), sr, [(2600, 900, 1), (5500, 2500, 1)])
    for t in _onsets(rng, n / sr, 0.025, 0.9):
        bubble = _bubble(sr, rng.uniform(300, 1800), rng.uniform(0.008, 0.03), 0.15)
        _add(y, 1.2 * gurgle[int(t * sr)] * rng.exponential() * bubble, int(t * sr))
    return _room(rng, y, sr, 0.5, 0.3)


def _chainsaw(rng: Rng, sr: int, n: int) -> Signal:
    throttle = _low_pass(_wander(rng, n, sr, rng.uniform(1.0, 3.0), -0.6, 1.6), sr, 3)
    throttle = np.clip(throttle, 0, 1)
    idle = rng.uniform(82, 98)
    rate = idle + (rng.uniform(122, 140) - idle) * throttle
    rate *= _wander(rng, n, sr, 15, 0.985, 1.015)
    firing = _pulses(rng, rate, sr, 0.08, 0.15)
    firing -= _low_pass(firing, sr, 150)
    power = 0.2 + 0.8 * throttle
    rasp = np.abs(firing) * (_noise(rng, n, sr, 700, 4000) + 0.7 * _noise(rng, n, sr, 2500, 9000))
    shift = rng.uniform(0.85, 1.2)
    exhaust = [(230 * shift, 120, 0.8), (450 * shift, 150, 1.4), (900 * shift, 300, 1.2)]
    exhaust += [(1600 * shift, 500, 1.4), (2900 * shift, 700, 0.9), (6400 * shift, 900, 0.4)]
    grit = rng.uniform(0.3, 0.9)
    y = power * (_resonate(firing + grit * rasp, sr, exhaust) + 0.5 * grit * power * rasp)
    return _room(rng, y, sr, 0.4, 0.2)


def _frog(rng: Rng, sr: int, n: int) -> Signal:
    chorus = _noise(rng, n, sr, 1900, 2400) * _wander(rng, n, sr, 16, 0.2, 1) ** 2
    y = 0.004 * chorus
    for distance in (1.0, 0.45, 0.2)[: rng.integers(1, 4)]:
        carrier, trill = rng.uniform(800, 1700), rng.uniform(20, 45)
        length, interval = rng.uniform(0.18, 0.4), rng.uniform(0.55, 1.0)
        f0 = carrier / rng.integers(2, 5)
        for t in _onsets(rng, n / sr, interval, 0.12):
            m = int(length * rng.uniform(0.85, 1.15) * sr) + 2
            arc = np.interp(np.linspace(0, 1, m), [0, 0.3, 1], [0.88, 1, 1.04])
            flaps = _pulses(rng, trill * arc, sr, 0.2, 0.15)
            voice = _low_pass(flaps, sr, 200) * _low_pass(_buzz(f0 * arc, sr), sr, 600)
            sac = [(carrier, 180, 1.0), (2 * carrier, 200, 0.4), (0.5 * carrier, 100, 0.1)]
            croak = _resonate(voice, sr, sac) * np.linspace(0.5, 1, m) * _fade(m, int(0.03 * sr))
            _add(y, distance * rng.uniform(0.8, 1.2) * croak, int(t * sr))
    return _room(rng, y, sr, 0.8, 0.15)


def _keyboard_typing(rng: Rng, sr: int, n: int) -> Signal:
    y = np.zeros(n)
    case, snap = rng.uniform(180, 350), rng.uniform(1600, 3000)
    presses = _bursts(rng, 16, sr, 0.5 * snap, 2 * snap, rng.uniform(0.003, 0.006))
    releases = _bursts(rng, 16, sr, snap, 3 * snap, 0.003)
    interval, t = rng.uniform(0.11, 0.18), rng.uniform(0.02, 0.1)
    while t < n / sr:
        key, size, space = rng.integers(16), rng.uniform(0.4, 1.0), rng.random() < 0.12
        thump = _bubble(sr, case * (0.55 if space else rng.uniform(0.8, 1.3)), 0.014, 0.0)
        _add(y, 0.35 * size * presses[key - 1], int(t * sr))
        _add(y, size * presses[key], int((t + 0.012) * sr))
        _add(y, size * (0.6 if space else 0.12) * thump, int((t + 0.012) * sr))
        _add(y, 0.35 * size * releases[key], int((t + rng.uniform(0.06, 0.11)) * sr))
        t += interval * rng.lognormal(0, 0.3) + (rng.random() < 0.07) * rng.uniform(0.3, 0.6)
    return _room(rng, y, sr, 0.2, 0.25)


def _water_drops(rng: Rng, sr: int, n: int) -> Signal:
    y = np.zeros(n)
    for _ in range(rng.integers(2, 6)):
        pitch, rise = rng.uniform(400, 2000), rng.uniform(0.02, 0.09)
        times = _onsets(rng, n / sr, rng.uniform(0.35, 0.9), 0.2)
        for t, tick in zip(times, _bursts(rng, len(times), sr, 2000, 9000, 0.003), strict=True):
            size, start = rng.uniform(0.4, 1), int(t * sr)
            _add(y, 0.4 * size * tick, start)
            for lag in (0.012, *rng.uniform(0.03, 0.12, rng.integers(0, 3))):
                f = pitch * rng.uniform(0.85, 1.2) * (1 + 4 * lag)
                drop = _bubble(sr, f, rng.uniform(0.008, 0.025), rise)
                _add(y, size * (0.05 / (0.04 + lag)) * drop, start + int(lag * sr))
    return _room(rng, y, sr, rng.uniform(0.5, 1.2), rng.uniform(0.15, 0.4))


def _clapping(rng: Rng, sr: int, n: int) -> Signal:
    y = np.zeros(n)
    for _ in range(int(np.exp(rng.uniform(np.log(4), np.log(60))))):
        centre, decay = rng.uniform(900, 2000), rng.uniform(0.005, 0.012)
        near = rng.uniform(0.2, 1) ** 2
        times = _onsets(rng, n / sr, rng.uniform(0.19, 0.36), 0.15)
        claps = _bursts(rng, len(times), sr, 0.4 * centre, 1.6 * centre, decay)
        snaps = _bursts(rng, len(times), sr, 2000, 9000, 0.004)
        claps[:, : snaps.shape[1]] += 0.25 * snaps
        for t, clap in zip(times, claps, strict=True):
            _add(y, near * rng.uniform(0.7, 1.1) * clap, int(t * sr))
    return _room(rng, y, sr, rng.uniform(0.6, 1.5), rng.uniform(0.3, 0.7))


_SOURCES: dict[str, tuple[Recipe, float]] = {
    "snoring": (_snoring, 0.08),
    "hand_saw": (_hand_saw, 0.1),
    "hen": (_hen, 0.09),
    "car_horn": (_car_horn, 0.12),
    "toilet_flush": (_toilet_flush, 0.1),
    "chainsaw": (_chainsaw, 0.15),
    "frog": (_frog, 0.09),
    "keyboard_typing": (_keyboard_typing, 0.05),
    "water_drops": (_water_drops, 0.05),
    "clapping": (_clapping, 0.1),
}
CATEGORIES: tuple[str, ...] = tuple(_SOURCES)
SAMPLE_RATES = (8000, 192000)
MAX_DURATION = 600.0


def synthesise(
    category: str, *, seed: int = 0, sr: int = 22050, duration: float = 5.0
) -> NDArray[np.float32]:
    """Simulate one recording of an ESC-50 category.

    Parameters
    ----------
    category : str
        One of `CATEGORIES`.
    seed : int >= 0
        Seed of the take: rate, pitch, timing, number of events, and room. The same seed gives the
        same bytes.
    sr : int, 8000 to 192000
        Sampling rate in Hz.
    duration : float, at most 600
        Length in seconds; at least one sample.

    Returns
    -------
    np.ndarray, shape=(round(sr * duration),), float32
        Mono sound with a peak of at most 0.9, no offset, a faint noise floor, and a fade at both
        ends.

    Raises
    ------
    ValueError
        If an argument is outside the values above.
    """
    if category not in _SOURCES:
        raise ValueError(f"category {category!r}; accepted: {', '.join(CATEGORIES)}")
    if not SAMPLE_RATES[0] <= sr <= SAMPLE_RATES[1]:
        raise ValueError(f"sr {sr!r}; accepted: {SAMPLE_RATES[0]} to {SAMPLE_RATES[1]} Hz")
    if not 0.5 / sr < duration <= MAX_DURATION:
        raise ValueError(f"duration {duration!r}; accepted: one sample to {MAX_DURATION:g} s")
    if seed < 0:
        raise ValueError(f"seed {seed!r}; accepted: 0 or more")
    n = round(sr * duration)
    rng = np.random.default_rng([seed, CATEGORIES.index(category)])
    generate, level = _SOURCES[category]
    y = generate(rng, sr, n)
    y *= level / np.sqrt(np.mean(y**2) + 1e-12)
    y += rng.uniform(3e-4, 2e-3) * _low_pass(rng.standard_normal(n), sr, 500) * np.sqrt(sr / 500)
    y = 0.8 * np.tanh(y / 0.8)
    y = signal.sosfilt(signal.butter(2, 25, "highpass", fs=sr, output="sos"), y)
    y *= _fade(n, int(0.008 * sr)) * min(1.0, 0.89 / (np.abs(y).max() + 1e-12))
    out: NDArray[np.float32] = y.astype(np.float32)
    return out
