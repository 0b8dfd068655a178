"""The synthetic categories: contract, level, and the acoustics that name each one."""

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import signal

from nst_lib.sound.synth import CATEGORIES, synthesise

SR = 22050
SEEDS = range(4)
OUT = Path(os.environ.get("NST_TEST_OUT") or Path(__file__).parents[2] / "out" / "tests")

each_category = pytest.mark.parametrize("category", CATEGORIES)
each_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def clip(category, seed=0, duration=5.0):
    y = synthesise(category, seed=seed, sr=SR, duration=duration)
    y.flags.writeable = False
    return y


def rms(y):
    return np.sqrt(np.mean(np.square(y, dtype=np.float64)))


def power_spectrum(y, n_fft=4096):
    return signal.welch(y, SR, nperseg=n_fft)


def band_share(y, low, high):
    f, power = power_spectrum(y)
    return power[(f >= low) & (f < high)].sum() / power.sum()


def envelope(y, rate=100):
    """RMS in frames of 1 / rate seconds."""
    hop = SR // rate
    return np.sqrt(np.mean(y[: len(y) // hop * hop].reshape(-1, hop) ** 2, axis=1))


def modulation_peak(env, rate, low, high):
    spectrum = np.abs(np.fft.rfft((env - env.mean()) * np.hanning(len(env)), 8 * len(env)))
    f = np.fft.rfftfreq(8 * len(env), 1 / rate)
    inside = (f >= low) & (f <= high)
    return f[inside][spectrum[inside].argmax()]


def autocorrelation_peak(y, low, high):
    """Strength and frequency of the strongest normalised autocorrelation between two rates."""
    y = y - y.mean()
    r = signal.correlate(y, y, method="fft")[len(y) - 1 :]
    overlap = np.arange(len(y), 0, -1) / len(y)
    lags = np.arange(int(SR / high), int(SR / low) + 1)
    r = r[lags] / (r[0] * overlap[lags])
    return r.max(), SR / lags[r.argmax()]


def onset_rate(y, height=0.1, apart=0.03):
    """Rises of the 5 ms envelope to `height` of its maximum, per second."""
    env = envelope(y, 200)
    rise = np.maximum(0, np.diff(env))
    peaks, _ = signal.find_peaks(rise, height=height * rise.max(), distance=round(200 * apart))
    return len(peaks) * SR / len(y)


def flatness(y, low, high):
    """Median over frames of the geometric over the arithmetic mean of the power spectrum."""
    f, _, z = signal.stft(y, SR, nperseg=1024)
    power = np.abs(z[(f >= low) & (f < high)]) ** 2 + 1e-14
    return np.median(np.exp(np.log(power).mean(axis=0)) / power.mean(axis=0))


def comb_share(y):
    """Largest share of the power in 300..4000 Hz on multiples of two tones, and the two tones."""
    f, power = power_spectrum(y, 8192)
    inside = (f > 300) & (f < 4000)
    f, power = f[inside], power[inside]
    near = {f0: np.abs(f - f0 * np.round(f / f0)) < 10 for f0 in range(365, 575)}
    pairs = [(a, b) for a in range(365, 445, 2) for b in range(int(1.15 * a), int(1.29 * a), 2)]
    low, high = max(pairs, key=lambda pair: power[near[pair[0]] | near[pair[1]]].sum())
    return power[near[low] | near[high]].sum() / power.sum(), low, high


def test_the_ten_categories_of_the_study():
    assert CATEGORIES == (
        "snoring",
        "hand_saw",
        "hen",
        "car_horn",
        "toilet_flush",
        "chainsaw",
        "frog",
        "keyboard_typing",
        "water_drops",
        "clapping",
    )


@each_category
def test_same_seed_same_bytes(category):
    first, again = (synthesise(category, seed=3, duration=1.0) for _ in range(2))
    assert first.tobytes() == again.tobytes()


@each_category
def test_seeds_are_different_takes(category):
    for first, second in ((0, 1), (1, 2)):
        a, b = clip(category, first), clip(category, second)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.3
        spectra = [np.log(power_spectrum(y, 1024)[1][4:-60]) for y in (a, b)]
        envelopes = [np.log(envelope(y, 20)[1:-1]) for y in (a, b)]
        assert np.std(spectra[0] - spectra[1]) + np.std(envelopes[0] - envelopes[1]) > 0.4


@each_category
@pytest.mark.parametrize(
    ("sr", "duration"), [(8000, 1.0), (11025, 0.333), (16000, 2.00003), (44100, 0.7), (48000, 0.05)]
)
def test_length_type_and_range_for_any_rate(category, sr, duration):
    y = synthesise(category, sr=sr, duration=duration)
    assert y.shape == (round(sr * duration),)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert 0 < np.abs(y).max() <= 0.9


@each_category
def test_single_sample(category):
    assert synthesise(category, sr=8000, duration=1 / 8000).shape == (1,)


@each_category
@each_seed
def test_level_offset_edges_and_no_silence(category, seed):
    y = clip(category, seed)
    assert 0.03 < rms(y) < 0.25
    assert np.abs(y).max() <= 0.9
    assert abs(y.mean()) < 1e-3
    assert max(np.abs(y[:4]).max(), np.abs(y[-4:]).max()) < 0.01
    assert np.diff(np.flatnonzero(y)).max() <= 2
    assert envelope(y[200:-200], 50).min() > 1e-5


@each_category
@each_seed
def test_sound_fills_the_clip(category, seed):
    tenths = np.array([rms(part) for part in np.array_split(clip(category, seed), 10)])
    assert np.sum(tenths > 0.1 * rms(clip(category, seed))) >= 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"category": "dog"}, r"category 'dog'; accepted: snoring, hand_saw, .*clapping"),
        ({"sr": 7999}, r"sr 7999; accepted: 8000 to 192000 Hz"),
        ({"sr": 192001}, r"sr 192001; accepted: 8000 to 192000 Hz"),
        ({"duration": 0}, r"duration 0; accepted: one sample to 600 s"),
        ({"duration": -1.0}, r"duration -1.0; accepted: one sample"),
        ({"duration": 600.5}, r"duration 600.5; accepted: one sample"),
        ({"duration": float("nan")}, r"duration nan; accepted: one sample"),
        ({"seed": -1}, r"seed -1; accepted: 0 or more"),
    ],
)
def test_bad_arguments_name_what_is_accepted(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesise(**({"category": "hen"} | arguments))


@each_seed
def test_snoring_is_a_slow_breath_with_a_low_flutter(seed):
    y = clip("snoring", seed, 20.0)
    env = envelope(y, 100)
    assert 0.22 < modulation_peak(env, 100, 0.1, 8) < 0.9
    assert band_share(y, 0, 1000) > 0.85
    strength, rate = max(autocorrelation_peak(part, 30, 85) for part in np.array_split(y, 80))
    assert strength > 0.7
    assert 33 < rate < 84


@each_seed
def test_hand_saw_strokes_come_one_to_four_times_a_second(seed):
    y = clip("hand_saw", seed)
    env = envelope(y, 100)
    assert 0.7 < modulation_peak(env, 100, 0.3, 20) < 4
    assert np.percentile(env, 10) < 0.35 * np.median(env)
    assert flatness(y, 1500, 6000) > 0.3


@each_seed
def test_hen_voice_is_harmonic_between_300_and_950_hz(seed):
    y = clip("hen", seed)
    frames = np.lib.stride_tricks.sliding_window_view(y, 1024)[::512]
    loud = frames[np.argsort(np.var(frames, axis=1))[-20:]]
    strength, pitch = np.array([autocorrelation_peak(frame, 250, 1000) for frame in loud]).T
    assert np.median(strength) > 0.65
    assert 300 < np.median(pitch) < 950
    assert 2 < onset_rate(y, apart=0.1) < 9


@each_seed
def test_car_horn_is_two_harmonic_tones_a_third_apart(seed):
    share, low, high = comb_share(clip("car_horn", seed))
    assert share > 0.9
    assert 1.15 < high / low < 1.29
    assert comb_share(clip("hand_saw", seed))[0] < 0.3


@each_seed
def test_toilet_flush_is_noise_that_swells_and_drains(seed):
    y = clip("toilet_flush", seed)
    assert flatness(y, 1500, 6000) > 0.35
    assert flatness(clip("car_horn", seed), 1500, 6000) < 0.1
    env = envelope(y, 10)
    peak = env.argmax() / 10
    assert 0.3 < peak < 4.8
    assert env[0] < 0.7 * env.max()
    assert env[-5:].mean() < 0.7 * env.max()


@each_seed
def test_chainsaw_repeats_at_the_engine_rate(seed):
    frames = clip("chainsaw", seed)[: 53 * 2048].reshape(53, 2048)
    strength, rate = np.array([autocorrelation_peak(frame, 75, 148) for frame in frames]).T
    assert np.median(strength) > 0.35
    assert 78 < np.median(rate) < 145
    assert np.ptp(np.percentile(rate, (10, 90))) > 5
    flush = clip("toilet_flush", seed)[: 53 * 2048].reshape(53, 2048)
    assert np.median([autocorrelation_peak(frame, 75, 148)[0] for frame in flush]) < 0.25


@each_seed
def test_frog_croaks_are_tones_pulsed_twenty_times_a_second(seed):
    y = clip("frog", seed)
    f, power = power_spectrum(y)
    assert 700 < f[power.argmax()] < 1900
    assert band_share(y, 500, 4000) > 0.85
    env = envelope(y, 200)
    assert 18 < modulation_peak(env, 200, 12, 90) < 50
    assert flatness(y, 300, 4000) < 0.2


@each_seed
def test_keyboard_is_bright_clicks_with_irregular_gaps(seed):
    y = clip("keyboard_typing", seed)
    assert np.abs(y).max() / rms(y) > 10
    assert 4 < onset_rate(y) < 22
    assert band_share(y, 1000, 11025) > 0.5


@each_seed
def test_water_drops_are_sparse_and_rise_in_pitch(seed):
    y = clip("water_drops", seed)
    assert np.abs(y).max() / rms(y) > 6
    assert 1 < onset_rate(y, 0.2) < 14
    f, _, z = signal.stft(y, SR, nperseg=512, noverlap=448)
    power = np.abs(z[(f > 300) & (f < 4500)]) ** 2
    up, down = np.sum(power[1:, 4:] * power[:-1, :-4]), np.sum(power[:-1, 4:] * power[1:, :-4])
    assert up > 1.1 * down


@each_seed
def test_clapping_is_many_broad_bursts_in_the_midrange(seed):
    y = clip("clapping", seed)
    assert onset_rate(y) > 5
    assert band_share(y, 400, 5000) > 0.8
    f, power = power_spectrum(y, 512)
    middle = power[(f > 700) & (f < 2500)]
    assert middle.max() / middle.min() < 15


def test_takes_of_a_category_resemble_each_other_most():
    """Nearest neighbour over octave-like bands and modulation bands, leaving the clip out."""
    features, labels = [], []
    for category in CATEGORIES:
        for seed in SEEDS:
            y = clip(category, seed)
            f, power = power_spectrum(y)
            edges = np.geomspace(80, 11000, 13)
            bands = [power[(f >= a) & (f < b)].mean() for a, b in pairwise(edges)]
            env = envelope(y, 200)
            g, motion = signal.welch(env / env.mean(), 200, nperseg=512)
            slow = np.geomspace(0.5, 100, 9)
            moves = [motion[(g >= a) & (g < b)].mean() for a, b in pairwise(slow)]
            log = 10 * np.log10(bands)
            features.append(np.concatenate([log - log.mean(), 10 * np.log10(moves)]))
            labels.append(category)
    distance = np.linalg.norm(np.array(features)[:, None] - np.array(features), axis=-1)
    np.fill_diagonal(distance, np.inf)
    hits = np.array(labels)[distance.argmin(axis=1)] == np.array(labels)
    assert hits.mean() >= 0.9


def test_picture_of_all_ten():
    fig = Figure(figsize=(16, 7), layout="constrained")
    for ax, category in zip(
        fig.subplots(2, 5, sharex=True, sharey=True).flat, CATEGORIES, strict=True
    ):
        _, _, z = signal.stft(clip(category), SR, nperseg=1024, noverlap=768)
        level = 20 * np.log10(np.abs(z) / np.abs(z).max() + 1e-5)
        image = ax.imshow(
            level,
            origin="lower",
            aspect="auto",
            extent=(0, 5, 0, SR / 2000),
            vmin=-80,
            vmax=0,
            cmap="magma",
        )
        ax.set_title(f"synthetic: {category}", fontsize=10)
        ax.set_xlabel("time (s)")
        ax.set_ylabel("frequency (kHz)")
        ax.label_outer()
    fig.colorbar(image, ax=fig.axes, label="magnitude (dB re the clip's maximum)")
    fig.suptitle("Ten simulated categories, seed 0, 22.05 kHz")
    OUT.mkdir(parents=True, exist_ok=True)
    fig.savefig(OUT / "synth.png", dpi=80)
    assert (OUT / "synth.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (OUT / "synth.png").stat().st_size > 100_000
