"""Figures. Each function draws into the axes or the figure that it is given.

The colours of the style sheet ``nst_lib.show.nst`` can be told apart by colour-blind people: those
of Okabe and Ito for lines, and magma for spectrograms.
"""

import io
import os
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.image
import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import EngFormatter, MaxNLocator, MultipleLocator

from nst_lib.base.files import FIGURE_FORMATS, atomic, validate_output
from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import Transform
from nst_lib.result import TransferResult

STYLE = "nst_lib.show.nst"
#: The colour map of spectrograms.
MAP = "magma"
#: Range from the darkest to the brightest colour of a spectrogram, in dB.
RANGE_DB = 70.0
_OCTAVES = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_DEPTH = 1000
#: A longer time axis is in minutes and seconds.
MINUTE = 60.0
#: The largest number of labels on such an axis.
_LABELS = 6
#: Distances of the labels of a time axis in minutes and seconds, in seconds.
_STEPS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
#: Formats 2000 Hz as 2k.
HERTZ = EngFormatter(sep="")


def use_style() -> None:
    """Use the style sheet of the package for all later figures."""
    mpl.style.use(STYLE)


def spectrogram(
    ax: Axes,
    S: npt.NDArray[np.float32],
    transform: Transform,
    *,
    title: str = "",
    loudest: float | None = None,
    colorbar: bool = True,
) -> AxesImage:
    """Draw the spectrogram of a sound in decibels below the loudest value.

    All pictures of sounds are drawn by this function, so that brightness always means the same.
    Values more than `RANGE_DB` below the loudest value are black.

    Parameters
    ----------
    ax : Axes
        The axes to draw into.
    S : np.ndarray, shape=(freq, time)
        The spectrogram, log(1 + amplitude).
    transform : Transform
        The transform that made `S`; it gives times and frequencies.
    title : str
        Title of the axes.
    loudest : float or None
        The value of `S` that is shown as 0 dB; None is the largest value of `S`.
    colorbar : bool
        Whether to add a colour bar.

    Returns
    -------
    AxesImage
    """
    image = heatmap(
        ax,
        levels(S, float(S.max()) if loudest is None else loudest),
        transform,
        title=title,
        limits=(-RANGE_DB, 0),
    )
    if colorbar:
        level_bar([ax], image)
    return image


def spectrograms(
    axes: Iterable[Axes], shown: Mapping[str, npt.NDArray[np.float32]], transform: Transform
) -> None:
    """Draw several spectrograms on one scale: 0 dB is the loudest value of all of them.

    Parameters
    ----------
    axes : iterable of Axes
        One for each spectrogram. One colour bar is put beside them. Axes that are not needed are
        removed.
    shown : mapping of str to np.ndarray of shape=(freq, time)
        Title -> spectrogram, log(1 + amplitude).
    transform : Transform
        The transform that made the spectrograms; it gives times and frequencies.
    """
    axes = list(axes)
    loudest = max(float(S.max()) for S in shown.values())
    for ax, (title, S) in zip(axes, shown.items(), strict=False):
        image = spectrogram(ax, S, transform, title=title, loudest=loudest, colorbar=False)
        ax.label_outer()
    for ax in axes[len(shown) :]:
        ax.remove()
    level_bar(axes[: len(shown)], image)


def level_bar(axes: Sequence[Axes], image: AxesImage) -> None:
    """Add the colour bar of a spectrogram beside all axes that share its scale."""
    if axes[0].figure is not None:
        label = "Level (dB, 0 = loudest)"
        axes[0].figure.colorbar(image, ax=list(axes), label=label, aspect=30)


def levels(S: npt.NDArray[np.float32], loudest: float) -> npt.NDArray[np.float32]:
    """Return a spectrogram in decibels. Values below ``-RANGE_DB`` are raised to it.

    Parameters
    ----------
    S : np.ndarray
        The spectrogram, log(1 + amplitude). Values below 0, which an optimiser can produce, count
        with the magnitude that their inversion has.
    loudest : float
        The value of `S` that becomes 0 dB.
    """
    amplitude = np.abs(np.expm1(S))
    floor = 10 ** (-RANGE_DB / 20) * float(np.expm1(loudest)) or 1.0
    return np.asarray(20 * np.log10(np.maximum(amplitude / floor, 1)) - RANGE_DB, np.float32)


def heatmap(
    ax: Axes,
    values: npt.NDArray[np.float32],
    transform: Transform,
    *,
    title: str = "",
    limits: tuple[float, float] | None = None,
) -> AxesImage:
    """Draw one value for each bin and frame of a transform, against seconds and hertz.

    Parameters
    ----------
    ax : Axes
        The axes to draw into.
    values : np.ndarray, shape=(freq, time)
        The values.
    transform : Transform
        The transform; it gives times and frequencies.
    title : str
        Title of the axes.
    limits : tuple of float or None
        The values of the darkest and the brightest colour; None is 0 and the largest value.

    Returns
    -------
    AxesImage
    """
    seconds = transform.times(values.shape[1] + 1)[-1]
    if transform.freq_scale == "linear":
        bottom, top = transform.freqs[0], transform.freqs[-1]
        ax.yaxis.set_major_formatter(HERTZ)
    else:
        bottom, top = 0.0, float(transform.n_freq)
    vmin, vmax = (0.0, float(values.max())) if limits is None else limits
    image = ax.imshow(
        values,
        extent=(0, seconds, bottom, top),
        origin="lower",
        aspect="auto",
        cmap=MAP,
        vmin=vmin,
        vmax=vmax,
    )
    if transform.freq_scale == "log":
        ticks = [f for f in _OCTAVES if transform.freqs[0] <= f <= transform.freqs[-1]]
        bins = np.interp(ticks, transform.freqs, np.arange(transform.n_freq))
        ax.set_yticks(bins + 0.5, [HERTZ(f) for f in ticks])
    ax.set(title=title)
    time_axis(ax, seconds)
    ax.set_ylabel(transform.freq_label, labelpad=0)
    return image


def time_axis(ax: Axes, seconds: float) -> None:
    """Label the time axis: in seconds or, above a minute, in minutes and seconds.

    Parameters
    ----------
    ax : Axes
        Axes whose horizontal axis is in seconds.
    seconds : float > 0
        Length of the axis.
    """
    if seconds <= MINUTE:
        ax.set_xlabel("Time (s)")
        return
    step = next((step for step in _STEPS if seconds / step <= _LABELS), _STEPS[-1])
    ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(lambda time, _: minutes(time))
    ax.set_xlabel("Time (min:s)")


def minutes(seconds: float) -> str:
    """Return a time as minutes and seconds: 83 is "1:23"."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def feature_map(
    ax: Axes,
    F: npt.NDArray[np.float32],
    *,
    seconds: float,
    title: str = "",
    vmax: float | None = None,
) -> AxesImage:
    """Draw a feature map ``(channels, positions)`` against time.

    Parameters
    ----------
    ax : Axes
        The axes to draw into.
    F : np.ndarray, shape=(channels, positions)
        The activations.
    seconds : float > 0
        Duration of the sound.
    title : str
        Title of the axes.
    vmax : float or None
        The value of the brightest colour; None is the largest value of `F`.

    Returns
    -------
    AxesImage
    """
    image = ax.imshow(
        F,
        extent=(0, seconds, -0.5, len(F) - 0.5),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        vmin=min(0.0, float(F.min())),
        vmax=float(F.max()) if vmax is None else vmax,
    )
    ax.set(ylabel="Channel", title=title)
    time_axis(ax, seconds)
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label="Activation")
    return image


def losses(
    ax: Axes, evaluations: Sequence[Evaluation], *, realised: dict[str, float] | None = None
) -> Axes:
    """Draw the losses of all evaluations on a logarithmic axis.

    A loss that is always 0 is left out. A transfer that starts from the content has almost no
    content loss at first, and the axis does not reach down to these values. If the content loss
    stays that small, the legend gives its maximum.

    Parameters
    ----------
    ax : Axes
        The axes to draw into.
    evaluations : sequence of Evaluation
        All evaluations, in order.
    realised : dict of str to float or None
        The losses of the final sound. Its style loss is drawn as a dashed line.

    Returns
    -------
    Axes
    """
    steps = [evaluation.step for evaluation in evaluations]
    curves = {
        name: np.array([evaluation.losses[name] for evaluation in evaluations])
        for name in ("style", "content")
    }
    floor = _floor(**curves)
    for name, values in curves.items():
        if (values > 0).any():
            label = name if values.max() >= floor else f"{name}: at most {values.max():.0e}"
            ax.plot(steps, np.where(values > 0, values, np.nan), label=label, marker=".", ms=3)
    if realised is not None:
        level = realised["style"]
        floor = min(floor, level)
        ax.axhline(level, ls="--", color="0.4", label=f"style, final sound: {level:.3g}")
    ax.set(xlabel="Evaluation", ylabel="Weighted loss", yscale="log", title="Losses")
    if 0 < floor < np.inf:
        ax.set_ylim(bottom=floor / 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return ax


def _floor(style: npt.NDArray[np.float64], content: npt.NDArray[np.float64]) -> float:
    """Return the lowest loss to show.

    This is the lowest style loss or, if it is lower, a tenth of the last content loss. A content
    loss that ends `_DEPTH` times below the lowest style loss is ignored.
    """
    lowest = float(np.min(style, where=style > 0, initial=np.inf))
    return min(lowest, float(content[-1]) / 10) if content[-1] > lowest / _DEPTH else lowest


def transfer_figure(fig: Figure, result: TransferResult) -> Figure:
    """Draw the spectrograms of content, style and result, and the losses (Figure 5 of the study).

    Parameters
    ----------
    fig : Figure
        An empty figure.
    result : TransferResult
        The transfer to draw.

    Returns
    -------
    Figure
    """
    shown = [name for name in ("content", "style", "result") if name in result.spectrograms]
    panels = len(shown) + bool(result.evaluations)
    fig.set_size_inches(11, 3.3 * ((panels + 1) // 2))
    axes = fig.subplots((panels + 1) // 2, 2, squeeze=False).flat
    loudest = max(float(result.spectrograms[name].max()) for name in shown)
    for name, ax in zip(shown, axes, strict=False):
        S = result.spectrograms[name]
        spectrogram(ax, S, result.transform, title=name.capitalize(), loudest=loudest)
    if result.evaluations:
        losses(axes[len(shown)], result.evaluations, realised=result.realised)
    for ax in axes[panels:]:
        ax.set_axis_off()
    return fig


def png(fig: Figure, *, dpi: float) -> bytes:
    """Return a figure as PNG. The style in use does not change its size."""
    return _encode(fig, "png", dpi)


def webp(fig: Figure, *, dpi: float) -> bytes:
    """Return a figure as WebP, which needs a tenth of the bytes of a PNG for a spectrogram."""
    return _encode(fig, "webp", dpi)


def strip(S: npt.NDArray[np.float32], *, loudest: float) -> bytes:
    """Return a spectrogram without axes as WebP, with the colours of :func:`spectrogram`.

    Parameters
    ----------
    S : np.ndarray, shape=(freq, time)
        The spectrogram, log(1 + amplitude). Each value is one pixel; WebP has at most 16383 a side.
    loudest : float
        The value of `S` that is shown as 0 dB.
    """
    buffer = io.BytesIO()
    mpl.image.imsave(
        buffer,
        levels(S, loudest),
        vmin=-RANGE_DB,
        vmax=0,
        cmap=MAP,
        origin="lower",
        format="webp",
        pil_kwargs={"quality": 75, "method": 2},
    )
    return buffer.getvalue()


def _encode(fig: Figure, kind: str, dpi: float) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, dpi=dpi, bbox_inches=fig.bbox_inches)
    return buffer.getvalue()


def save(fig: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, SVG or PDF. The file appears whole or not at all."""
    path = validate_output(path, suffixes=FIGURE_FORMATS)
    with atomic(path) as temporary:
        fig.savefig(temporary)


def save_transfer_figure(result: TransferResult, path: str | os.PathLike[str]) -> None:
    """Write the figure of :func:`transfer_figure` in the style of the package."""
    with mpl.style.context(STYLE):
        save(transfer_figure(Figure(), result), path)
