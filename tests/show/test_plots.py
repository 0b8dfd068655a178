import numpy as np
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
