"""Sounds to listen to and look at, in a notebook or on a page, as loud as they are.

IPython's own player makes every sound as loud as it can be, which hides what a style transfer does
to the level. These players never change a level. What would clip is turned down, all sounds of a
player by as much, and the player says so. They need no kernel once they are shown, so that they
play in exported pages too.
"""

import base64
import html
import io
import json
import os
import string
from collections.abc import Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
import soundfile as sf
import torch
from matplotlib.figure import Figure

from nst_lib.core.transforms import STFT
from nst_lib.show import plots
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Clip
from nst_lib.sound.decoding import probe

Source = str | os.PathLike[str] | Clip | Audio
#: A figure, in pixels, and its axes: left, bottom, width, height as shares of it.
WIDTH, HEIGHT, DPI = 720, 220, 100
AXES = (0.09, 0.21, 0.785, 0.76)
#: The scale of its colours.
SCALE = (0.89, 0.21, 0.015, 0.76)
#: What blind sounds are called.
LETTERS = string.ascii_uppercase
#: Files that browsers play as they are.
PLAYED = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
}


class Compare:
    """Sounds to switch between, at the same position while they play.

    Parameters
    ----------
    sounds : mapping of str to (path, Clip or np.ndarray of shape=(samples,))
        What each is called. A file is played as it is, unless it has samples beyond full scale.
    sr : int
        Sample rate of arrays and clips, and of the spectrograms, Hz.
    blind : bool
        Whether sounds are called A, B, ... in an order of chance, and shown without spectrograms,
        until the listener asks for the names. One sound alone has nothing to be taken for.
    seed : int
        Of that order.
    spectrogram : bool
        Whether to draw them, in decibels, with one scale of colours for all.
    interactive : bool
        Without, plain audio elements and figures, for pages that run no scripts.

    Attributes
    ----------
    names : list of str
        What the sounds are called, in the order that they are shown.
    gain : float
        What all were turned down by so that none clips; mostly 1.

    Raises
    ------
    ValueError
        If there are no sounds, more than 26 blind ones, or one of another type.
    AudioError
        If one cannot be read, or is silent or empty.
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
        """What the sounds are called to begin with."""
        return list(LETTERS[: len(self.names)]) if self.blind else self.names

    @cached_property
    def figures(self) -> list[bytes]:
        """Spectrograms, WebP, all with the time axis of the longest sound."""
        transform = STFT(sr=self._sr)
        shortest = transform.min_samples
        padded = [audio.fit(y, max(len(y), shortest)) for y in self._samples]
        spectrograms = [transform(torch.from_numpy(y)).numpy() for y in padded]
        loudest = max(float(S.max()) for S in spectrograms)
        return [_draw(S, transform, loudest, self._seconds) for S in spectrograms]

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the player as HTML that needs nothing else."""
        figures = (
            [data_url("image/webp", data) for data in self.figures] if self.spectrogram else []
        )
        kind = (
            "flac" if self.interactive else "wav"
        )  # half as large, but only scripts mend its seeking
        sounds = [_sound(*one, gain=self.gain, sr=self._sr, kind=kind) for one in self._pairs()]
        if not self.interactive:
            return "\n".join(self._plain(figures, sounds))
        left, bottom, width, height = (100 * share for share in AXES)
        blind = " data-blind" if self.blind else ""
        choices = [
            f'<button type="button" data-choice data-name="{html.escape(name)}">'
            f"{html.escape(label)}</button>"
            for name, label in zip(self.names, self.labels, strict=True)
        ]
        template = resources.files("nst_lib.show").joinpath("player.html").read_text("utf-8")
        return Template(template).substitute(
            label=html.escape(", ".join(self.labels)),
            choices="\n".join(choices)
            if len(choices) > 1
            else f"<strong>{html.escape(self.labels[0])}</strong>",
            reveal='<button type="button" data-reveal>Which is which?</button>' if blind else "",
            images="".join(
                f'<img src="{url}" alt="Spectrogram of {html.escape(label)}"{blind}>'
                for url, label in zip(figures, self.labels, strict=bool(figures))
            ),
            sounds="\n".join(
                f'<audio controls preload="auto" aria-label="{html.escape(label)}" src="{url}">'
                "</audio>"
                for url, label in zip(sounds, self.labels, strict=True)
            ),
            note=html.escape(self._note()),
            pixels=WIDTH,
            top=f"{100 - bottom - height:g}",
            height=f"{height:g}",
            left=f"{left:g}",
            across=f"{width:g}",
            seconds=json.dumps(self._seconds),
        )

    @property
    def _seconds(self) -> float:
        return max(len(y) for y in self._samples) / self._sr

    def _pairs(self) -> list[tuple[Source, Audio]]:
        return list(zip(self._sources, self._samples, strict=True))

    def _plain(self, figures: list[str], sounds: list[str]) -> list[str]:
        """Return one line of HTML for each sound, its figure above it."""
        lines = []
        if self.blind:
            figures = []
        for k, (label, sound) in enumerate(zip(self.labels, sounds, strict=True)):
            image = f'<img src="{figures[k]}" alt="Spectrogram"><br>' if figures else ""
            lines.append(
                f'<p>{html.escape(label)}<br>{image}<audio controls src="{sound}"></audio></p>'
            )
        if self.blind:
            names = ", ".join(map(" is ".join, zip(self.labels, self.names, strict=True)))
            lines.append(
                f"<details><summary>Which is which?</summary>{html.escape(names)}</details>"
            )
        note = self._note()
        return [*lines, f"<p>{html.escape(note)}</p>"] if note else lines

    def _note(self) -> str:
        if self.gain == 1:
            return ""
        return f"Turned down by {-20 * np.log10(self.gain):.1f} dB: it would clip."


class Player(Compare):
    """One sound, with its spectrogram; a click on it goes there.

    Parameters
    ----------
    sound : path, Clip or np.ndarray of shape=(samples,)
        What to play.
    title : str
        What it is called.
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
        return source.load(sr=sr)
    if isinstance(source, np.ndarray):
        return audio.validate(source, name=name)
    if isinstance(source, str | os.PathLike):
        return audio.read(source, sr=sr)
    kind = type(source).__name__
    raise ValueError(f"{name}: a {kind}; accepted: a path, a Clip or a NumPy array of samples")


def _headroom(source: Source, y: Audio) -> float:
    """Return what a sound has to be turned down by: a file of whole numbers never does."""
    if np.abs(y).max() <= 1:
        return 1.0
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in PLAYED:
        return audio.guard(y)[1] if probe(Path(source)).is_float else 1.0
    return audio.guard(y)[1]


def _sound(source: Source, y: Audio, *, gain: float, sr: int, kind: str) -> str:
    """Return a sound as a URL: a file as it is, all else with 16 bits."""
    if isinstance(source, str | os.PathLike) and gain == 1:
        path = Path(source)
        if path.suffix.lower() in PLAYED:
            return data_url(PLAYED[path.suffix.lower()], path.read_bytes())
    buffer = io.BytesIO()
    sf.write(buffer, gain * y, sr, format=kind, subtype="PCM_16")
    return data_url(f"audio/{kind}", buffer.getvalue())


def _draw(S: Audio, transform: STFT, loudest: float, seconds: float) -> bytes:
    """Return a spectrogram as WebP."""
    fig = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    fig.set_layout_engine("none")
    ax = fig.add_axes(AXES)
    image = plots.spectrogram(ax, S, transform, loudest=loudest, colorbar=False)
    fig.colorbar(image, cax=fig.add_axes(SCALE), label="Level (dB)")
    ax.set_xlim(0, seconds)
    return plots.webp(fig, dpi=DPI)


def data_url(kind: str, data: bytes) -> str:
    """Return data of a kind, such as "image/webp", as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
