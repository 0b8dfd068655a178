"""Figures: every function draws into the axes or the figure that it is given, and returns it.

The style sheet ``nst_lib.nst`` has colours that the colour-blind tell apart (Okabe and Ito's for
lines, magma for spectrograms).
"""

import io
import os
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import EngFormatter, MaxNLocator

from nst_lib.base.files import FIGURE_FORMATS, atomic, validate_output
from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import Transform
from nst_lib.result import TransferResult

STYLE = "nst_lib.show.nst"
#: Its colours for spectrograms.
MAP = "magma"
#: From the brightest colour of a spectrogram to the darkest, dB.
RANGE_DB = 70.0
_OCTAVES = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_DEPTH = 1000
#: Writes 2000 Hz as 2k.
_HERTZ = EngFormatter(sep="")


def use_style() -> None:
    """Use the package's style sheet for all figures from here on."""
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
    """Draw a sound's spectrogram: seconds, hertz, and decibels below the loudest value.

    Every picture of a sound is drawn by this, so that brightness always means the same. What lies
    more than `RANGE_DB` below the loudest is black.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    S : np.ndarray, shape=(freq, time)
        log(1 + amplitude).
    transform : Transform
        What `S` is a spectrogram of: gives the axes.
    title : str
        Above the axes.
    loudest : float or None
        Value of `S` that is 0 dB: the largest of all that are shown together, as
        :func:`spectrograms` finds it; None is the largest of `S`.
    colorbar : bool
        Whether to add the scale.

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
    """Draw spectrograms side by side on one scale: 0 dB is the loudest value of them all.

    Parameters
    ----------
    axes : iterable of Axes
        One for each; the scale stands beside them. Those that are left over are removed.
    shown : mapping of str to np.ndarray of shape=(freq, time)
        Title -> log(1 + amplitude).
    transform : Transform
        What they are spectrograms of: gives the axes.
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
    """Add the scale of a spectrogram, beside all axes that it holds for."""
    if axes[0].figure is not None:
        label = "Level (dB, 0 = loudest)"
        axes[0].figure.colorbar(image, ax=list(axes), label=label, aspect=30)


def levels(S: npt.NDArray[np.float32], loudest: float) -> npt.NDArray[np.float32]:
    """Return a spectrogram in decibels, no lower than ``-RANGE_DB``.

    Parameters
    ----------
    S : np.ndarray
        log(1 + amplitude); an optimiser may leave values below 0, whose magnitude is inverted.
    loudest : float
        Value of `S` that becomes 0 dB.
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
    """Draw any values that a transform's bins and frames have: seconds and hertz.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    values : np.ndarray, shape=(freq, time)
        What to draw.
    transform : Transform
        What they belong to: gives the axes.
    title : str
        Above the axes.
    limits : tuple of float or None
        Values of the darkest and the brightest colour; None is 0 and the largest of `values`.

    Returns
    -------
    AxesImage
    """
    seconds = transform.times(values.shape[1] + 1)[-1]
    if transform.freq_scale == "linear":
        bottom, top = transform.freqs[0], transform.freqs[-1]
        ax.yaxis.set_major_formatter(_HERTZ)
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
        ax.set_yticks(bins + 0.5, [_HERTZ(f) for f in ticks])
    ax.set(xlabel=transform.time_label, title=title)
    ax.set_ylabel(transform.freq_label, labelpad=0)
    return image


def feature_map(
    ax: Axes,
    F: npt.NDArray[np.float32],
    *,
    seconds: float,
    title: str = "",
    vmax: float | None = None,
) -> AxesImage:
    """Draw a feature map ``(channels, positions)`` that spans `seconds`.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    F : np.ndarray, shape=(channels, positions)
        Activations.
    seconds : float > 0
        Duration of the sound.
    title : str
        Above the axes.
    vmax : float or None
        Value of the brightest colour; None is the largest of `F`.

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
    ax.set(xlabel="Time (s)", ylabel="Channel", title=title)
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label="Activation")
    return image


def losses(
    ax: Axes, evaluations: Sequence[Evaluation], *, realised: dict[str, float] | None = None
) -> Axes:
    """Draw the loss table on a logarithmic axis; terms that are always 0 are left out.

    A transfer that starts from the content has next to no content loss at first: the axis does not
    reach down to it. Where the content loss stays that small, the legend says how small.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    evaluations : sequence of Evaluation
        The loss table.
    realised : dict of str to float or None
        Losses of the sound itself, as a dashed line.

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
            label = name if values.max() >= floor else f"{name}: {values.max():.0e} at most"
            ax.plot(steps, np.where(values > 0, values, np.nan), label=label, marker=".", ms=3)
    if realised is not None:
        level = realised["style"]
        floor = min(floor, level)
        ax.axhline(level, ls="--", color="0.4", label=f"style of the sound: {level:.3g}")
    ax.set(xlabel="Evaluation", ylabel="Weighted loss", yscale="log", title="Losses")
    if 0 < floor < np.inf:
        ax.set_ylim(bottom=floor / 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return ax


def _floor(style: npt.NDArray[np.float64], content: npt.NDArray[np.float64]) -> float:
    """Return the lowest loss to show: the style's, or a tenth of what the content's ends at.

    A content loss that ends `_DEPTH` times below the style's is not shown.
    """
    lowest = float(np.min(style, where=style > 0, initial=np.inf))
    return min(lowest, float(content[-1]) / 10) if content[-1] > lowest / _DEPTH else lowest


def transfer_figure(fig: Figure, result: TransferResult) -> Figure:
    """Draw content, style and result, and how the losses fell (the study's Figure 5, and more).

    Parameters
    ----------
    fig : Figure
        An empty figure.
    result : TransferResult
        What to show.

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
    """Return a figure as PNG, as large as it is whatever style is in use."""
    return _encode(fig, "png", dpi)


def webp(fig: Figure, *, dpi: float) -> bytes:
    """Return it as WebP, for pages that hold many: a tenth of a PNG's bytes, of a spectrogram."""
    return _encode(fig, "webp", dpi)


def _encode(fig: Figure, kind: str, dpi: float) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, dpi=dpi, bbox_inches=fig.bbox_inches)
    return buffer.getvalue()


def save(fig: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, SVG or PDF, whole or not at all."""
    path = validate_output(path, suffixes=FIGURE_FORMATS)
    with atomic(path) as temporary:
        fig.savefig(temporary)


def save_transfer_figure(result: TransferResult, path: str | os.PathLike[str]) -> None:
    """Write :func:`transfer_figure` in the package's style."""
    with mpl.style.context(STYLE):
        save(transfer_figure(Figure(), result), path)
