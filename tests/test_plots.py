import numpy as np
import pytest
from matplotlib.figure import Figure

from nst_lib import CQT, STFT, TransferConfig, plots, transfer


@pytest.fixture(scope="module")
def result(dataset):
    pair = dataset.pairs()[0]
    config = TransferConfig(channels=8, steps=3, n_iter=1, duration=0.5)
    return transfer(pair.content, pair.style, config)


def test_stft_axes_are_in_seconds_and_kilohertz():
    ax = Figure().subplots()
    image = plots.spectrogram(ax, np.ones((513, 862), "float32"), STFT(), title="ones")
    assert image.get_extent() == pytest.approx([0, 862 * 128 / 22050, 0, 11.025])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Frequency (kHz)")
    assert image.colorbar.ax.get_ylabel() == "log(1 + amplitude)"


def test_cqt_ticks_stand_at_their_frequencies():
    ax = Figure().subplots()
    transform = CQT()
    plots.spectrogram(ax, np.ones((512, 10), "float32"), transform)
    labels = [float(label.get_text()) for label in ax.get_yticklabels()]
    assert labels[:3] == [0.0625, 0.125, 0.25]
    for tick, label in zip(ax.get_yticks(), labels, strict=True):
        bin_ = round(tick - 0.5)
        assert transform.freqs[bin_] == pytest.approx(1000 * label, rel=0.01)


def test_losses_are_on_a_logarithmic_axis(result):
    ax = plots.losses(Figure().subplots(), result.evaluations, realised=result.realised)
    assert ax.get_yscale() == "log"
    style = ax.get_lines()[0].get_ydata()
    assert list(style) == [evaluation.losses["style"] for evaluation in result.evaluations]


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
