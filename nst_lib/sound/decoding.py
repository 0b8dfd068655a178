"""Decode sound files into samples, piece by piece, as an audio player would.

libsndfile decodes files of plain samples: WAV, AIFF, AU, CAF and similar formats. FFmpeg (in PyAV)
decodes all other formats: MP3, AAC, ALAC, FLAC, Ogg, WebM, WMA. Many of these files do not state
their length, and tags or zeros may follow the sound. They are decoded to their end, and FFmpeg's
estimate of the length is ignored. If a file states its length, the decoded length is compared with
it: see `LOST`.
"""

import re
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

Samples = npt.NDArray[np.float32]
#: A function that takes one line of text about a file that can be used but has a fault.
Warn = Callable[[str], object]

#: The number of samples that are decoded at once.
PIECE = 65536
#: A file is refused if at least this many seconds of sound are missing at its end. If less is
#: missing, there is a warning.
LOST = 0.1
#: The largest rounding error of times in a file, in seconds.
_ROUNDED = 0.002

#: The first bytes of files of plain samples. libsndfile opens no other files, because its MP3
#: decoder writes to standard error.
_PLAIN = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b".snd", b"dns.", b"caff")
#: The containers that FFmpeg may open. None of them can refer to other files or addresses.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,ircam,matroska,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,nistsphere,nut,ogg,oma,rm,shn,tak,tta,voc,w64,wav,wv,xwma"
)
#: The containers whose header states the length of each stream. FFmpeg estimates it for others.
_STATED = ("ape", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "tak", "tta", "wv")
#: The codecs whose stated length is exactly the number of decoded samples.
_EXACT = ("alac", "flac", "mp3", "mp3float")
#: The length in the header of a WAV file that was written into a pipe, in bytes, with a margin.
_UNKNOWN_LENGTH = 0xFFFFFFFF - 64
#: First bytes of the part of a WMA file that states its length (*Advanced Systems Format*, 3.2).
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
#: Largest page of an Ogg file, in bytes.
_OGG_PAGE = 65307


class AudioError(ValueError):
    """A recording cannot be used. The message names the file and the reason."""


@dataclass(frozen=True)
class SoundFile:
    """The properties in the header of a sound file.

    Attributes
    ----------
    sr : int
        Sampling rate in Hz.
    seconds : float or None
        Stated or estimated length in seconds; None if neither is known.
    channels : int
        Number of channels.
    subtype : str or None
        libsndfile's name of the sample format, for example "PCM_16" or "FLOAT"; None for a file
        that FFmpeg decodes.
    """

    sr: int
    seconds: float | None
    channels: int
    subtype: str | None

    @property
    def is_float(self) -> bool:
        """Whether the samples are floating-point numbers, which may be beyond full scale."""
        return self.subtype in ("FLOAT", "DOUBLE")


def decode(path: Path, duration: float | None, *, warn: Warn) -> Iterator[Samples]:
    """Yield the samples of a file, at its own sampling rate and with its own channels.

    The file stays open until the last piece. Only a piece is in memory.

    Parameters
    ----------
    path : Path
        A sound file.
    duration : float > 0 or None
        Number of seconds to decode, from the beginning; None decodes the whole file.
    warn : callable
        Called with one line of text if the file can be used but has a fault.

    Yields
    ------
    piece : np.ndarray, shape=(channels, samples), float32
        One or more samples, full scale at +-1. Pieces have about `PIECE` samples.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, or not audio. If it holds no samples. If `LOST`
        seconds or more of the wanted sound are missing: before the first piece where the header
        shows it, else before the last piece.
    """
    _validate_file(path)
    with _explained(path):
        plain = _open_plain(path)
        if plain is None:
            yield from _decode_coded(path, duration, warn)
            return
        with plain:
            yield from _decode_plain(path, plain, duration, warn)


def probe(path: Path) -> SoundFile:
    """Return the properties in the header of a sound file. Nothing is decoded.

    Raises
    ------
    AudioError
        If the file is missing or is not a sound file.
    """
    _validate_file(path)
    with _explained(path):
        plain = _open_plain(path)
        if plain is not None:
            with plain as file:
                seconds = file.frames / file.samplerate
                return SoundFile(file.samplerate, seconds, file.channels, file.subtype)
        with _open_coded(path) as container:
            stream = _audio(path, container)
            length = None if container.duration is None else container.duration / 1e6
            return SoundFile(stream.rate, length, stream.codec_context.channels, None)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise errors of libsndfile and of the system as AudioError."""
    try:
        yield
    except sf.LibsndfileError as error:
        raise AudioError(f"{path}: is damaged ({error.error_string.rstrip('.')})") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror})") from error


def _validate_file(path: Path) -> None:
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not a sound file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: is empty (0 bytes)")


def _validate_end(path: Path, found: float, stated: float, warn: Warn) -> None:
    """Refuse a file that ends too early. Warn if only a moment is missing."""
    lost = stated - found
    if lost >= LOST:
        raise AudioError(
            f"{path}: is truncated or damaged ({found:.2f} of {stated:.2f} s can be decoded)"
        )
    if lost > _ROUNDED:
        warn(f"{path}: the last {1000 * lost:.0f} ms of the sound are missing in this file")


def _open_plain(path: Path) -> Any:
    """Open a file that libsndfile should decode. Return None for all other files."""
    if not _read(path, 0, 4).startswith(_PLAIN):
        return None
    try:
        file = sf.SoundFile(path)
    except sf.LibsndfileError:
        return None
    if not file.subtype.startswith("MPEG"):
        return file
    file.close()
    return None


def _decode_plain(path: Path, file: Any, duration: float | None, warn: Warn) -> Iterator[Samples]:
    sr = file.samplerate
    if file.frames == 0:
        raise AudioError(f"{path}: holds zero samples")
    wanted = file.frames if duration is None else min(file.frames, int(np.ceil(duration * sr)))
    stated = file.frames
    # libsndfile repairs the header of a truncated WAV or AIFF and mentions it only in its log.
    promised = re.search(
        r"^\s*(?:data|SSND) : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE
    )
    if promised and int(promised[2]) < int(promised[1]) < _UNKNOWN_LENGTH:
        stated = file.frames * int(promised[1]) / int(promised[2])
    if duration is not None:
        stated = min(stated, duration * sr)
    _validate_end(path, min(wanted, stated) / sr, stated / sr, warn)
    count = 0
    while count < wanted:
        piece = file.read(min(PIECE, wanted - count), dtype="float32", always_2d=True)
        if not len(piece):
            _validate_end(path, count / sr, stated / sr, warn)
            return
        count += len(piece)
        yield piece.T


def _open_coded(path: Path) -> "InputContainer":
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
    try:
        return av.open(f"file:{path}", metadata_errors="ignore", options=options)
    except av.EOFError as error:
        raise AudioError(f"{path}: is truncated before its sound begins") from error
    except av.FFmpegError as error:
        reason = f"{error.strerror}".lower()
        raise AudioError(f"{path}: is not audio that can be read ({reason})") from error


def _audio(path: Path, container: "InputContainer") -> "AudioStream":
    """Return the first audio stream of a container."""
    if not container.streams.audio:
        raise AudioError(f"{path}: is not audio that can be read (it holds no sound)")
    return container.streams.audio[0]


def _decode_coded(path: Path, duration: float | None, warn: Warn) -> Iterator[Samples]:
    with _open_coded(path) as container:
        stream = _audio(path, container)
        stated = _stated_length(path, container, stream)
        wanted = sys.maxsize if duration is None else int(np.ceil(duration * stream.rate))
        if stream.codec_context.name == "flac":  # each of its frames has a checksum
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        sound = _Sound(stream)
        for packet in _packets(container, stream):
            sound.take(packet)
            if sound.count > wanted:
                break
            if sound.held >= PIECE:
                yield sound.pop()
        name = container.format.name
    if not sound.count:
        raise AudioError(f"{path}: holds zero samples that can be decoded")
    if sound.holes:
        warn(f"{path}: {sound.holes} damaged pieces of the sound were left out")
    if sound.count <= wanted:
        if stated is not None:
            _validate_end(path, sound.end, stated, warn)
        if name == "ogg" and not _ogg_end(path)[0]:
            warn(f"{path}: does not say where its sound ends, so the whole file was used")
    rest = min(sound.held, wanted - (sound.count - sound.held))
    if rest:
        yield sound.pop()[:, :rest]


def _packets(container: "InputContainer", stream: "AudioStream") -> "Iterator[Packet[Any]]":
    """Yield packets up to the end, or up to the point where FFmpeg fails."""
    import av

    with suppress(av.FFmpegError):
        yield from container.demux(stream)


class _Sound:
    """The sound decoded so far, in the format of its first frame.

    Attributes
    ----------
    count : int
        Number of samples in all frames.
    held : int
        Number of samples in the frames after the last :meth:`pop`.
    holes : int
        Number of packets between the frames that could not be decoded. Audio players skip such
        packets too.
    """

    def __init__(self, stream: "AudioStream") -> None:
        self._parts: list[Samples] = []
        self.count = self.held = self.holes = 0
        self._stream, self._bad, self._last = stream, 0, 0.0
        self._kind: tuple[Any, ...] | None = None

    @property
    def end(self) -> float:
        """The time at which the sound ends, in seconds.

        Decoders of AAC, Opus and WMA hold samples back. For them it is the end of the last packet.
        """
        exact = self.count / self._stream.rate
        return exact if self._stream.codec_context.name in _EXACT else max(self._last, exact)

    def pop(self) -> Samples:
        """Return the frames after the last call as one array, and forget them."""
        joined = np.concatenate(self._parts, axis=1)
        self._parts, self.held = [], 0
        return joined

    def take(self, packet: "Packet[Any]") -> None:
        """Decode a packet."""
        import av

        try:
            frames = packet.decode()
        except av.FFmpegError:
            self._bad += 1
            return
        for frame in frames:
            self._append(frame)
        if frames and packet.size:  # the last packet is empty: it flushes the decoder
            self.holes, self._bad = self.holes + self._bad, 0
        if packet.pts is not None and packet.duration is not None:
            after = packet.pts + packet.duration - (self._stream.start_time or 0)
            self._last = max(self._last, _seconds(after, self._stream))

    def _append(self, frame: Any) -> None:
        from av import AudioResampler

        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._kind is None:
            self._layout, self._rate = frame.layout, frame.sample_rate
        if kind != self._kind:
            self._resampler = AudioResampler("fltp", self._layout, self._rate)
            self._kind = kind
        for one in self._resampler.resample(frame):
            self._parts.append(np.asarray(one.to_ndarray(), dtype=np.float32))
            self.count += one.samples
            self.held += one.samples


def _stated_length(path: Path, container: "InputContainer", stream: "AudioStream") -> float | None:
    """Return the length that a file states, in seconds; None if FFmpeg only estimates it."""
    name = container.format.name
    if name == "matroska,webm":
        if container.duration is None or len(container.streams) > 1:
            return None
        # This length includes what encoders add before and after the sound.
        return container.duration / 1e6 - 0.03
    if name == "asf":
        return _asf_length(path)
    if name == "ogg":
        position = _ogg_end(path)[1]
        if position is None or len(container.streams) > 1:
            return None
        return _seconds(position - (stream.start_time or 0), stream)
    stated = name in _STATED or (name == "mp3" and _mp3_states(path))
    if not stated or stream.duration is None:
        return None
    return _seconds(stream.duration, stream)


def _seconds(count: int, stream: "AudioStream") -> float:
    """Convert a time in units of the stream to seconds."""
    return float(count * (stream.time_base or 0))


def _mp3_states(path: Path) -> bool:
    """Return whether the first frame of an MP3 is a header with the number of frames."""
    head = _read(path, 0, 10)
    start = 0
    if head.startswith(b"ID3"):  # a tag, whose size has 7 bits in each byte
        start = 10 + sum(
            byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    frame = _read(path, start, 200)
    return any(word in frame for word in (b"Xing", b"Info", b"VBRI"))


def _asf_length(path: Path) -> float | None:
    """Return the length in the header of a WMA file, in seconds."""
    head = _read(path, 0, 65536)
    start = head.find(_ASF_PROPERTIES)
    if start < 0 or len(head) < start + 92:
        return None
    length, _, preroll, flags = struct.unpack_from("<QQQI", head, start + 64)
    is_broadcast = bool(flags & 1)
    return None if is_broadcast else length / 1e7 - preroll / 1e3


def _ogg_end(path: Path) -> tuple[bool, int | None]:
    """Read the last page of an Ogg file.

    Returns
    -------
    ended : bool
        Whether the page is complete and is marked as the end of the stream.
    position : int or None
        Number of samples up to the end of the page, if only a part of the page is in the file.
    """
    tail = _read(path, max(0, path.stat().st_size - 2 * _OGG_PAGE), 2 * _OGG_PAGE)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False, None
    if len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return False, int.from_bytes(page[6:14], "little", signed=True)
    return bool(page[5] & 4), None


def _read(path: Path, start: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(count)
