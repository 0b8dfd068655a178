"""Read, validate, level and write recordings.

Sound is mono float32 of shape ``(samples,)``, full scale at +-1. Levels are in dB relative to a
full-scale amplitude of 1 (dBFS, RMS) or in LUFS (ITU-R BS.1770).
"""

import os
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from nst_lib.base.files import atomic, validate_output
from nst_lib.sound.decoding import AudioError as AudioError
from nst_lib.sound.decoding import Warn, decode

Audio = npt.NDArray[np.float32]

#: Highest absolute sample value that is written.
PEAK = 0.999
#: The loudness measures, each with its default target: RMS in dBFS, LUFS as in EBU R 128.
LEVELS = {"rms": -20.0, "lufs": -23.0}
#: The formats that can be written: file ending -> libsndfile's encoding.
FORMATS = {".wav": "PCM_24", ".flac": "PCM_24", ".ogg": "VORBIS"}


class AudioWarning(UserWarning):
    """A recording can be used but has a fault. The message names the file and the fault."""


def warn(text: str) -> None:
    """Issue an AudioWarning."""
    warnings.warn(text, AudioWarning, stacklevel=2)


def read(
    path: str | os.PathLike[str],
    *,
    sr: int = 22050,
    duration: float | None = None,
    min_samples: int = 1,
    warn: Warn = warn,
) -> Audio:
    """Read a recording as mono at a given sampling rate.

    The channels are averaged. The sound is then resampled with soxr at high quality, as in
    ``librosa.load``.

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

    Returns
    -------
    y : np.ndarray, shape=(samples,), float32
        Full scale at +-1. The loudness is not changed.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, not audio, or truncated by a tenth of a second or
        more. If it holds no samples, NaN or Inf, digital silence, less than one analysis window or
        more than ten minutes of sound.
    """
    path = Path(path)
    samples, native_sr = decode(path, duration, warn=warn)
    y = samples.mean(axis=1, dtype=np.float32)
    excerpt = str(path) if duration is None else f"{path} (first {duration:g} s)"
    validate(y, name=excerpt)
    y = validate(resample(y, native_sr, sr), name=excerpt, min_samples=min_samples)
    return y if duration is None else fit(y, round(duration * sr))


def validate(y: Audio, *, name: str = "sound", min_samples: int = 1) -> Audio:
    """Return `y` as float32, or raise AudioError if it cannot be analysed.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,)
        Real numbers, full scale at +-1.
    name : str
        The name of the sound in the error message.
    min_samples : int > 0
        Length of one analysis window, in samples.

    Raises
    ------
    AudioError
        If `y` is not mono, or holds NaN or Inf, digital silence or too few samples.
    """
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1:
        raise AudioError(f"{name}: has shape {y.shape}; accepted: mono sound of shape (samples,)")
    if not np.isfinite(y).all():
        raise AudioError(f"{name}: holds NaN or Inf samples")
    if len(y) < min_samples:
        raise AudioError(
            f"{name}: has {len(y)} samples at this rate, so it is shorter than one analysis window "
            f"of {min_samples} samples: choose a longer recording"
        )
    if not y.any():
        raise AudioError(f"{name}: is digital silence")
    return y


def fit(y: Audio, n_samples: int) -> Audio:
    """Trim `y` to `n_samples`, or pad it with zeros at the end."""
    return np.pad(y[:n_samples], (0, max(0, n_samples - len(y))))


def loudness(y: Audio, *, sr: int, measure: str) -> float:
    """Return the loudness of `y`.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,)
        The sound.
    sr : int > 0
        Sampling rate in Hz.
    measure : {"rms", "lufs"}
        "rms" is the root mean square in dBFS. "lufs" is the integrated loudness in LUFS
        (ITU-R BS.1770-4), which needs at least 0.4 s of sound.

    Returns
    -------
    float
        The loudness in dB; -inf for silence.
    """
    validate_measure(measure)
    if measure == "rms":
        power = float(np.mean(np.square(y, dtype=np.float64)))
        return 10 * float(np.log10(power)) if power > 0 else -float("inf")
    import pyloudnorm

    if len(y) < 0.4 * sr:
        raise AudioError(
            f"LUFS needs 0.4 s of sound, and this sound is {len(y) / sr:.3f} s long: choose rms"
        )
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sr).integrated_loudness(y.astype(np.float64)))


def level(y: Audio, *, sr: int, measure: str = "rms", target: float | None = None) -> Audio:
    """Scale `y` to a target loudness, but never above the peak `PEAK`.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,)
        The sound, not silent.
    sr : int > 0
        Sampling rate in Hz.
    measure : {"rms", "lufs"}
        See :func:`loudness`.
    target : float < 0 or None
        Target loudness in dB; None is the measure's default in `LEVELS`.

    Returns
    -------
    np.ndarray, shape=(samples,)
        A scaled copy whose peak is at most `PEAK`.
    """
    validate_measure(measure)
    before = loudness(y, sr=sr, measure=measure)
    if not np.isfinite(before):
        raise AudioError(f"the sound is silent, so it has no loudness in {measure} to level")
    gain = 10 ** (((LEVELS[measure] if target is None else target) - before) / 20)
    return np.asarray(y * min(gain, PEAK / np.abs(y).max()), dtype=np.float32)


def guard(y: Audio) -> tuple[Audio, float]:
    """Scale `y` down if its peak is above `PEAK`. Return the sound and the gain."""
    peak = float(np.abs(y).max(initial=0))
    if peak <= PEAK + 1e-6:  # a sound that was scaled before must not change again
        return y, 1.0
    return (y * np.float32(PEAK / peak)).astype(np.float32), PEAK / peak


def write(path: str | os.PathLike[str], y: Audio, *, sr: int) -> None:
    """Write a sound as WAV or FLAC (24 bits) or OGG Vorbis. The file appears whole or not at all.

    A sound whose peak is above `PEAK` is scaled down with a warning. It is never clipped.

    Parameters
    ----------
    path : path
        The file to be written. Its ending is one of `FORMATS`, and its folder exists.
    y : np.ndarray, shape=(samples,)
        The sound; all samples are finite.
    sr : int > 0
        Sampling rate in Hz.

    Raises
    ------
    ValueError
        If `path` cannot be written.
    AudioError
        If `y` is not a finite mono sound.
    """
    path = validate_output(path, suffixes=tuple(FORMATS))
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1 or not y.size:
        raise AudioError(
            f"{path}: cannot write a sound of shape {y.shape}; accepted: (samples,), not empty"
        )
    if not np.isfinite(y).all():
        raise AudioError(f"{path}: was not written, because the sound holds NaN or Inf samples")
    y, gain = guard(y)
    if gain < 1:
        warn(f"{path}: was scaled by {20 * np.log10(gain):.1f} dB, or it would have clipped")
    subtype = FORMATS[path.suffix.lower()]
    with atomic(path) as temporary, sf.SoundFile(temporary, "w", sr, 1, subtype) as file:
        for block in np.array_split(y, -(-len(y) // sr)):  # libvorbis overruns on one long write
            file.write(block)


def validate_measure(measure: str) -> None:
    """Raise ValueError unless `measure` is a loudness measure."""
    if measure not in LEVELS:
        raise ValueError(f"loudness measure {measure!r}; accepted: {', '.join(LEVELS)}")


def resample(y: Audio, sr_from: int, sr_to: int) -> Audio:
    """Resample `y` from one sampling rate in Hz to another with soxr at high quality."""
    if sr_from == sr_to:
        return y
    import soxr

    resampled: Audio = soxr.resample(y, sr_from, sr_to, quality="HQ")
    return fit(resampled, int(np.ceil(len(y) * sr_to / sr_from)))
