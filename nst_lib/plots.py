"""Figures: every function draws into the axes or the figure that it is given, and returns it.

The style sheet ``nst_lib.nst`` has colours that the colour-blind tell apart (Okabe and Ito's for
lines, magma for spectrograms).
"""

import io
import os
from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from nst_lib.files import FIGURE_FORMATS, atomic, validate_output
from nst_lib.optimise import Evaluation
from nst_lib.transfer import TransferResult
from nst_lib.transforms import Transform

STYLE = "nst_lib.nst"
#: Its colours for spectrograms.
MAP = "magma"
_OCTAVE_TICKS = (31.25, 62.5, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)


def use_style() -> None:
    """Use the package's style sheet for all figures from here on."""
    mpl.style.use(STYLE)


def spectrogram(
    ax: Axes,
    S: npt.NDArray[np.float32],
    transform: Transform,
    *,
    title: str = "",
    vmax: float | None = None,
    colorbar: bool = True,
) -> AxesImage:
    """Draw a spectrogram with time in seconds and frequency in kilohertz.

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
    vmax : float or None
        Value of the brightest colour, to compare several; None is the largest of `S`.
    colorbar : bool
        Whether to add the scale.

    Returns
    -------
    AxesImage
    """
    seconds = transform.times(S.shape[1] + 1)[-1]
    if transform.freq_scale == "linear":
        bottom, top = transform.freqs[0] / 1000, transform.freqs[-1] / 1000
    else:
        bottom, top = 0.0, float(transform.n_freq)
    image = ax.imshow(
        S,
        extent=(0, seconds, bottom, top),
        origin="lower",
        aspect="auto",
        vmin=0,
        vmax=float(S.max()) if vmax is None else vmax,
    )
    if transform.freq_scale == "log":
        ticks = [f for f in _OCTAVE_TICKS if transform.freqs[0] <= f <= transform.freqs[-1]]
        bins = np.interp(ticks, transform.freqs, np.arange(transform.n_freq))
        ax.set_yticks(bins + 0.5, [f"{f / 1000:g}" for f in ticks])
    ax.set(xlabel=transform.time_label, ylabel="Frequency (kHz)", title=title)
    if colorbar and ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label=transform.value_label)
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
    for name in ("style", "content"):
        values = np.array([evaluation.losses[name] for evaluation in evaluations])
        if (values > 0).any():
            ax.plot(steps, np.where(values > 0, values, np.nan), label=name, marker=".", ms=3)
    if realised is not None:
        level = realised["style"]
        ax.axhline(level, ls="--", color="0.4", label=f"style of the sound: {level:.3g}")
    ax.set(xlabel="Evaluation", ylabel="Weighted loss", yscale="log", title="Losses")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return ax


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
    vmax = max(float(result.spectrograms[name].max()) for name in shown)
    for name, ax in zip(shown, axes, strict=False):
        S = result.spectrograms[name]
        spectrogram(ax, S, result.transform, title=name.capitalize(), vmax=vmax)
    if result.evaluations:
        losses(axes[len(shown)], result.evaluations, realised=result.realised)
    for ax in axes[panels:]:
        ax.set_axis_off()
    return fig


def png(fig: Figure, *, dpi: float) -> bytes:
    """Return a figure as PNG, as large as it is whatever style is in use."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, bbox_inches=fig.bbox_inches)
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
