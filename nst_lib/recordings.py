"""Read the recordings of a transfer: rate, length, channels, loudness, and long styles in short."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nst_lib.config import REFERENCE_RATE, ConfigError, Recordings
from nst_lib.core.condense import condense
from nst_lib.core.image import downmix
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Clip
from nst_lib.sound.decoding import Warn, probe
from nst_lib.style import SUFFIX, Style
from nst_lib.system import System

#: What a recording may be given as: a path, a clip of a data set, or samples at the rate `sr`.
Recording = str | os.PathLike[str] | Clip | Audio
#: Least length in seconds that a weight may leave of a style.
SHORTEST = 0.5
#: Length in seconds of the blocks in which a long style is read.
_BLOCK = 10.0


#: What was read inside :func:`remembered`: the sound, and what was said about its file.
_remembered: ContextVar[dict[Any, tuple[Audio, list[str]]] | None] = ContextVar(
    "remembered", default=None
)


@contextmanager
def remembered() -> Iterator[None]:
    """Read each file once for each way of reading it, however many transfers use it."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def load(source: Recording, config: System, *, warn: Warn = audio.warn) -> Audio:
    """Return a recording with the rate, duration, channels and loudness of the settings.

    `warn` is called with one line about each fault of a file that is used all the same.
    """
    config = at_rate_of(source, config)
    return _once(_read, source, config, warn)


def _read(source: Recording, config: System, warn: Warn) -> Audio:
    return _levelled(_whole(source, config, warn), config)


def load_style(source: Recording | Style, config: System, *, warn: Warn = audio.warn) -> Audio:
    """Return a style as :func:`load` does, condensed if it is longer than `style_duration`."""
    return _once(_read_style, source, config, warn)


def _read_style(source: Recording | Style, config: System, warn: Warn) -> Audio:
    source = _summary(source)
    if isinstance(source, Style):
        config = config.at(source.sr)
        y = audio.resample(source.audio, source.sr, config.rate)
        y = _trimmed(_mixed(y, config), config)
    else:
        config = at_rate_of(source, config)
        if config.style_duration is None or config.duration is not None:
            y = _whole(source, config, warn)
        else:
            blocks = _blocks(source, config, warn)
            y = condense(blocks, sr=config.rate, seconds=config.style_duration)
            audio.validate(y, mono=False, min_samples=config.analysis().min_samples)
    return _levelled(y, config)


def _once(
    read: Callable[[Any, System, Warn], Audio],
    source: Recording | Style,
    config: System,
    warn: Warn,
) -> Audio:
    """Return what `read` gives, or a copy of what it gave before inside :func:`remembered`."""
    known = _remembered.get()
    if known is None or not isinstance(source, str | os.PathLike | Clip):
        return read(source, config, warn)
    file = source if isinstance(source, Clip) else os.path.abspath(source)
    settings = (getattr(config, name) for name in Recordings.model_fields)
    key = (read, file, config.analysis().min_samples, *settings)
    if key not in known:
        said = list[str]()
        known[key] = read(source, config, said.append), said
    y, said = known[key]
    for text in said:
        warn(text)
    return y.copy()


def _shared_out(styles: list[Audio], config: System) -> list[Audio]:
    """Return the styles at lengths that are proportional to their weights, if there are any.

    Longer ones are condensed, so that every part of a system meets the styles in these shares.
    """
    weights = config.style_weights
    if not weights:
        return styles
    if len(weights) != len(styles):
        raise ConfigError(
            f"{len(weights)} style_weights for {len(styles)} styles; accepted: one for each style"
        )
    unit = min(y.shape[-1] / weight for y, weight in zip(styles, weights, strict=True))
    channels = max(len(np.atleast_2d(y)) for y in styles)
    seconds = [weight * unit / config.rate for weight in weights]
    if min(seconds) < SHORTEST:
        raise ConfigError(
            f"style_weights={list(weights)}: one style is left with {min(seconds):.2f} s; "
            f"accepted: longer recordings, or weights that leave {SHORTEST:g} s"
        )
    parts = [
        condense(y, sr=config.rate, seconds=length)
        for y, length in zip(styles, seconds, strict=True)
    ]
    if channels > 1:
        parts = [_channels(y, channels) for y in parts]
    return [np.concatenate(parts, axis=-1)] if config.blend == "mix" else parts


def _whole(source: Recording, config: System, warn: Warn) -> Audio:
    min_samples = config.analysis().min_samples
    wanted: dict[str, Any] = {"sr": config.rate, "duration": config.duration, "mono": config.mono}
    wanted |= {"min_samples": min_samples, "warn": warn}
    if isinstance(source, Clip):
        return source.load(**wanted)
    if isinstance(source, np.ndarray):
        y = audio.validate(source, min_samples=min_samples, mono=False)
        return _trimmed(_mixed(y, config), config)
    return audio.read(source, **wanted)


def _blocks(source: Recording, config: System, warn: Warn) -> Callable[[], Iterator[Audio]]:
    """Return a function that goes through a recording block by block, again with each call."""
    if isinstance(source, np.ndarray | Clip):
        y = _whole(source, config, warn)
        return lambda: iter([y])
    wanted: dict[str, Any] = {"sr": config.rate, "mono": config.mono, "warn": audio.once(warn)}
    return lambda: audio.blocks(source, seconds=_BLOCK, **wanted)


def _mixed(y: Audio, config: System) -> Audio:
    return y.mean(axis=0, dtype=np.float32) if config.mono and y.ndim == 2 else y


def _levelled(y: Audio, config: System) -> Audio:
    if config.level == "off":
        return y
    return audio.level(y, sr=config.rate, measure=config.level, target=config.level_target)


def _trimmed(y: Audio, config: System) -> Audio:
    return y if config.duration is None else audio.fit(y, round(config.duration * config.rate))


def rate_of(source: Recording | Style) -> int:
    """Return the sampling rate of a recording in Hz; arrays are at the reference rate."""
    source = _summary(source)
    if isinstance(source, np.ndarray):
        return REFERENCE_RATE
    return source.sr if isinstance(source, Clip | Style) else probe(Path(source)).sr


def at_rate_of(source: Recording | Style, config: System) -> System:
    """Return the settings at the rate of a recording, which is looked up only if `sr` is None."""
    return config if config.sr is not None else config.at(rate_of(source))


def _summary(source: Recording | Style) -> Recording | Style:
    """Return the summary of a style if the source is the path of one, else the source."""
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() == SUFFIX:
        return Style.read(source)
    return source


def several(style: Any) -> Sequence[Any]:
    """Return one style or several styles as a sequence.

    Raises
    ------
    ValueError
        If there are none.
    """
    styles = style if isinstance(style, list | tuple) else [style]
    if not styles:
        raise ValueError("no style; accepted: one or more")
    return styles


@dataclass(frozen=True)
class Sounds:
    """The recordings as they are used, and the faults of their files.

    Decisions are made on one channel, with the power of all channels.
    """

    content: Audio | None
    styles: list[Audio]
    warnings: list[str]
    sr: int
    subtype: str | None = None
    start: Audio | None = None

    @property
    def style(self) -> Audio:
        """All styles, one after the other."""
        channels = max(len(np.atleast_2d(y)) for y in self.styles)
        if channels == 1:
            return np.concatenate(self.styles)
        return np.concatenate([_channels(y, channels) for y in self.styles], axis=1)

    @property
    def in_channels(self) -> bool:
        """Whether the result has several channels: those of the content."""
        return self.content is not None and self.content.ndim == 2

    def mono(self, y: Audio) -> Audio:
        """Return a recording in one channel, with the power of all."""
        return y if y.ndim == 1 else downmix(y, sr=self.sr)


def _channels(y: Audio, count: int) -> Audio:
    """Return a sound with a number of channels; those that it lacks repeat the ones it has."""
    rows = np.atleast_2d(y)
    return rows[np.arange(count) % len(rows)]


def read(
    content: Recording | None,
    style: Recording | Style | Sequence[Recording | Style],
    config: System,
) -> Sounds:
    """Return the recordings of a transfer as the settings say. They have the content's rate."""
    warnings = list[str]()

    def warn(text: str) -> None:
        warnings.append(text)
        audio.warn(text)

    styles = several(style)
    loaded = [load_style(one, config, warn=warn) for one in styles]
    start = config.own_start()
    file = Path(content) if isinstance(content, str | os.PathLike) else None
    return Sounds(
        start=None if start is None else load(start, config.replace(mono=True), warn=warn),
        styles=_shared_out(loaded, config),
        content=None if content is None else load(content, config, warn=warn),
        warnings=warnings,
        sr=config.rate,
        subtype=None if file is None else probe(file).subtype,
    )
