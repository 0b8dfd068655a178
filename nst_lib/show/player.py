"""Players that play sounds at their own level and show spectrograms, in a notebook or on a page.

IPython's own player makes every sound as loud as possible, which hides how a style transfer changes
the level. These players keep the level. Only if a sound would clip, all sounds of the player are
turned down by the same gain, and the player says so. The players need no kernel after they are
shown, so they also work in exported pages.
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
#: Size of a figure, in pixels.
WIDTH, HEIGHT, DPI = 720, 220, 100
#: Position of the axes: left, bottom, width and height as shares of the figure.
AXES = (0.09, 0.21, 0.785, 0.76)
#: Position of the colour scale.
SCALE = (0.89, 0.21, 0.015, 0.76)
#: The labels of blind sounds.
LETTERS = string.ascii_uppercase
#: Formats that every browser plays.
PLAYED = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
}


class Compare:
    """A player that switches between sounds at the same position while they play.

    Parameters
    ----------
    sounds : mapping of str to (path, Clip or np.ndarray of shape=(samples,))
        Name -> sound. A file is played unchanged, unless it has samples beyond full scale.
    sr : int
        Sampling rate of arrays, clips and spectrograms, in Hz.
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

    @cached_property
    def figures(self) -> list[bytes]:
        """The spectrograms as WebP. All of them have the time axis of the longest sound."""
        transform = STFT(sr=self._sr)
        shortest = transform.min_samples
        padded = [audio.fit(y, max(len(y), shortest)) for y in self._samples]
        spectrograms = [transform(torch.from_numpy(y)).numpy() for y in padded]
        loudest = max(float(S.max()) for S in spectrograms)
        return [_draw(S, transform, loudest, self._seconds) for S in spectrograms]

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the player as HTML that needs no other files."""
        figures = (
            [data_url("image/webp", data) for data in self.figures] if self.spectrogram else []
        )
        # FLAC is half as large as WAV, but browsers need the script to seek in it.
        kind = "flac" if self.interactive else "wav"
        sounds = [_sound(*one, gain=self.gain, sr=self._sr, kind=kind) for one in self._pairs()]
        if self.interactive:
            return self._scripted(figures, sounds)
        return "\n".join(self._plain(figures, sounds))

    @property
    def _seconds(self) -> float:
        return max(len(y) for y in self._samples) / self._sr

    def _pairs(self) -> list[tuple[Source, Audio]]:
        return list(zip(self._sources, self._samples, strict=True))

    def _scripted(self, figures: list[str], sounds: list[str]) -> str:
        """Return the player with its script, from the URLs of figures and sounds."""
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
                for url, label in zip(figures, labels, strict=bool(figures))
            ),
            sounds="\n".join(
                f'<audio controls preload="auto" aria-label="{label}" src="{url}"></audio>'
                for url, label in zip(sounds, labels, strict=True)
            ),
            note=html.escape(self._note()),
            pixels=WIDTH,
            top=f"{100 - bottom - height:g}",
            height=f"{height:g}",
            left=f"{left:g}",
            across=f"{width:g}",
            seconds=json.dumps(self._seconds),
        )

    def _plain(self, figures: list[str], sounds: list[str]) -> list[str]:
        """Return one line of HTML for each sound, with its figure above it."""
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
        return f"Turned down by {-20 * np.log10(self.gain):.1f} dB to avoid clipping."


class Player(Compare):
    """A player of one sound. A click on the spectrogram moves the playback position.

    Parameters
    ----------
    sound : path, Clip or np.ndarray of shape=(samples,)
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
        return source.load(sr=sr)
    if isinstance(source, np.ndarray):
        return audio.validate(source, name=name)
    if isinstance(source, str | os.PathLike):
        return audio.read(source, sr=sr)
    kind = type(source).__name__
    raise ValueError(f"{name}: a {kind}; accepted: a path, a Clip or a NumPy array of samples")


def _headroom(source: Source, y: Audio) -> float:
    """Return the gain that avoids clipping: always 1 for a file with whole-number samples."""
    if np.abs(y).max() <= 1:
        return 1.0
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in PLAYED:
        return audio.guard(y)[1] if probe(Path(source)).is_float else 1.0
    return audio.guard(y)[1]


def _sound(source: Source, y: Audio, *, gain: float, sr: int, kind: str) -> str:
    """Return a sound as a data URL. A file stays unchanged; other sounds are written in 16 bits."""
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
    """Return a data URL with data of a media type such as "image/webp"."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
