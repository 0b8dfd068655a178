"""Run a transfer in six stages, from two recordings to a new sound."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nst_lib import metrics
from nst_lib.base.files import file_checksum
from nst_lib.config import ConfigError, GriffinLim
from nst_lib.core.baselines import BASELINES
from nst_lib.core.objective import ContentTermMaker, Losses
from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import Transform
from nst_lib.metrics import ear
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks, Checkpoint, Clock, Pause, Session
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Clip
from nst_lib.sound.decoding import Warn
from nst_lib.system import System, default_preset, preset

#: What a recording may be given as: a path, a clip of a data set, or samples at the rate `sr`.
Recording = str | os.PathLike[str] | Clip | Audio
#: The stages of a transfer, in order; some have no "invert" or no "refine".
STAGES = ("read", "analyse", "optimise", "invert", "refine", "score")


def transfer(
    content: Recording | None,
    style: Recording | Sequence[Recording],
    config: System | None = None,
    *,
    callback: Callbacks | Callable[[Evaluation], None] | None = None,
    stop: threading.Event | None = None,
    checkpoint: str | os.PathLike[str] | Pause | None = None,
    transform: Transform | None = None,
    network: nn.Module | None = None,
    content_term: ContentTermMaker | None = None,
    start: Recording | None = None,
) -> TransferResult:
    """Give the content's rhythm the style's timbre.

    Parameters
    ----------
    content : path, Clip, np.ndarray of shape=(samples,), or None
        The recording that gives the rhythm. None synthesises a texture, from noise or from another
        start that needs no content.
    style : path, Clip or np.ndarray of shape=(samples,), or sequence of them
        The recording that gives the timbre. Samples are taken to be at ``config.sr``. Of several
        recordings, the mean of the Gram matrices is matched: one texture between them.
    config : System or None
        The settings; None is the preset ``shaped``, or ``fast`` without a content. An instance of a
        system of your own is run as it is; see :class:`nst_lib.system.System`.
    callback : callable, Callbacks or None
        A function that is called after each evaluation of the loss, or several functions for
        several events; see :class:`nst_lib.session.Callbacks`.
    stop : threading.Event or None
        When it is set, the best sound so far is returned; so it is on ``KeyboardInterrupt``.
    checkpoint : path, Pause or None
        A file, ending in ".ckpt", that is written every few seconds at most; where it exists, the
        optimisation goes on from it. The caller removes it. Or a :class:`nst_lib.session.Pause`
        of a run that was stopped, to go on from its best point.
    transform, network, content_term : Transform, nn.Module, callable, or None
        Parts of your own in place of those that the settings name; see
        :meth:`nst_lib.system.System.using`.
    start : path, Clip, np.ndarray of shape=(samples,), or None
        The sound that the optimisation starts from. It is read and levelled like the recordings,
        and trimmed or zero-padded to the length of the result. A path, or a word that the setting
        `start` accepts, replaces this setting.

    Returns
    -------
    TransferResult

    Raises
    ------
    AudioError
        If a recording cannot be used.
    ConfigError
        If the settings do not fit the recordings or this machine.
    EarError
        If the trained ear is installed and its file is damaged.
    ValueError
        If memory does not suffice, or if the checkpoint belongs to another transfer or cannot be
        written.
    """
    config = preset(default_preset(content)).config if config is None else config
    config = config.using(transform=transform, network=network, content_term=content_term)
    config = _start_from(start, config)
    _validate(config, content)
    callbacks = Callbacks.of(callback)
    clock = Clock(callbacks.on_stage)
    with clock.stage("read"):
        sounds = _read(content, style, config)
        if content is not None:
            ear.installed()  # a damaged file is an error before the work and not after it
        session = Session(config, callbacks, stop, _open(checkpoint, config, sounds))
    with clock.stage("analyse"):
        problem = _Problem(config, sounds)
        S, w = problem.start_spectrogram(), problem.start_waveform()
    if config.domain == "gains":
        with clock.stage("optimise"):
            w = session.optimise_gains(problem.loss_of_waveform, w, problem.transform)
    if config.inverts and session.inverted is None:
        with clock.stage("optimise"):
            S = config.finish(session.optimise_spectrogram(problem.loss, S))
        with clock.stage("invert"):
            w = session.invert(S, problem.transform, length=len(w), content=problem.w_content)
    if config.domain in ("waveform", "hybrid") and session.outcome != "stopped":
        with clock.stage("optimise" if config.domain == "waveform" else "refine"):
            w = session.optimise_waveform(problem.loss_of_waveform, w, problem.transform)
    with clock.stage("score"), torch.no_grad():
        heard = _hear(problem, S, w)
    return TransferResult(
        **heard,
        content=sounds.content,
        style=sounds.style,
        evaluations=session.evaluations,
        best_step=session.best_step,
        convergence=session.convergence,
        outcome=session.outcome,
        warnings=sounds.warnings,
        seconds=clock.seconds,
        device=str(problem.device),
        transform=problem.transform,
        config=config,
    )


def load(source: Recording, config: System, *, warn: Warn = audio.warn) -> Audio:
    """Return a recording with the sampling rate, duration and loudness of the settings.

    `warn` is called with one line about each fault of a file that is used all the same.
    """
    min_samples = config.analysis().min_samples
    wanted: dict[str, Any] = {"sr": config.sr, "duration": config.duration}
    wanted |= {"min_samples": min_samples, "warn": warn}
    if isinstance(source, Clip):
        y = source.load(**wanted)
    elif isinstance(source, np.ndarray):
        y = audio.validate(source, min_samples=min_samples)
        y = y if config.duration is None else audio.fit(y, round(config.duration * config.sr))
    else:
        y = audio.read(source, **wanted)
    if config.level == "off":
        return y
    return audio.level(y, sr=config.sr, measure=config.level, target=config.level_target)


def _start_from(start: Recording | None, config: System) -> System:
    """Return the settings with a start of the caller's own."""
    if isinstance(start, str | os.PathLike):
        path = start if isinstance(start, str) else os.path.abspath(start)
        return config.replace(start=path)
    return config.using(start=start)


def _validate(config: System, content: Recording | None) -> None:
    """Raise ConfigError if the settings need a content and there is none, or the reverse."""
    config.validate_content(content)
    if content is None and isinstance(config, GriffinLim) and config.phase == "content":
        raise ConfigError("phase='content' without a content; accepted: phase='random'")
    if content is not None and config.texture_duration is not None:
        raise ConfigError("texture_duration with a content; accepted: null")


@dataclass(frozen=True)
class _Sounds:
    """The recordings as they are used, and the faults of their files."""

    content: Audio | None
    styles: list[Audio]
    warnings: list[str]
    start: Audio | None = None

    @property
    def style(self) -> Audio:
        return np.concatenate(self.styles)


def _read(
    content: Recording | None, style: Recording | Sequence[Recording], config: System
) -> _Sounds:
    warnings = list[str]()

    def warn(text: str) -> None:
        warnings.append(text)
        audio.warn(text)

    styles: Sequence[Any] = style if isinstance(style, list | tuple) else [style]
    if not styles:
        raise ValueError("no style; accepted: one or more")
    start = config.own_start()
    return _Sounds(
        start=None if start is None else load(start, config, warn=warn),
        styles=[load(one, config, warn=warn) for one in styles],
        content=None if content is None else load(content, config, warn=warn),
        warnings=warnings,
    )


class _Problem:
    """What is to be minimised: the recordings as tensors, their spectrograms, and the loss."""

    def __init__(self, config: System, sounds: _Sounds) -> None:
        self.config, self.sounds = config, sounds
        self.device = config.torch_device()
        self.transform = config.analysis().to(self.device)
        styles = [self._tensor(y) for y in sounds.styles]
        self.w_style = torch.cat(styles)
        self.w_content = None if sounds.content is None else self._tensor(sounds.content)
        self.view = config.view(self.transform)
        self.loss: Callable[[Tensor], Losses] = config.loss(
            self.transform,
            style=[self.view(w) for w in styles],
            content=None if self.w_content is None else self.view(self.w_content),
        )
        self.S_style = self.transform(self.w_style)
        self.S_content = None if self.w_content is None else self.transform(self.w_content)
        self.length = self._length(styles[0])
        self.w_start = self._start()

    def loss_of_waveform(self, w: Tensor) -> Losses:
        return self.loss(self.view(w))

    def start_waveform(self) -> Tensor:
        """Return the sound that the optimisation starts from."""
        start = self.w_start
        return self._simple_start(self.w_style, self.w_content) if start is None else start

    def start_spectrogram(self) -> Tensor:
        """Return its spectrogram, or noise in place of a spectrogram."""
        if self.w_start is None:
            return self._simple_start(self.S_style, self.S_content)
        S: Tensor = self.transform(self.w_start)
        return S

    def _start(self) -> Tensor | None:
        """Return a start that is a sound of its own or a baseline; None is content or noise."""
        config, sounds = self.config, self.sounds
        if sounds.start is not None:
            return self._tensor(audio.fit(sounds.start, self.length))
        if config.start not in BASELINES or sounds.content is None:
            return None
        y = BASELINES[config.start](sounds.style, sounds.content, sr=config.sr)
        return self._tensor(y.astype(np.float32))

    def _simple_start(self, style: Tensor, content: Tensor | None) -> Tensor:
        """Return the content, or seeded noise; with the style's mean and spread, it is our choice.

        Parameters
        ----------
        style, content : Tensor
            Both as waveforms, or both as spectrograms.
        """
        config = self.config
        if config.start == "content" and content is not None:
            return content
        frames = (self.transform.n_freq, self.transform.n_frames(self.length))
        shape = (self.length,) if style.ndim == 1 else frames
        generator = torch.Generator().manual_seed(config.seed)
        noise = torch.randn(shape, generator=generator).to(style)
        if config.start_std is not None:
            return config.start_std * noise
        noise = style.mean() + style.std() * noise
        return noise.clamp_min(0) if noise.ndim == 2 else noise

    def _tensor(self, y: Audio) -> Tensor:
        return torch.from_numpy(y).to(self.device, getattr(torch, self.config.precision))

    def _length(self, style: Tensor) -> int:
        """Return the number of samples of the result: the content's, or those of a texture."""
        seconds, sr = self.config.texture_duration, self.config.sr
        if self.w_content is not None or seconds is None:
            return len(style if self.w_content is None else self.w_content)
        length = round(seconds * sr)
        if length < self.transform.min_samples:
            raise ConfigError(
                f"texture_duration={seconds:g}: shorter than a window; accepted: "
                f"{self.transform.min_samples / sr:.2g} s or more"
            )
        return length


def _hear(problem: _Problem, S: Tensor, w: Tensor) -> dict[str, Any]:
    """Return what is heard of a waveform: the sound, its spectrograms, losses and scores."""
    config, sounds = problem.config, problem.sounds
    if config.result_level == "style":
        w = w * (_rms(problem.w_style) / _rms(w).clamp_min(1e-9))
    if config.domain != "spectrogram":
        S = problem.transform(w)
    y, gain = audio.guard(w.float().cpu().numpy())
    heard = torch.from_numpy(y).to(w)
    realised = problem.loss_of_waveform(heard)
    scores = None
    if sounds.content is not None and min(len(y), len(sounds.style)) >= metrics.MIN_SAMPLES:
        scores = metrics.scores(y, content=sounds.content, style=sounds.style, sr=config.sr)
    spectrograms = {
        "content": problem.S_content,
        "style": problem.S_style,
        "optimised": S,
        "result": problem.transform(heard),
    }
    return {
        "audio": y,
        "gain": gain,
        "spectrograms": {
            name: one.float().cpu().numpy() for name, one in spectrograms.items() if one is not None
        },
        "realised": realised.values() if realised.terms else {},
        "scores": scores,
    }


def _rms(y: Tensor) -> Tensor:
    return y.square().mean().sqrt()


def _open(
    path: str | os.PathLike[str] | Pause | None, config: System, sounds: _Sounds
) -> Checkpoint | Pause | None:
    """Return the saved state to continue from. A file belongs to settings, weights and sounds."""
    if path is None or isinstance(path, Pause):
        return path
    key = hashlib.sha256(config.to_json().encode())
    for name, file in config.files().items():
        try:
            key.update(file_checksum(file).encode())
        except OSError as error:
            raise ConfigError(
                f"{name}={str(file)!r}: cannot be read ({error.strerror}); choose another file"
            ) from error
    for part in config.own_modules():
        for value in part.state_dict().values():
            key.update(value.cpu().numpy().tobytes())
    own = () if sounds.start is None else (sounds.start,)
    for y in (*sounds.styles, sounds.content, *own):
        key.update(b"none" if y is None else f"{len(y)} ".encode() + y.tobytes())
    return Checkpoint(path, key=key.hexdigest())
