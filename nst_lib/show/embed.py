"""Put pictures and sounds into a page as data URLs. Long sounds are compressed."""

import base64
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile as sf

from nst_lib.sound.audio import Audio
from nst_lib.sound.decoding import decode, probe

#: Formats that every browser plays. (Safari plays Ogg from version 18.4 on.)
PLAYED = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
}
#: A longer sound is compressed, in seconds.
EXACT = 30.0
#: A long file that has more bytes per second than this is compressed: 160 kbit/s.
LIGHT = 20_000
#: What a page says about such a sound.
COMPRESSED = "Compressed for this page (Ogg Vorbis); a file has full quality."
#: Samples per second, in all channels, up to which a page has room for a higher quality.
_FEW = 48_000
#: The number of samples that are written at a time: libvorbis overruns on one long write.
_WRITTEN = 65536


def data_url(kind: str, data: bytes) -> str:
    """Return a data URL with data of a media type such as "image/webp"."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def array_url(y: Audio, *, sr: int, gain: float, kind: str) -> str:
    """Return the samples of a sound as a data URL.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The samples.
    sr : int > 0
        Sampling rate in Hz.
    gain : float > 0
        A factor of the samples.
    kind : {"flac", "wav", "ogg"}
        The format. FLAC and WAV have 16 bits. Ogg Vorbis is compressed.
    """
    y = np.atleast_2d(y)
    return data_url(PLAYED[f".{kind}"], _write([y], kind, len(y), sr, gain))


def file_url(path: Path, *, compress: bool, gain: float = 1.0) -> str:
    """Return a sound file that browsers play as a data URL.

    Parameters
    ----------
    path : Path
        The file. Its ending is one of `PLAYED`.
    compress : bool
        Whether to write the sound as Ogg Vorbis. Otherwise, the file is unchanged.
    gain : float > 0
        A factor of the samples of a compressed sound.
    """
    if not compress:
        return data_url(PLAYED[path.suffix.lower()], path.read_bytes())
    found, pieces = probe(path), decode(path, None, warn=_ignore)
    return data_url("audio/ogg", _write(pieces, "ogg", found.channels, found.sr, gain))


def is_heavy(source: object, seconds: float) -> bool:
    """Return whether a sound is to be compressed: it is long, and no file that is small already."""
    path = playable(source)
    size = np.inf if path is None else path.stat().st_size
    return seconds > EXACT and size > LIGHT * seconds


def playable(source: object) -> Path | None:
    """Return the path of a sound that is a file which browsers play, otherwise None."""
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    return path if path.suffix.lower() in PLAYED else None


def _write(pieces: Iterable[Audio], kind: str, channels: int, sr: int, gain: float) -> bytes:
    """Return a sound file made of pieces ``(channels, samples)``, times a gain."""
    subtype, compression = "PCM_16", None
    if kind == "ogg":
        subtype, compression = "VORBIS", 0.4 if sr * channels <= _FEW else 0.7
    buffer = io.BytesIO()
    with sf.SoundFile(
        buffer, "w", sr, channels, subtype, format=kind, compression_level=compression
    ) as file:
        for piece in pieces:
            for start in range(0, piece.shape[1], _WRITTEN):
                file.write(np.float32(gain) * piece[:, start : start + _WRITTEN].T)
    return buffer.getvalue()


def _ignore(_fault: str) -> None:
    return
