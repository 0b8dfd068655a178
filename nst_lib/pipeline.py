"""A style onto a content: the whole path, from two recordings to a new one."""

import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nst_lib import metrics
from nst_lib.base.files import file_checksum
from nst_lib.build import choose_device, make_loss, make_transform, make_view, validate_engine
from nst_lib.config import ConfigError, TransferConfig
from nst_lib.core.inversion import griffin_lim
from nst_lib.core.objective import Losses
from nst_lib.core.optimise import Evaluation, Optimised, Snapshot, minimise
from nst_lib.core.transforms import Transform
from nst_lib.metrics import Scores
from nst_lib.session import Checkpoint, Pause
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Clip
from nst_lib.sound.decoding import Warn
from nst_lib.systems.presets import preset

if TYPE_CHECKING:
    import pandas as pd

Spectrogram = npt.NDArray[np.float32]
#: What a recording may be given as: a path, a clip of a dataset, or samples at the config's rate.
Source = str | os.PathLike[str] | Clip | Audio
#: The parts of a transfer, in order; `on_stage` hears of each as it begins.
STAGES = ("read", "analyse", "optimise", "invert", "refine", "score")


@dataclass(frozen=True)
class TransferResult:
    """What a transfer gives.

    Attributes
    ----------
    audio : np.ndarray, shape=(samples,)
        The new sound, peak at most 0.999.
    gain : float
        Factor that kept it there; 1 where none was needed.
    content : np.ndarray, shape=(samples,), or None
        The content as it was used: trimmed or padded, and levelled. None for texture synthesis.
    style : np.ndarray, shape=(samples,)
        The style as it was used; several, one after the other.
    spectrograms : dict of str to np.ndarray, shape=(freq, time)
        "content" (if any), "style", "optimised" (what the optimiser left, of a waveform its
        transform) and "result" (what is heard: the transform of `audio`).
    evaluations : list of Evaluation
        The losses, evaluation by evaluation; `losses` is the same as a table.
    best_step : int or None
        The evaluation that the sound is of; None at 0 steps.
    convergence : float or None
        Spectral convergence of the inversion, from the optimised spectrogram to a sound;
        see :class:`nst_lib.core.inversion.Inversion`. None where the sound was optimised from
        the start.
    realised : dict of str to float
        The losses recomputed from `audio`: "style", "content", "total" and the terms.
    scores : Scores or None
        Of `audio`; None without a content, or for sounds too short to score.
    outcome : str
        Why the (last) optimisation ended; see :class:`nst_lib.core.optimise.Optimised`.
    warnings : list of str
        What is not as it should be in the files that were read; see
        :func:`nst_lib.sound.audio.read`.
    seconds : dict of str to float
        Time spent in each of `STAGES`, and "total".
    device : str
        Where the network ran.
    transform : Transform
        Makes spectrograms like these, and labels them.
    config : TransferConfig
        All settings.
    """

    audio: Audio
    gain: float
    content: Audio | None
    style: Audio
    spectrograms: dict[str, Spectrogram]
    evaluations: list[Evaluation]
    best_step: int | None
    convergence: float | None
    realised: dict[str, float]
    scores: Scores | None
    outcome: str
    warnings: list[str]
    seconds: dict[str, float]
    device: str
    transform: Transform
    config: TransferConfig

    @property
    def losses(self) -> "pd.DataFrame":
        """The loss table: step, seconds, domain, style, content, total and the terms."""
        import pandas as pd

        return pd.DataFrame([evaluation.row() for evaluation in self.evaluations])


def transfer(
    content: Source | None,
    style: Source | Sequence[Source],
    config: TransferConfig | None = None,
    *,
    callback: Callable[[Evaluation], None] | None = None,
    watch: Callable[[Callable[[], npt.NDArray[np.float32]]], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    on_inversion: Callable[[int, float], None] | None = None,
    stop: threading.Event | None = None,
    checkpoint: str | os.PathLike[str] | Pause | None = None,
) -> TransferResult:
    """Give the content's rhythm the style's timbre.

    Parameters
    ----------
    content : path, Clip, np.ndarray of shape=(samples,), or None
        What happens when. None synthesises a texture, from noise (``start="noise"``).
    style : path, Clip or np.ndarray of shape=(samples,), or sequence of them
        What it is to sound like. Samples are taken to be at ``config.sr``. Of several, the mean of
        the Gram matrices is matched: one texture between them.
    config : TransferConfig or None
        Settings; None is the preset ``fast``.
    callback : callable or None
        Called after each evaluation of the loss.
    watch : callable or None
        Called after that, with a function that returns the spectrogram as it is now, shape
        ``(freq, time)``, for as long as the call lasts.
    on_stage : callable or None
        Called with the name of each of `STAGES` as it begins.
    on_inversion : callable or None
        Called with iteration and spectral convergence of Griffin-Lim.
    stop : threading.Event or None
        When set, the best sound so far is returned; so it is on ``KeyboardInterrupt``.
    checkpoint : path, Pause or None
        A file, ending in ".ckpt", that is written every few seconds at most; where it exists, the
        optimisation goes on from it. It is the caller's to remove. Or what a run that was stopped
        leaves in memory, to go on from its best point.

    Returns
    -------
    TransferResult

    Raises
    ------
    AudioError
        If a recording cannot be used.
    ConfigError
        If the settings do not fit the recordings or this machine.
    ValueError
        If memory does not suffice, or the checkpoint is of another transfer or cannot be written.
    """
    config = preset("fast").config if config is None else config
    if content is None and config.start == "content":
        raise ConfigError("start='content' without a content; accepted: start='noise'")
    if content is None and config.phase == "content":
        raise ConfigError("phase='content' without a content; accepted: phase='random'")
    if content is not None and config.texture_duration is not None:
        raise ConfigError("texture_duration with a content; accepted: null")
    transform, device = make_transform(config), choose_device(config)
    clock, warned = _Clock(on_stage), list[str]()

    def warn(text: str) -> None:
        warned.append(text)
        audio.warn(text)

    with clock.stage("read"):
        styles = [load(one, config, warn=warn) for one in _each(style)]
        y_style = np.concatenate(styles)
        y_content = None if content is None else load(content, config, warn=warn)
        saved = _open_checkpoint(checkpoint, config, *styles, y_content)
    with clock.stage("analyse"):
        dtype = getattr(torch, config.precision)
        w_styles = [torch.from_numpy(y).to(device, dtype) for y in styles]
        w_content = None if y_content is None else torch.from_numpy(y_content).to(device, dtype)
        transform.to(device)
        view = make_view(config, transform)
        loss = make_loss(
            config,
            transform,
            style=[view(w) for w in w_styles],
            content=None if w_content is None else view(w_content),
        )
        validate_engine(config, loss)
        w_style = torch.cat(w_styles)
        S_style = transform(w_style)
        S_content = None if w_content is None else transform(w_content)
        length = _length(config, w_styles[0], w_content, transform)
        w = _start(config, w_style, w_content, (length,))
        shape = (transform.n_freq, transform.n_frames(length))
        S_optimised = _start(config, S_style, S_content, shape)
    run = _Optimisation(config, loss, transform, view, saved, callback, watch, stop)
    if config.domain != "waveform" and run.inverted is None:
        with clock.stage("optimise"):
            S_optimised = run.spectrogram(S_optimised).x
            if config.CLIP:
                S_optimised = S_optimised.clamp_min(0)
        with clock.stage("invert"):
            phase_of = w_content if config.phase == "content" else None
            w = run.invert(S_optimised, phase_of, length=len(w), callback=on_inversion)
    if config.domain != "spectrogram" and run.outcome != "stopped":
        with clock.stage("optimise" if config.domain == "waveform" else "refine"):
            w = run.waveform(w).x
    if config.result_level == "style":
        w = w * (_rms(w_style) / _rms(w).clamp_min(1e-9))
    with clock.stage("score"), torch.no_grad():
        if config.domain != "spectrogram":
            S_optimised = transform(w)
        y, gain = audio.guard(w.float().cpu().numpy())
        heard = torch.from_numpy(y).to(w)
        S_result = transform(heard)
        realised = loss(view(heard)).values()
        scores = None
        if y_content is not None and min(len(y), len(y_style)) >= metrics.MIN_SAMPLES:
            scores = metrics.scores(y, content=y_content, style=y_style, sr=config.sr)
    spectrograms = {
        "content": S_content,
        "style": S_style,
        "optimised": S_optimised,
        "result": S_result,
    }
    return TransferResult(
        audio=y,
        gain=gain,
        content=y_content,
        style=y_style,
        spectrograms={n: S.float().cpu().numpy() for n, S in spectrograms.items() if S is not None},
        evaluations=run.evaluations,
        best_step=run.best_step,
        convergence=run.convergence,
        realised=realised,
        scores=scores,
        outcome=run.outcome,
        warnings=warned,
        seconds=clock.seconds,
        device=str(device),
        transform=transform,
        config=config,
    )


def load(source: Source, config: TransferConfig, *, warn: Warn = audio.warn) -> Audio:
    """Return a recording as the settings want it: rate, duration, loudness.

    `warn` is called with one line on a file that is not as it should be.
    """
    min_samples = make_transform(config).min_samples
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


class _Optimisation:
    """The one or two optimisations of a transfer, and what they leave."""

    def __init__(
        self,
        config: TransferConfig,
        loss: Callable[[Tensor], Losses],
        transform: Transform,
        view: Callable[[Tensor], Tensor],
        saved: Checkpoint | Pause | None,
        callback: Callable[[Evaluation], None] | None,
        watch: Callable[[Callable[[], npt.NDArray[np.float32]]], None] | None,
        stop: threading.Event | None,
    ) -> None:
        self._config, self._loss, self._transform, self._view = config, loss, transform, view
        self._saved, self._callback, self._watch, self._stop = saved, callback, watch, stop
        state = {} if saved is None else saved.state
        #: The waveform that a saved run had already inverted its spectrogram to.
        self.inverted: Tensor | None = state.get("inverted")
        self.convergence: float | None = state.get("convergence")
        self.evaluations = [Evaluation(**row) for row in state.get("earlier", [])]
        self.best_step: int | None = None
        self.outcome = "finished"

    def spectrogram(self, S: Tensor) -> Optimised:
        """Optimise a spectrogram, for all steps or, with more to come, for half of them."""
        steps = self._config.steps
        return self._minimise(
            self._loss,
            S,
            domain="spectrogram",
            steps=steps - steps // 2 if self._config.domain == "hybrid" else steps,
        )

    def invert(
        self,
        S: Tensor,
        phase_of: Tensor | None,
        *,
        length: int,
        callback: Callable[[int, float], None] | None,
    ) -> Tensor:
        """Return a waveform whose spectrogram is near `S`."""
        config = self._config
        inversion = griffin_lim(
            S,
            self._transform,
            length=length,
            n_iter=config.n_iter,
            momentum=config.momentum,
            seed=config.seed,
            phase_of=phase_of,
            callback=callback,
        )
        self.convergence = float(inversion.convergence[-1])
        return inversion.y

    def waveform(self, w: Tensor) -> Optimised:
        """Optimise a waveform through what the loss sees of it, for the steps that are left."""
        if self.inverted is not None:
            w = self.inverted.to(w)
        elif self._saved is not None:
            earlier = [dataclasses.asdict(evaluation) for evaluation in self.evaluations]
            state = {"inverted": w.cpu(), "earlier": earlier, "convergence": self.convergence}
            self._saved.update(state, at_once=True)
        return self._minimise(
            lambda w: self._loss(self._view(w)),
            w,
            domain="waveform",
            steps=self._config.steps - len(self.evaluations),
        )

    def _minimise(
        self, loss: Callable[[Tensor], Losses], start: Tensor, *, domain: str, steps: int
    ) -> Optimised:
        saved = self._saved
        state = None if saved is None else saved.state.get(domain)
        optimised = minimise(
            loss,
            start,
            steps=steps,
            optimiser=self._config.optimiser,
            line_search=self._config.line_search,
            learning_rate=self._config.learning_rate,
            history=self._config.history,
            unit=self._config.unit if domain == "spectrogram" else 1.0,
            domain=domain,
            earlier=self.evaluations,
            callback=self._callback,
            watch=None if self._watch is None else lambda x: self._show(x, domain),
            stop=self._stop,
            on_snapshot=None if saved is None else lambda s: saved.update({domain: s.to_dict()}),
            resume=None if state is None else Snapshot.from_dict(state),
        )
        self.evaluations = [*self.evaluations, *optimised.evaluations]
        self.best_step = self.best_step if optimised.best_step is None else optimised.best_step
        self.outcome = optimised.outcome
        if saved is not None and optimised.outcome == "stopped" and optimised.evaluations:
            saved.stop({domain: optimised.restart.to_dict()})
        return optimised

    def _show(self, x: Tensor, domain: str) -> None:
        assert self._watch is not None
        S = x if domain == "spectrogram" else self._transform(x)
        self._watch(lambda: S.float().cpu().numpy())


def _each(style: Source | Sequence[Source]) -> list[Source]:
    if isinstance(style, list | tuple):
        if not style:
            raise ValueError("no style; accepted: one or more")
        return list(style)
    return [style]  # type: ignore[list-item]


def _length(
    config: TransferConfig, style: Tensor, content: Tensor | None, transform: Transform
) -> int:
    """Return the samples of the result: the content's, or those of a texture."""
    if content is not None or config.texture_duration is None:
        return len(style if content is None else content)
    length = round(config.texture_duration * config.sr)
    if length < transform.min_samples:
        raise ConfigError(
            f"texture_duration={config.texture_duration:g}: shorter than a window; accepted: "
            f"{transform.min_samples / config.sr:.2g} s or more"
        )
    return length


def _start(
    config: TransferConfig, style: Tensor, content: Tensor | None, shape: tuple[int, ...]
) -> Tensor:
    """Return the content, or seeded noise; with the style's mean and spread, it is our choice."""
    if config.start == "content" and content is not None:
        return content
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randn(shape, generator=generator).to(style)
    if config.start_std is not None:
        return config.start_std * noise
    noise = style.mean() + style.std() * noise
    return noise.clamp_min(0) if noise.ndim == 2 else noise


def _rms(y: Tensor) -> Tensor:
    return y.square().mean().sqrt()


def _open_checkpoint(
    path: str | os.PathLike[str] | Pause | None, config: TransferConfig, *sounds: Audio | None
) -> Checkpoint | Pause | None:
    if path is None or isinstance(path, Pause):
        return path
    key = hashlib.sha256(config.to_json().encode())
    weights = config.weights_file
    if weights is not None:
        try:
            key.update(file_checksum(weights).encode())
        except OSError as error:
            raise ConfigError(
                f"weights={str(weights)!r}: cannot be read ({error.strerror}); accepted: a file"
            ) from error
    for y in sounds:
        key.update(b"none" if y is None else f"{len(y)} ".encode() + y.tobytes())
    return Checkpoint(path, key=key.hexdigest())


class _Clock:
    """Times the stages and announces them."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self._on_stage = on_stage
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self._on_stage is not None:
            self._on_stage(name)
        began = time.perf_counter()
        yield
        now = time.perf_counter()
        self.seconds[name] = now - began
        self.seconds["total"] = now - self._began
