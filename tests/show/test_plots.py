import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
from matplotlib.figure import Figure

from nst_lib import CQT, STFT, TransferConfig, transfer
from nst_lib.core.optimise import Evaluation
from nst_lib.show import plots


@pytest.fixture(scope="module")
def result(dataset):
    pair = dataset.pairs()[0]
    config = TransferConfig(channels=8, steps=3, n_iter=1, duration=0.5)
    return transfer(pair.content, pair.style, config)


def test_stft_axes_are_in_seconds_and_hertz():
    ax = Figure().subplots()
    image = plots.spectrogram(ax, np.ones((513, 862), "float32"), STFT(), title="ones")
    assert image.get_extent() == pytest.approx([0, 862 * 128 / 22050, 0, 11025])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Frequency (Hz)")
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_yticklabels()][:3] == ["0", "2k", "4k"]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (61, ["0:00", "0:15", "0:30", "0:45", "1:00"]),
        (150, ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30"]),
        (600, ["0:00", "2:00", "4:00", "6:00", "8:00", "10:00"]),
        (7300, ["0:00", "30:00", "60:00", "90:00", "120:00"]),
    ],
)
def test_above_a_minute_times_are_in_minutes_and_seconds(seconds, labels):
    ax = Figure().subplots()
    transform = STFT(hop_length=round(seconds * 22050 / 400))
    plots.spectrogram(ax, np.ones((513, 400), "float32"), transform)
    ax.figure.draw_without_rendering()
    left, right = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if left <= tick <= right]
    assert [plots.minutes(tick) for tick in ticks] == labels
    assert {label.get_text() for label in ax.get_xticklabels()} >= set(labels)
    assert ax.get_xlabel() == "Time (min:s)"


def test_a_minute_is_in_seconds():
    ax = Figure().subplots()
    plots.feature_map(ax, np.eye(4, 100, dtype="float32"), seconds=60.0)
    assert ax.get_xlabel() == "Time (s)"


def test_a_strip_has_the_colours_of_the_spectrogram():
    S = np.linspace(0.01, 3, 64, dtype="float32")[:, None].repeat(900, axis=1)
    data = plots.strip(S, loudest=3.0)
    picture = np.asarray(PIL.Image.open(io.BytesIO(data), formats=["webp"]).convert("RGB"))
    assert picture.shape == (64, 900, 3)
    shares = 1 + plots.levels(S, 3.0)[::-1, 600] / plots.RANGE_DB
    wanted = 255 * mpl.colormaps[plots.MAP](shares)[:, :3]
    assert np.abs(picture[:, 600] - wanted).mean() < 4


def test_cqt_ticks_stand_at_their_frequencies():
    ax = Figure().subplots()
    transform = CQT()
    plots.spectrogram(ax, np.ones((512, 10), "float32"), transform)
    frequencies = [63, 125, 250, 500, 1000, 2000, 4000, 8000]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["63", "125", "250", "500", "1k", "2k", "4k", "8k"]
    for tick, frequency in zip(ax.get_yticks(), frequencies, strict=True):
        assert transform.freqs[round(tick - 0.5)] == pytest.approx(frequency, rel=0.01)


def test_brightness_is_decibels_below_the_loudest_that_is_shown():
    transform, quiet = STFT(), np.zeros((513, 4), "float32")
    quiet[0] = np.log1p([50, 5, 0.05, 5e-5])
    loud = np.full((513, 4), np.log1p(500), "float32")
    axes = Figure().subplots(1, 3)
    alone = plots.spectrogram(axes[0], quiet, transform)
    assert list(alone.get_array()[0]) == pytest.approx([0, -20, -60, -plots.RANGE_DB], abs=1e-4)
    assert alone.get_clim() == (-plots.RANGE_DB, 0)
    assert alone.colorbar.ax.get_ylabel() == "Level (dB, 0 = loudest)"
    plots.spectrograms(axes[1:], {"Quiet": quiet, "Loud": loud}, transform)
    beside = axes[1].get_images()[0]
    assert list(beside.get_array()[0]) == pytest.approx([-20, -40, -70, -70], abs=1e-4)
    assert beside.get_clim() == alone.get_clim()
    assert [ax.get_title() for ax in axes[1:]] == ["Quiet", "Loud"]


def test_silence_and_what_is_below_it():
    below = -np.log1p(np.array([[0.0, 1.0, 9.0]], "float32"))
    assert plots.levels(0 * below, 0.0) == pytest.approx(-plots.RANGE_DB)
    # An optimiser may leave exp(S) - 1 = -0.9: inverted with its magnitude.
    assert plots.levels(below, np.log1p(0.9))[0, 2] == pytest.approx(0, abs=1e-5)


def test_axes_that_are_left_over_go_away():
    fig = Figure()
    plots.spectrograms(fig.subplots(2, 2).flat, {"One": np.ones((513, 4), "float32")}, STFT())
    assert len(fig.axes) == 2, "the picture and its scale"


def evaluations(style, content):
    return [
        Evaluation(n, 0.0, {"style": s, "content": c, "total": s + c})
        for n, (s, c) in enumerate(zip(style, content, strict=True))
    ]


@pytest.mark.parametrize(
    ("content", "bottom", "label"),
    [
        ([1e-9, 0.02, 0.03], 0.003, "content"),
        ([1e-9, 3e-4, 1e-3], 1e-4, "content"),
        ([0, 1e-9, 2e-8], 0.05, "content: at most 2e-08"),
    ],
)
def test_losses_show_what_style_and_content_come_to(content, bottom, label):
    ax = plots.losses(Figure().subplots(), evaluations([10, 0.5, 0.05], content))
    assert ax.get_ylim()[0] == pytest.approx(bottom / 1.5)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["style", label]


def test_losses_are_on_a_logarithmic_axis(result):
    ax = plots.losses(Figure().subplots(), result.evaluations, realised=result.realised)
    assert ax.get_yscale() == "log"
    style = ax.get_lines()[0].get_ydata()
    assert list(style) == [evaluation.losses["style"] for evaluation in result.evaluations]
    assert ax.get_ylim()[0] < min(*style, result.realised["style"])


def test_feature_map_spans_the_sound():
    ax = Figure().subplots()
    image = plots.feature_map(ax, np.eye(4, 100, dtype="float32"), seconds=5.0)
    assert image.get_extent() == pytest.approx([0, 5, -0.5, 3.5])


def test_transfer_figure_of_ten_minutes_of_stereo(result, rng):
    transform = STFT(sr=44100, n_fft=2048, hop_length=11025)
    S = rng.uniform(0, 3, (1025, 2401)).astype("float32")
    spectrograms = dict.fromkeys(result.spectrograms, S)
    sound = np.zeros((2, 600 * 44100), "float32")
    sounds = {"audio": sound, "content": sound, "style": sound}
    long = replace(result, **sounds, spectrograms=spectrograms, transform=transform)
    fig = plots.transfer_figure(Figure(), long)
    assert [ax.get_xlabel() for ax in fig.axes[:4]] == ["Time (min:s)"] * 3 + ["Evaluation"]
    assert fig.axes[0].get_xlim() == pytest.approx((0, 600.25))
    assert plots.png(fig, dpi=50).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_transfer_figure_is_written_whole(result, tmp_path, suffix, magic):
    path = tmp_path / f"figure.{suffix}"
    plots.save_transfer_figure(result, path)
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write .gif; accepted: .png, .svg, .pdf"):
        plots.save(Figure(), tmp_path / "figure.gif")
