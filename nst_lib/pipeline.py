"""Run a transfer in six stages, from two recordings to a new sound."""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nst_lib import metrics
from nst_lib.base.files import file_checksum
from nst_lib.base.threads import threads
from nst_lib.config import ConfigError, GriffinLim
from nst_lib.core.baselines import BASELINES
from nst_lib.core.blocks import Parts, Samples
from nst_lib.core.gains import Gains
from nst_lib.core.image import place
from nst_lib.core.objective import ContentTermMaker, Losses
from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import STFT, Transform
from nst_lib.metrics import ear
from nst_lib.recordings import Recording, Sounds, at_rate_of, read, several
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks, Checkpoint, Clock, Pause, Session
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.system import System, default_preset, preset

#: Largest number of frames in the spectrograms of a long sound, which are pictures of it.
PICTURE_FRAMES = 4096
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
    content : path, Clip, np.ndarray of shape=(samples,) or (channels, samples), or None
        The recording that gives the rhythm. None synthesises a texture, from noise or from another
        start that needs no content.
    style : path, Clip, Style or np.ndarray, or sequence of them
        The recording that gives the timbre, or its summary (:class:`nst_lib.style.Style`, or the
        path of a file ending in ".style"). Samples are taken to be at ``config.sr``, or at 22 050
        Hz if that is None. Of several recordings, the mean of the Gram matrices is matched: one
        texture between them.
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
        config = at_rate_of(several(style)[0] if content is None else content, config)
        sounds = read(content, style, config)
        if content is not None:
            ear.installed()  # a damaged file is an error before the work and not after it
        session = Session(config, callbacks, stop, _open(checkpoint, config, sounds))
    # PyTorch computes small tensors on one thread; see nst_lib.base.threads.
    with threads(config.n_threads):
        return _run(config, sounds, session, clock)


def _run(config: System, sounds: Sounds, session: Session, clock: Clock) -> TransferResult:
    """Run the stages after the reading."""
    with clock.stage("analyse"):
        problem = _Problem(config, sounds)
        w = problem.start_waveform()
        session.watch(problem.loss)
    S: Tensor | None = None
    if config.domain == "gains":
        with clock.stage("optimise"):
            w = session.optimise_gains(problem.loss_of_gains, w, problem.overview)
    if config.inverts and session.inverted is None:
        with clock.stage("optimise"):
            start = problem.start_spectrogram()
            S = config.finish(session.optimise_spectrogram(problem.loss, start, problem.transform))
        with clock.stage("invert"):
            w = session.invert(S, problem.transform, length=len(w), content=problem.w_content)
    if config.domain in ("waveform", "hybrid") and session.outcome != "stopped":
        stage = "optimise" if config.domain == "waveform" else "refine"
        with clock.stage(stage):
            w = session.optimise_waveform(problem.loss_of_waveform, w, problem.overview)
    problem.w_start = None
    with clock.stage("score"), torch.no_grad():
        if config.result_level == "style":
            w = w * (_rms(problem.w_style) / _rms(w).clamp_min(1e-9))
        optimised = S if config.domain == "spectrogram" else problem.overview(w)
        placed = _placed(problem, w, session.gains)
        del w, S  # of a long sound, they take much memory, and so does the problem
        heard = _hear(problem, optimised, placed)
        device, overview = str(problem.device), problem.overview
        del problem, placed
        heard["scores"] = _scores(heard["audio"], sounds)
    return TransferResult(
        **heard,
        content=sounds.content,
        style=sounds.style,
        evaluations=session.evaluations,
        best_step=session.best_step,
        convergence=session.convergence,
        outcome=session.outcome,
        warnings=sounds.warnings,
        subtype=sounds.subtype,
        seconds=clock.seconds,
        device=device,
        transform=overview,
        config=config,
    )


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


class _Problem:
    """What is to be minimised: the recordings as tensors, their spectrograms, and the loss.

    A long sound is never held as a whole spectrogram; `in_blocks` says so.
    """

    def __init__(self, config: System, sounds: Sounds) -> None:
        self.config, self.sounds = config, sounds
        self.device = config.torch_device()
        self.transform = config.analysis().to(self.device)
        self.styles = [sounds.mono(y) for y in sounds.styles]
        self.w_styles = [self.tensor(y) for y in self.styles]
        self.w_style = torch.cat(self.w_styles)
        self.content = None if sounds.content is None else sounds.mono(sounds.content)
        self.w_content = None if self.content is None else self.tensor(self.content)
        self.view = config.view(self.transform)
        in_blocks = config.loss_in_blocks(
            self.transform, style=self.w_styles, content=self.w_content
        )
        self.in_blocks = in_blocks is not None
        self.loss: Callable[[Any], Losses] = in_blocks or config.loss(
            self.transform,
            style=[self.view(w) for w in self.w_styles],
            content=None if self.w_content is None else self.view(self.w_content),
        )
        self.length = self._length(self.w_styles[0])
        self.overview = _overview(self.transform, self.length if in_blocks else 0).to(self.device)
        self.channels: Tensor | None = None
        self.w_start = self._start()

    def loss_of_waveform(self, w: Tensor) -> Losses:
        return self.loss(Parts(w, Samples()) if self.in_blocks else self.view(w))

    def loss_of_gains(self, shape: Gains, gains: Tensor) -> Losses:
        return self.loss(Parts(gains, shape) if self.in_blocks else self.view(shape(gains)))

    def start_waveform(self) -> Tensor:
        """Return the sound that the optimisation starts from."""
        start = self.w_start
        return self._simple_start(self.w_style, self.w_content) if start is None else start

    def start_spectrogram(self) -> Tensor:
        """Return its spectrogram, or noise in place of a spectrogram."""
        if self.w_start is None:
            content = None if self.w_content is None else self.transform(self.w_content)
            return self._simple_start(self.transform(self.w_style), content)
        S: Tensor = self.transform(self.w_start)
        return S

    def _start(self) -> Tensor | None:
        """Return a start that is a sound of its own or a baseline; None is content or noise.

        The mosaic of a style with several channels is made of all of them; `channels` keeps them.
        """
        config, sounds = self.config, self.sounds
        if sounds.start is not None:
            return self.tensor(audio.fit(sounds.start, self.length))
        if config.start not in BASELINES or self.content is None:
            return None
        style: Audio = np.concatenate(self.styles)
        in_channels = config.start == "mosaic" and config.domain == "gains"
        if in_channels and sounds.style.ndim == 2 and sounds.in_channels:
            style = np.concatenate([style[None], sounds.style])
        more = {"ends": np.cumsum([len(one) for one in self.styles])}
        y = BASELINES[config.start](
            style,
            self.content,
            sr=config.rate,
            **(more if config.blend == "path" else {}),
        ).astype(np.float32)
        if y.ndim == 1:
            return self.tensor(y)
        self.channels = self.tensor(y[1:])
        return self.tensor(y[0])

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

    def tensor(self, y: Audio) -> Tensor:
        """Return samples as a tensor with the device and the precision of the transfer."""
        return torch.from_numpy(y).to(self.device, getattr(torch, self.config.precision))

    def _length(self, style: Tensor) -> int:
        """Return the number of samples of the result: the content's, or those of a texture."""
        seconds, sr = self.config.texture_duration, self.config.rate
        if self.w_content is not None or seconds is None:
            return len(style if self.w_content is None else self.w_content)
        length = round(seconds * sr)
        if length < self.transform.min_samples:
            raise ConfigError(
                f"texture_duration={seconds:g}: shorter than a window; accepted: "
                f"{self.transform.min_samples / sr:.2g} s or more"
            )
        return length


def _hear(problem: _Problem, optimised: Tensor | None, placed: Audio) -> dict[str, Any]:
    """Return what is heard: the sound at a safe level, its spectrograms, and its losses.

    `optimised` is the spectrogram that the optimisation ended with.
    """
    y, gain = audio.guard(placed)
    heard = problem.tensor(problem.sounds.mono(y))
    realised = problem.loss_of_waveform(heard)
    seen = {"content": problem.w_content, "style": problem.w_style, "result": heard}
    spectrograms = {name: problem.overview(one) for name, one in seen.items() if one is not None}
    assert optimised is not None
    return {
        "audio": y,
        "gain": gain,
        "spectrograms": {
            name: one.float().cpu().numpy()
            for name, one in (spectrograms | {"optimised": optimised}).items()
        },
        "realised": realised.values() if realised.terms else {},
    }


def _scores(y: Audio, sounds: Sounds) -> metrics.Scores | None:
    content, style = sounds.content, sounds.style
    if content is None or min(y.shape[-1], style.shape[-1]) < metrics.MIN_SAMPLES:
        return None
    return metrics.scores(y, content=content, style=style, sr=sounds.sr)


def _placed(problem: _Problem, w: Tensor, gains: Tensor | None) -> Audio:
    """Return the result with the channels of the content, and their image."""
    content = problem.sounds.content
    if content is None or not problem.sounds.in_channels:
        return _sound(problem, w, None)
    # The sound has no name here, so that `place` can release it as soon as it has mixed it.
    return place(
        _sound(problem, w, gains), content, sr=problem.config.rate, seed=problem.config.seed
    )


def _sound(problem: _Problem, w: Tensor, gains: Tensor | None) -> Audio:
    """Return the result, with the channels of its start if they are known. They are released."""
    channels, problem.channels = problem.channels, None
    if gains is None or channels is None:
        mono: Audio = w.float().cpu().numpy()
        return mono
    for one in channels:
        one.copy_(Gains(one, sr=problem.config.rate).long(gains))
    several: Audio = channels.float().cpu().numpy()
    return several


def _overview(transform: Transform, samples: int) -> Transform:
    """Return the transform for pictures: of a long sound, one with fewer frames."""
    fewer = -(-transform.n_frames(samples) // PICTURE_FRAMES) if samples else 1
    if fewer == 1 or not isinstance(transform, STFT):
        return transform
    return STFT(
        sr=transform.sr,
        n_fft=transform.n_fft,
        hop_length=fewer * transform.hop_length,
        pad_mode=transform.pad_mode,
    )


def _rms(y: Tensor) -> Tensor:
    return y.square().mean().sqrt()


def _open(
    path: str | os.PathLike[str] | Pause | None, config: System, sounds: Sounds
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
        key.update(b"none" if y is None else f"{y.shape} ".encode())
        key.update(b"" if y is None else np.ascontiguousarray(y).data)
    return Checkpoint(path, key=key.hexdigest())
