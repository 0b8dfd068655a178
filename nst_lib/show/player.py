"""Players that play sounds at their own level and show spectrograms, in a notebook or on a page.

IPython's own player makes every sound as loud as possible, which hides how a style transfer changes
the level. These players keep the level. Only if a sound would clip, all sounds of the player are
turned down by the same gain, and the player says so. The players need no kernel after they are
shown, so they also work in exported pages.

Long sounds are compressed, because a page holds all that it plays. Below the spectrogram of a long
sound, a second one shows a few seconds around the position.
"""

import html
import json
import os
import string
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from string import Template

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nst_lib.show import plots
from nst_lib.show.embed import COMPRESSED, array_url, data_url, file_url, is_heavy, playable
from nst_lib.show.overview import Overview, Spectrogram, overview
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Clip
from nst_lib.sound.decoding import probe

Source = str | os.PathLike[str] | Clip | Audio
#: Size of a figure, in pixels.
WIDTH, HEIGHT, DPI = 720, 220, 100
#: Position of the axes: left, bottom, width and height as shares of the figure.
AXES = (0.09, 0.21, 0.785, 0.76)
#: Position of the colour scale.
SCALE = (0.89, 0.21, 0.015, 0.76)
#: The labels of blind sounds.
LETTERS = string.ascii_uppercase
#: A longer sound is also shown in detail, in seconds.
LONG = 20.0
#: Part of a long sound that is shown in detail, in seconds.
ZOOM = 10.0
#: A larger player says how large it is, in bytes.
LARGE = 5e6
#: Width of the pictures that make up the details, in pixels.
_TILE = 4096


class Compare:
    """A player that switches between sounds at the same position while they play.

    Parameters
    ----------
    sounds : mapping of str to (path, Clip or np.ndarray)
        Name -> sound. The shape of an array is ``(samples,)`` or ``(channels, samples)``. A file is
        played unchanged, unless it has samples beyond full scale or is long. Sounds of more than
        half a minute are compressed (Ogg Vorbis, at most about 1.2 MB for a minute of stereo), and
        the player says so.
    sr : int
        Sampling rate of arrays, clips and spectrograms, in Hz. Spectrograms show the mean power of
        all channels.
    blind : bool
        Whether the sounds are labelled A, B, ... in random order and shown without spectrograms
        until the listener asks for the names. A single sound is never blind.
    seed : int
        Seed of the random order.
    spectrogram : bool
        Whether to draw spectrograms, in decibels, all with the same colour scale.
    interactive : bool
        If False, plain audio elements and figures are used, for pages that run no scripts.

    Attributes
    ----------
    names : list of str
        The names of the sounds, in the order in which they are shown.
    gain : float
        The gain of all sounds: less than 1 if one of them would clip, otherwise 1.
    size : int
        The size of the player in a page, in bytes. Above 5 MB, the player says how large it is.

    Raises
    ------
    ValueError
        If there are no sounds, more than 26 blind sounds, or a sound of another type.
    AudioError
        If a sound cannot be read, is silent, or is empty.
    """

    def __init__(
        self,
        sounds: Mapping[str, Source],
        *,
        sr: int = 22050,
        blind: bool = False,
        seed: int = 0,
        spectrogram: bool = True,
        interactive: bool = True,
    ) -> None:
        if not sounds:
            raise ValueError("no sounds; accepted: one or more")
        blind = blind and len(sounds) > 1
        if blind and len(sounds) > len(LETTERS):
            raise ValueError(f"{len(sounds)} blind sounds; accepted: {len(LETTERS)} at most")
        order = (
            np.random.default_rng(seed).permutation(len(sounds)) if blind else range(len(sounds))
        )
        named = [*sounds.items()]
        self.names = [str(named[k][0]) for k in order]
        self._sources = [named[k][1] for k in order]
        self.blind, self.spectrogram, self.interactive = blind, spectrogram, interactive
        self._sr = sr
        self._samples = [
            _samples(source, sr, name)
            for name, source in zip(self.names, self._sources, strict=True)
        ]
        self.gain = min(1.0, *(_headroom(*one) for one in self._pairs()))

    @property
    def labels(self) -> list[str]:
        """The labels of the sounds before the listener asks for the names."""
        return list(LETTERS[: len(self.names)]) if self.blind else self.names

    @property
    def size(self) -> int:
        """The size of :meth:`to_html` in bytes."""
        return len(self.to_html().encode())

    @cached_property
    def figures(self) -> list[bytes]:
        """The spectrograms as WebP. All of them have the time axis of the longest sound."""
        return [_draw(one, self._loudest, self._seconds) for one in self._overviews]

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the player as HTML that needs no other files."""
        return self._scripted() if self.interactive else "\n".join(self._plain())

    @property
    def _seconds(self) -> float:
        return max(self._lengths)

    @cached_property
    def _lengths(self) -> list[float]:
        """The durations of the sounds in seconds."""
        return [y.shape[-1] / self._sr for y in self._samples]

    @cached_property
    def _overviews(self) -> list[Overview]:
        detail = self.interactive and self._seconds > LONG
        return [overview(y, sr=self._sr, detail=detail) for y in self._samples]

    @property
    def _loudest(self) -> float:
        return max(one.loudest for one in self._overviews)

    @cached_property
    def _compressed(self) -> list[bool]:
        """Whether each of the sounds is compressed for the page."""
        return [*map(is_heavy, self._sources, self._lengths)]

    @cached_property
    def _urls(self) -> list[str]:
        """The URLs of the sounds."""
        return [
            self._url(source, y, compress)
            for (source, y), compress in zip(self._pairs(), self._compressed, strict=True)
        ]

    def _url(self, source: Source, y: Audio, compress: bool) -> str:
        path = playable(source)
        if path is not None and (compress or self.gain == 1):
            return file_url(path, compress=compress, gain=self.gain)
        # FLAC is half as large as WAV, but browsers need the script to seek in it.
        kind = "ogg" if compress else "flac" if self.interactive else "wav"
        return array_url(y, sr=self._sr, gain=self.gain, kind=kind)

    @cached_property
    def _images(self) -> list[str]:
        """The URLs of the spectrograms; none if they are not wanted."""
        return [data_url("image/webp", data) for data in self.figures] if self.spectrogram else []

    @cached_property
    def _strips(self) -> list[str]:
        """The details of each sound as images side by side; none if no sound is long."""
        return [
            "".join(_tiles(one.detail, one.step, self._loudest, self._seconds))
            for one in (self._overviews if self.spectrogram else ())
            if one.detail is not None
        ]

    def _pairs(self) -> list[tuple[Source, Audio]]:
        return list(zip(self._sources, self._samples, strict=True))

    def _scripted(self) -> str:
        """Return the player with its script."""
        left, bottom, width, height = (100 * share for share in AXES)
        blind = " data-blind" if self.blind else ""
        labels = [html.escape(label) for label in self.labels]
        choices = [
            f'<button type="button" data-choice data-name="{html.escape(name)}">{label}</button>'
            for name, label in zip(self.names, labels, strict=True)
        ]
        template = resources.files("nst_lib.show").joinpath("player.html").read_text("utf-8")
        return Template(template).substitute(
            label=", ".join(labels),
            choices="\n".join(choices) if len(choices) > 1 else f"<strong>{labels[0]}</strong>",
            reveal='<button type="button" data-reveal>Which is which?</button>' if blind else "",
            images="".join(
                f'<img src="{url}" alt="Spectrogram of {label}"{blind}>'
                for url, label in zip(self._images, labels, strict=bool(self._images))
            ),
            zoom=self._zoom(blind),
            sounds="\n".join(
                f'<audio controls preload="auto" aria-label="{label}" src="{url}"></audio>'
                for url, label in zip(self._urls, labels, strict=True)
            ),
            notes="\n".join(f'<p class="note">{html.escape(note)}</p>' for note in self._notes()),
            pixels=WIDTH,
            top=f"{100 - bottom - height:g}",
            height=f"{height:g}",
            left=f"{left:g}",
            across=f"{width:g}",
            seconds=json.dumps(self._seconds),
            zoomed=f"{ZOOM:g}",
        )

    def _zoom(self, blind: str) -> str:
        """Return the details of long sounds, which scroll; nothing if no sound is long."""
        if not self._strips:
            return ""
        top = self._sr / 2
        ticks = MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(0, top)
        scale = "".join(
            f'<span style="bottom: {100 * f / top:.4g}%">{plots.HERTZ(f)}</span>'
            for f in ticks
            if 0 <= f <= top
        )
        strips = "".join(f'<div class="tiles"{blind}>{strip}</div>' for strip in self._strips)
        name = f"{ZOOM:g} seconds in detail"
        return (
            f'<div class="zoom"><div class="scale" aria-hidden="true">{scale}</div>'
            f'<div class="scroll" tabindex="0" role="group" aria-label="{name}">'
            f'<div class="strip">{strips}<div class="cursor"></div></div></div></div>'
        )

    def _plain(self) -> list[str]:
        """Return one line of HTML for each sound, with its figure above it."""
        lines = []
        figures = [] if self.blind else self._images
        for k, (label, sound) in enumerate(zip(self.labels, self._urls, strict=True)):
            image = f'<img src="{figures[k]}" alt="Spectrogram"><br>' if figures else ""
            lines.append(
                f'<p>{html.escape(label)}<br>{image}<audio controls src="{sound}"></audio></p>'
            )
        if self.blind:
            names = ", ".join(map(" is ".join, zip(self.labels, self.names, strict=True)))
            lines.append(
                f"<details><summary>Which is which?</summary>{html.escape(names)}</details>"
            )
        return [*lines, *(f"<p>{html.escape(note)}</p>" for note in self._notes())]

    def _notes(self) -> Iterator[str]:
        if self.gain < 1:
            yield f"Turned down by {-20 * np.log10(self.gain):.1f} dB to avoid clipping."
        if any(self._compressed):
            yield COMPRESSED
        size = sum(map(len, [*self._urls, *self._images, *self._strips]))
        if size > LARGE:
            yield f"This player adds {size / 1e6:.0f} MB to the page."


class Player(Compare):
    """A player of one sound. A click on the spectrogram moves the playback position.

    Parameters
    ----------
    sound : path, Clip or np.ndarray of shape=(samples,) or (channels, samples)
        The sound.
    title : str
        The name of the sound.
    sr, spectrogram, interactive
        See :class:`Compare`.
    """

    def __init__(
        self,
        sound: Source,
        *,
        title: str = "sound",
        sr: int = 22050,
        spectrogram: bool = True,
        interactive: bool = True,
    ) -> None:
        super().__init__({title: sound}, sr=sr, spectrogram=spectrogram, interactive=interactive)


def _samples(source: Source, sr: int, name: str) -> Audio:
    if isinstance(source, Clip):
        return source.load(sr=sr, mono=False)
    if isinstance(source, np.ndarray):
        return audio.validate(source, name=name, mono=False)
    if isinstance(source, str | os.PathLike):
        return audio.read(source, sr=sr, mono=False)
    kind = type(source).__name__
    raise ValueError(f"{name}: a {kind}; accepted: a path, a Clip or a NumPy array of samples")


def _headroom(source: Source, y: Audio) -> float:
    """Return the gain that avoids clipping: always 1 for a file with whole-number samples."""
    peak = float(max(y.max(), -y.min()))
    path = playable(source)
    if peak <= 1 or (path is not None and not probe(path).is_float):
        return 1.0
    return audio.PEAK / peak


def _draw(shown: Overview, loudest: float, seconds: float) -> bytes:
    """Return a spectrogram as WebP."""
    fig = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    fig.set_layout_engine("none")
    ax = fig.add_axes(AXES)
    image = plots.spectrogram(ax, shown.S, shown.transform, loudest=loudest, colorbar=False)
    fig.colorbar(image, cax=fig.add_axes(SCALE), label="Level (dB)")
    ax.set_xlim(0, seconds)
    plots.time_axis(ax, seconds)
    return plots.webp(fig, dpi=DPI)


def _tiles(detail: Spectrogram, step: float, loudest: float, seconds: float) -> Iterator[str]:
    """Yield the details of a sound as images whose widths are shares of the longest sound."""
    for start in range(0, detail.shape[1], _TILE):
        S = detail[:, start : start + _TILE]
        url = data_url("image/webp", plots.strip(S, loudest=loudest))
        yield f'<img src="{url}" alt="" style="width: {100 * S.shape[1] * step / seconds:.6g}%">'
