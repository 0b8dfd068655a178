"""Summaries of styles: a short sound that stands for any number of long recordings.

A style file, which ends in ".style", is a ZIP archive of two files that are not compressed again:

- ``style.flac``: the sound, 24 bits, up to 8 channels;
- ``style.json``: format, version of nst_lib, settings, and the recordings that were summarised.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import soundfile as sf
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nst_lib.base.files import atomic, file_checksum, validate_output
from nst_lib.config import HIGHEST_RATE
from nst_lib.core.condense import condense
from nst_lib.sound.audio import Audio, AudioError, blocks, once, validate, warn
from nst_lib.sound.datasets import AUDIO_SUFFIXES
from nst_lib.sound.decoding import Warn, probe

#: The ending of a style file, and the version of its format.
SUFFIX = ".style"
FORMAT = 1
#: Default length of a summary, and the longest one, in seconds.
SECONDS = 20.0
MAX_SECONDS = 600.0
#: The two files in a style file, and their largest sizes in bytes.
_RECORD, _SOUND = "style.json", "style.flac"
_MAX_BYTES = {_RECORD: 16_000_000, _SOUND: 1_000_000_000}
#: Largest number of samples in all channels: the longest summary of 8 channels at 48 kHz.
_MAX_SAMPLES = 8 * HIGHEST_RATE * 600
#: What zipfile, json, pydantic and soundfile raise when they read other files.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile)
#: Length in seconds of the blocks in which recordings are read.
_BLOCK = 5.0
#: The integer of 24 bits that stands for a sample of 1.
_FULL_SCALE = 2**23


class Source(BaseModel):
    """A recording that a style summarises.

    Attributes
    ----------
    name : str
        The name of the file, without its folder.
    seconds : float
        The length of the recording.
    sha256 : str
        The checksum of the file, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seconds: float = Field(gt=0, allow_inf_nan=False)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _NewerError(ValueError):
    """A style file has a format that is newer than this version of nst_lib."""


class _Record(BaseModel):
    """The contents of style.json."""

    format: int
    nst_lib: str
    mono: bool
    sources: tuple[Source, ...] = Field(min_length=1)


@dataclass(frozen=True, eq=False)
class Style:
    """The summary of the style of one or more recordings.

    Attributes
    ----------
    audio : np.ndarray, shape=(samples,) or (channels, samples), float32
        The sound, full scale at +-1. Every sample is a multiple of 2 ** -23, as in a file of 24
        bits.
    sr : int
        Sampling rate in Hz.
    sources : tuple of Source
        The recordings.
    mono : bool
        Whether their channels were averaged.
    """

    audio: Audio
    sr: int
    sources: tuple[Source, ...]
    mono: bool = False

    @property
    def seconds(self) -> float:
        """The length of all recordings together, in seconds."""
        return sum(source.seconds for source in self.sources)

    @classmethod
    def of(
        cls,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        seconds: float = SECONDS,
        sr: int | None = None,
        mono: bool = False,
        warn: Warn = warn,
        callback: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Summarise recordings of any length.

        The recordings are treated as one long recording, so each of their seconds counts the same.
        See :mod:`nst_lib.core.condense`.

        Parameters
        ----------
        paths : path or sequence of paths
            One or more sound files.
        seconds : float from 0.1 to 600
            Length of the summary. If the recordings are not longer, the summary is all of them.
        sr : int from 1000 to 192000, or None
            Sampling rate of the summary in Hz; above 65535 Hz, a multiple of 10. None is that of
            the first recording, but at most 48 kHz.
        mono : bool
            Whether to average the channels. If not, all recordings must have the same number of
            channels, at most 8, or one channel, which is then used in each of them.
        warn : callable
            Called with one line of text about a file that can be used but has a fault.
        callback : callable or None
            Called with the number of seconds that were read and have to be read. Each recording is
            read twice.

        Raises
        ------
        AudioError
            If a recording cannot be used.
        ValueError
            If there is no recording, or if `seconds` or `sr` is not accepted.
        """
        files = [Path(p) for p in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
        if not files:
            raise ValueError("no recording; accepted: one or more")
        if not 0.1 <= seconds <= MAX_SECONDS:
            raise ValueError(f"seconds {seconds:g}; accepted: 0.1 to {MAX_SECONDS:g}")
        if sr is not None and (not 1000 <= sr <= 192_000 or (sr > 65_535 and sr % 10)):
            raise ValueError(
                f"sr {sr}; accepted: 1000 to 192000 Hz, above 65535 Hz in steps of 10 Hz"
            )
        recordings = _Recordings(files, sr=sr, mono=mono, warn=warn, callback=callback)
        if recordings.channels * recordings.sr * seconds > _MAX_SAMPLES:
            raise ValueError(
                f"seconds {seconds:g} of {recordings.channels} channels at {recordings.sr} Hz; "
                f"accepted: {_MAX_SAMPLES:.0e} samples or fewer in all channels"
            )
        y = condense(recordings.blocks, sr=recordings.sr, seconds=seconds)
        y = validate(y, name="the summary of these recordings", mono=False)
        peak = float(np.abs(y).max())
        if peak > 1:
            warn(f"the summary was scaled by {-20 * np.log10(peak):.1f} dB, or it would clip")
        samples = _integers(y / max(peak, 1))
        return cls(_floats(samples), recordings.sr, recordings.sources(), mono)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a style file.

        Raises
        ------
        ValueError
            If the file is missing or damaged, if it is not a style file, or if its format is newer
            than this version of nst_lib.
        """
        path = Path(path)
        if not path.exists():
            raise ValueError(f"{path}: no such file")
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: is not a style file; `nst style` writes such files")
        try:
            members = _unpack(path)
            record = _parse(members[_RECORD])
            y, sr = _decode(members[_SOUND])
        except _NewerError as error:
            raise ValueError(f"{path}: {error}") from None
        except _DAMAGE as error:
            reason = f"{error}".splitlines()[0]
            raise ValueError(f"{path}: is damaged, or is not a style file ({reason})") from error
        return cls(y, sr, record.sources, record.mono)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a style file. It appears whole or not at all.

        Raises
        ------
        ValueError
            If the file cannot be written. Its ending is ".style", and its folder exists.
        """
        path = validate_output(path, suffixes=(SUFFIX,))
        record = _Record(
            format=FORMAT, nst_lib=version("nst-lib"), mono=self.mono, sources=self.sources
        )
        with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(zipfile.ZipInfo(_RECORD), record.model_dump_json(indent=2))
            archive.writestr(zipfile.ZipInfo(_SOUND), _encode(self.audio, self.sr))


def recordings_in(paths: Sequence[Path]) -> list[Path]:
    """Return the paths with each folder replaced by the sound files in it, in order of name.

    Raises
    ------
    ValueError
        If a folder has no sound file in it.
    """
    found = list[Path]()
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(
                file
                for file in path.iterdir()
                if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()
            )
        if not inside:
            raise ValueError(
                f"{path}: holds no recordings; choose a folder of sound files "
                f"({', '.join(AUDIO_SUFFIXES)})"
            )
        found += inside
    return found


class _Recordings:
    """Several files that are read as one long recording, more than once.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz.
    """

    def __init__(
        self,
        files: list[Path],
        *,
        sr: int | None,
        mono: bool,
        warn: Warn,
        callback: Callable[[int, int], None] | None,
    ) -> None:
        found = [probe(path) for path in files]
        self.sr = min(found[0].sr, HIGHEST_RATE) if sr is None else sr
        self.channels = 1 if mono else max(file.channels for file in found)
        for path, file in zip(files, found, strict=True):
            if not mono and file.channels not in (1, self.channels):
                raise AudioError(
                    f"{path}: has {file.channels} channels, and another recording has "
                    f"{self.channels}: average the channels of all (mono)"
                )
        self._files, self._callback = files, callback
        self._blocks_of = partial(blocks, sr=self.sr, seconds=_BLOCK, mono=mono, warn=once(warn))
        self._total = round(2 * sum(file.seconds or 0 for file in found))
        self._lengths = dict[Path, int]()
        self._read = 0.0

    def blocks(self) -> Iterator[Audio]:
        """Yield blocks of all recordings, one recording after the other."""
        for path in self._files:
            length = 0
            for block in self._blocks_of(path):
                length += block.shape[-1]
                self._count(block.shape[-1] / self.sr)
                several = (self.channels, block.shape[-1])
                yield block if self.channels == 1 else np.broadcast_to(block, several)
            self._lengths[path] = length

    def sources(self) -> tuple[Source, ...]:
        """Return the recordings, after they were read."""
        return tuple(
            Source(
                name=path.name,
                seconds=self._lengths[path] / self.sr,
                sha256=file_checksum(path),
            )
            for path in self._files
        )

    def _count(self, seconds: float) -> None:
        self._read += seconds
        if self._callback is not None:
            self._callback(round(self._read), max(self._total, round(self._read)))


def _unpack(path: Path) -> dict[str, bytes]:
    """Return the two files in a style file by their names.

    They are stored without compression, so none of them can be larger than the style file.
    """
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if members.keys() != {_RECORD, _SOUND} or len(archive.infolist()) != len(members):
            raise ValueError(f"holds {', '.join(members)[:80]}")
        for name, member in members.items():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is compressed")
            if member.file_size > _MAX_BYTES[name]:
                raise ValueError(f"{name} is too large")
        return {name: archive.read(name) for name in members}


def _parse(data: bytes) -> _Record:
    """Return the record of a style, if this version of nst_lib knows its format."""
    record = json.loads(data)
    found = record.get("format") if isinstance(record, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise _NewerError(
            f"has format {found} of nst_lib {record.get('nst_lib')}, and this version reads up to "
            f"format {FORMAT}: install a newer version of nst_lib"
        )
    try:
        return _Record.model_validate(record)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ", ".join(map(str, (_RECORD, *fault["loc"])))
        raise ValueError(f"{place}: {fault['msg']}") from error


def _integers(y: Audio) -> npt.NDArray[np.int32]:
    """Return samples as integers of 24 bits."""
    scaled = np.rint(y.astype(np.float64) * _FULL_SCALE)
    return scaled.clip(-_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32)


def _floats(samples: npt.NDArray[np.int32]) -> Audio:
    """Return integers of 24 bits as samples, exactly."""
    return (samples / _FULL_SCALE).astype(np.float32)


def _encode(y: Audio, sr: int) -> bytes:
    """Return a sound as the bytes of a FLAC file with 24 bits."""
    file = io.BytesIO()
    sf.write(file, _integers(np.atleast_2d(y).T) << 8, sr, format="FLAC", subtype="PCM_24")
    return file.getvalue()


def _decode(data: bytes) -> tuple[Audio, int]:
    """Return a sound from the bytes of a FLAC file, and its sampling rate."""
    with sf.SoundFile(io.BytesIO(data)) as file:
        if file.format != "FLAC" or not 0 < file.frames * file.channels <= _MAX_SAMPLES:
            raise ValueError(f"{_SOUND} does not hold the sound of a style")
        samples = file.read(dtype="int32", always_2d=True)
        if len(samples) < file.frames:
            raise ValueError(f"{_SOUND} is truncated")
        y = _floats(np.ascontiguousarray(samples.T >> 8))
        return (y[0] if len(y) == 1 else y), file.samplerate
