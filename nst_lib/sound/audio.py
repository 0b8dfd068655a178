"""Read, validate, level and write recordings.

Sound is float32, full scale at +-1. The shape of one channel is ``(samples,)``, that of several
channels ``(channels, samples)``. Levels are in dB relative to a full-scale amplitude of 1 (dBFS,
RMS) or in LUFS (ITU-R BS.1770).
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from nst_lib.base.files import atomic, validate_output
from nst_lib.base.validation import validate_memory, validate_positive
from nst_lib.sound.decoding import PIECE, Warn, decode, probe
from nst_lib.sound.decoding import AudioError as AudioError

Audio = npt.NDArray[np.float32]

#: Highest absolute sample value that is written.
PEAK = 0.999
#: The largest number of channels that is kept. Averaged to one channel, it can be any number.
MAX_CHANNELS = 8
#: The loudness measures, each with its default target: RMS in dBFS, LUFS as in EBU R 128.
LEVELS = {"rms": -20.0, "lufs": -23.0}
#: The formats that can be written: file ending -> libsndfile's encoding, by default.
FORMATS = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}

#: The sample formats that can be chosen for a file that can have them; see libsndfile.
SUBTYPES = ("PCM_16", "PCM_24", "PCM_32", "FLOAT")
#: The memory that must be free for a sound of unknown length to go on, in bytes.
_MEMORY_STEP = 2**28


class AudioWarning(UserWarning):
    """A recording can be used but has a fault. The message names the file and the fault."""


def warn(text: str) -> None:
    """Issue an AudioWarning."""
    warnings.warn(text, AudioWarning, stacklevel=2)


def once(warn: Warn) -> Warn:
    """Return a function that issues each warning only once, for files that are read twice."""
    said = set[str]()

    def warn_once(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(text)

    return warn_once


def read(
    path: str | os.PathLike[str],
    *,
    sr: int = 22050,
    duration: float | None = None,
    min_samples: int = 1,
    warn: Warn = warn,
    mono: bool = True,
) -> Audio:
    """Read a recording at a given sampling rate.

    The sound is resampled with soxr at high quality, as in ``librosa.load``.

    Parameters
    ----------
    path : path
        Any file that libsndfile or FFmpeg can read: WAV, FLAC, MP3, M4A, Ogg, WebM, AIFF, WMA, ...
    sr : int > 0
        Sampling rate of the result, in Hz.
    duration : float > 0 or None
        Trim or zero-pad to this many seconds; None keeps the whole recording.
    min_samples : int > 0
        The smallest number of samples that can be analysed, which is one analysis window. It is
        counted at `sr` and before padding.
    warn : callable
        Called with one line of text if the file can be used but has a fault: the last moment of
        the sound is missing, or parts of it are damaged. By default it issues an `AudioWarning`.
    mono : bool
        Whether to average the channels. If not, up to `MAX_CHANNELS` channels are kept.

    Returns
    -------
    y : np.ndarray, shape=(samples,) or (channels, samples), float32
        Full scale at +-1. The loudness is not changed.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, not audio, or truncated by a tenth of a second or
        more. If it holds no samples, NaN or Inf, digital silence, less than one analysis window or
        more channels than can be kept. If its samples do not fit in the memory of this machine.
    """
    path = Path(path)
    header = probe(path)
    rows = 1 if mono else header.channels
    seconds = (header.seconds or 0) if duration is None else duration
    pieces = _pieces(path, sr=sr, duration=duration, mono=mono, warn=warn)
    y = _join(_kept(pieces, path, expected=int(4 * rows * seconds * sr)))
    excerpt = str(path) if duration is None else f"{path} (first {duration:g} s)"
    y = validate(y, name=excerpt, min_samples=min_samples, mono=mono)
    return y if duration is None else fit(y, round(duration * sr))


def blocks(
    path: str | os.PathLike[str],
    *,
    sr: int,
    seconds: float,
    mono: bool = True,
    warn: Warn = warn,
) -> Iterator[Audio]:
    """Yield a recording of any length in consecutive blocks, which together are :func:`read`.

    Only about one block is in memory. A fault that the header of the file does not show is found
    when the blocks before it have been yielded.

    Parameters
    ----------
    path : path
        See :func:`read`.
    sr : int > 0
        Sampling rate of the blocks, in Hz.
    seconds : float > 0
        Length of a block. The last one may be shorter.
    mono, warn
        See :func:`read`.

    Yields
    ------
    block : np.ndarray, shape=(samples,) or (channels, samples), float32
        Full scale at +-1. The loudness is not changed.

    Raises
    ------
    ValueError
        If `seconds` is not above 0.
    AudioError
        As :func:`read`; if the whole recording is digital silence, after the last block.
    """
    validate_positive(seconds=seconds)
    path = Path(path)
    probe(path)  # a file that is none is refused before the first block is asked for
    pieces = _pieces(path, sr=sr, duration=None, mono=mono, warn=warn)
    return _checked(_cut(pieces, max(1, round(seconds * sr))), path)


def _cut(pieces: Iterable[Audio], size: int) -> Iterator[Audio]:
    """Yield the same samples in arrays of `size` samples and one that may be shorter."""
    held: list[Audio] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        if count >= size:
            whole, count = np.concatenate(held, axis=1), count % size
            end = whole.shape[1] - count
            for start in range(0, end, size):
                yield whole[:, start : start + size]
            held = [whole[:, end:]]
    if count:
        yield np.concatenate(held, axis=1)


def _checked(found: Iterable[Audio], path: Path) -> Iterator[Audio]:
    """Yield blocks as :func:`validate` wants them."""
    heard = False
    for block in found:
        if not np.isfinite(_peak(block)):
            raise AudioError(f"{path}: holds NaN or Inf samples")
        heard = heard or bool(block.any())
        yield block[0] if len(block) == 1 else np.ascontiguousarray(block)
    if not heard:
        raise AudioError(f"{path}: is digital silence")


def _kept(pieces: Iterable[Audio], path: Path, *, expected: int) -> list[Audio]:
    """Return all pieces, or raise AudioError where they do not fit in the memory.

    Parameters
    ----------
    expected : int >= 0
        The size of all pieces in bytes as the header of the file has it, which may be too low.
    """
    kept: list[Audio] = []
    size = room = 0
    for piece in pieces:
        size += piece.nbytes
        if size > room:  # at first, and again in a sound that is longer than its header says
            room = max(expected, size + _MEMORY_STEP)
            try:
                validate_memory(
                    room - size,
                    of=f"{path}: the {'rest of the ' if kept else ''}samples",
                    accepted="a part of the recording (set `duration`)",
                )
            except ValueError as error:
                raise AudioError(str(error)) from error
        kept.append(piece)
    return kept


def _pieces(
    path: Path, *, sr: int, duration: float | None, mono: bool, warn: Warn
) -> Iterator[Audio]:
    """Yield a recording piece by piece, at a rate: arrays of shape ``(channels, samples)``."""
    native_sr = probe(path).sr
    pieces: Iterable[Audio] = decode(path, duration, warn=warn)
    if mono:
        pieces = (piece.mean(axis=0, keepdims=True, dtype=np.float32) for piece in pieces)
    for piece in _resample(pieces, native_sr, sr):
        if len(piece) > MAX_CHANNELS:
            raise AudioError(
                f"{path}: has {len(piece)} channels, and at most {MAX_CHANNELS} can be kept: "
                "average them to one (mono)"
            )
        yield piece


def _resample(pieces: Iterable[Audio], sr_from: int, sr_to: int) -> Iterator[Audio]:
    """Resample pieces of shape ``(channels, samples)`` as :func:`resample` does the whole."""
    if sr_from == sr_to:
        yield from pieces
        return
    import soxr

    taken = given = 0
    pieces = iter(pieces)
    first = next(pieces)
    stream = soxr.ResampleStream(sr_from, sr_to, len(first), quality="HQ")
    for piece in chain([first], pieces):
        resampled = stream.resample_chunk(np.ascontiguousarray(piece.T)).T
        taken, given = taken + piece.shape[1], given + resampled.shape[1]
        yield resampled
    rest = stream.resample_chunk(np.empty((0, len(first)), np.float32), last=True).T
    yield fit(rest, int(np.ceil(taken * sr_to / sr_from)) - given)


def _join(pieces: list[Audio]) -> Audio:
    """Join pieces of shape ``(channels, samples)``. The list is emptied to save memory."""
    end = sum(piece.shape[1] for piece in pieces)
    y = np.empty((len(pieces[0]), end), np.float32)
    while pieces:
        piece = pieces.pop()
        start = end - piece.shape[1]
        y[:, start:end] = piece
        end = start
    return y[0] if len(y) == 1 else y


def validate(y: Audio, *, name: str = "sound", min_samples: int = 1, mono: bool = True) -> Audio:
    """Return `y` as float32, or raise AudioError if it cannot be analysed.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        Real numbers, full scale at +-1.
    name : str
        The name of the sound in the error message.
    min_samples : int > 0
        Length of one analysis window, in samples.
    mono : bool
        Whether only one channel, of shape ``(samples,)``, is accepted. If not, there may be up to
        `MAX_CHANNELS` channels. A single one is returned with the shape ``(samples,)``.

    Raises
    ------
    AudioError
        If `y` has another shape, or holds NaN or Inf, too few samples, or digital silence in all
        channels.
    """
    y = np.asarray(y, dtype=np.float32)
    if mono and y.ndim != 1:
        raise AudioError(f"{name}: has shape {y.shape}; accepted: mono sound of shape (samples,)")
    if y.ndim not in (1, 2) or (y.ndim == 2 and not 1 <= len(y) <= MAX_CHANNELS):
        raise AudioError(
            f"{name}: has shape {y.shape}; accepted: (samples,), or (channels, samples) with at "
            f"most {MAX_CHANNELS} channels"
        )
    y = y[0] if y.ndim == 2 and len(y) == 1 else y
    if not np.isfinite(_peak(y)):
        raise AudioError(f"{name}: holds NaN or Inf samples")
    if y.size and not y.any():
        raise AudioError(f"{name}: is digital silence")
    if y.shape[-1] < min_samples:
        raise AudioError(
            f"{name}: has {y.shape[-1]} samples at this rate, so it is shorter than one analysis "
            f"window of {min_samples} samples: choose a longer recording"
        )
    return y


def _peak(y: Audio) -> np.float32:
    """Return the highest absolute sample; NaN if one is NaN. Nothing is copied."""
    return np.float32(np.maximum(y.max(initial=0), -y.min(initial=0)))


def fit(y: Audio, n_samples: int) -> Audio:
    """Trim the last axis of `y` to `n_samples`, or pad it with zeros at the end."""
    missing = max(0, n_samples - y.shape[-1])
    return np.pad(y[..., :n_samples], [(0, 0)] * (y.ndim - 1) + [(0, missing)])


def loudness(y: Audio, *, sr: int, measure: str) -> float:
    """Return the loudness of `y`, of all channels together.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound.
    sr : int > 0
        Sampling rate in Hz.
    measure : {"rms", "lufs"}
        "rms" is the root mean square of all samples in dBFS. "lufs" is the integrated loudness in
        LUFS (ITU-R BS.1770-4), which needs at least 0.4 s of sound in at most five channels (left,
        right, centre, left surround, right surround).

    Returns
    -------
    float
        The loudness in dB; -inf for silence.

    Raises
    ------
    AudioError
        If LUFS are not defined for this length or number of channels.
    """
    validate_measure(measure)
    length = y.shape[-1]
    if measure == "rms":
        step = 16 * PIECE
        squares = (
            np.square(y[..., start : start + step], dtype=np.float64).sum()
            for start in range(0, length, step)
        )
        power = float(sum(squares)) / y.size
        return 10 * float(np.log10(power)) if power > 0 else -float("inf")
    import pyloudnorm

    if length < 0.4 * sr:
        raise AudioError(
            f"LUFS needs 0.4 s of sound, and this sound is {length / sr:.3f} s long: choose rms"
        )
    if y.ndim > 1 and len(y) > 5:
        raise AudioError(
            f"LUFS is defined for at most 5 channels, and this sound has {len(y)}: choose rms"
        )
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sr).integrated_loudness(y.T.astype(np.float64)))


def level(y: Audio, *, sr: int, measure: str = "rms", target: float | None = None) -> Audio:
    """Scale `y` to a target loudness, but never above the peak `PEAK`.

    All channels are scaled by the same gain.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound, not silent.
    sr : int > 0
        Sampling rate in Hz.
    measure : {"rms", "lufs"}
        See :func:`loudness`.
    target : float < 0 or None
        Target loudness in dB; None is the measure's default in `LEVELS`.

    Returns
    -------
    np.ndarray, shape of `y`
        A scaled copy whose peak is at most `PEAK`.
    """
    validate_measure(measure)
    before = loudness(y, sr=sr, measure=measure)
    if not np.isfinite(before):
        raise AudioError(f"the sound is silent, so it has no loudness in {measure} to level")
    gain = 10 ** (((LEVELS[measure] if target is None else target) - before) / 20)
    return np.asarray(y * min(gain, float(PEAK / _peak(y))), dtype=np.float32)


def guard(y: Audio) -> tuple[Audio, float]:
    """Scale `y` down if its peak is above `PEAK`. Return the sound and the gain."""
    gain = _safe_gain(_peak(y))
    return (y, 1.0) if gain == 1 else ((y * np.float32(gain)).astype(np.float32), gain)


def _safe_gain(peak: np.float32) -> float:
    """Return the gain that brings a sound with this peak to `PEAK`, or 1 if it is lower."""
    if peak <= PEAK + 1e-6:  # a sound that was scaled before must not change again
        return 1.0
    return PEAK / float(peak)


def write(path: str | os.PathLike[str], y: Audio, *, sr: int, subtype: str | None = None) -> None:
    """Write a sound as WAV, FLAC or OGG Vorbis. The file appears whole or not at all.

    A sound whose peak is above `PEAK` is scaled down with a warning, in every sample format. It is
    never clipped.

    Parameters
    ----------
    path : path
        The file to be written. Its ending is one of `FORMATS`, and its folder exists.
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound; all samples are finite.
    sr : int > 0
        Sampling rate in Hz.
    subtype : str or None
        The sample format, one of `SUBTYPES`. Any other value, or a sample format that the file
        cannot have, is the default of the file ending in `FORMATS`: 24 bits, or Vorbis.

    Raises
    ------
    ValueError
        If `path` cannot be written.
    AudioError
        If `y` is not a finite sound with at most `MAX_CHANNELS` channels.
    """
    path = validate_output(path, suffixes=tuple(FORMATS))
    y = np.asarray(y, dtype=np.float32)
    if y.ndim not in (1, 2) or not y.size or (y.ndim == 2 and len(y) > MAX_CHANNELS):
        raise AudioError(
            f"{path}: cannot write a sound of shape {y.shape}; accepted: (samples,), or (channels, "
            f"samples) with at most {MAX_CHANNELS} channels, not empty"
        )
    peak = _peak(y)
    if not np.isfinite(peak):
        raise AudioError(f"{path}: was not written, because the sound holds NaN or Inf samples")
    gain = np.float32(_safe_gain(peak))
    if gain < 1:
        warn(f"{path}: was scaled by {20 * np.log10(gain):.1f} dB, or it would have clipped")
    channels = 1 if y.ndim == 1 else len(y)
    encoding = _encoding(path.suffix.lower(), subtype)
    with atomic(path) as temporary, sf.SoundFile(temporary, "w", sr, channels, encoding) as file:
        for start in range(0, y.shape[-1], sr):  # libvorbis overruns on one long write
            file.write(y[..., start : start + sr].T * gain)


def _encoding(suffix: str, subtype: str | None) -> str:
    """Return libsndfile's encoding for a file ending and a wanted sample format."""
    possible = subtype in SUBTYPES and sf.check_format(suffix[1:].upper(), subtype)
    return subtype if subtype and possible else FORMATS[suffix]


def validate_measure(measure: str) -> None:
    """Raise ValueError unless `measure` is a loudness measure."""
    if measure not in LEVELS:
        raise ValueError(f"loudness measure {measure!r}; accepted: {', '.join(LEVELS)}")


def resample(y: Audio, sr_from: int, sr_to: int) -> Audio:
    """Resample the last axis of `y` from one rate in Hz to another with soxr at high quality."""
    if sr_from == sr_to:
        return y
    import soxr

    resampled = np.ascontiguousarray(soxr.resample(y.T, sr_from, sr_to, quality="HQ").T)
    return fit(resampled, int(np.ceil(y.shape[-1] * sr_to / sr_from)))
