"""A style onto a content: the whole path, from two recordings to a new one."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from nst_lib import audio
from nst_lib.audio import Audio
from nst_lib.config import ConfigError, TransferConfig
from nst_lib.datasets import Clip
from nst_lib.inversion import griffin_lim
from nst_lib.kernel import InfiniteCNN, KernelLoss
from nst_lib.losses import TransferLoss
from nst_lib.network import RandomCNN, n_weights
from nst_lib.optimise import Evaluation, minimise
from nst_lib.transforms import CQT, STFT, Transform

if TYPE_CHECKING:
    import pandas as pd

Spectrogram = npt.NDArray[np.float32]
#: What a recording may be given as: a path, a clip of a dataset, or samples at the config's rate.
Source = str | os.PathLike[str] | Clip | Audio
#: The parts of a transfer, in order; `on_stage` hears of each as it begins.
STAGES = ("read", "analyse", "optimise", "invert", "score")


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
        The style as it was used.
    spectrograms : dict of str to np.ndarray, shape=(freq, time)
        "content" (if any), "style", "optimised" (what the optimiser left) and "result" (what is
        heard: the transform of `audio`).
    evaluations : list of Evaluation
        The losses, evaluation by evaluation; `losses` is the same as a table.
    best_step : int or None
        The evaluation that was inverted; None at 0 steps.
    realised : dict of str to float
        The losses recomputed from `audio`: "style", "content", "total" and the terms.
    outcome : str
        Why the optimisation ended; see :class:`nst_lib.optimise.Optimised`.
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
    realised: dict[str, float]
    outcome: str
    seconds: dict[str, float]
    device: str
    transform: Transform
    config: TransferConfig

    @property
    def losses(self) -> "pd.DataFrame":
        """The loss table: step, seconds, style, content, total and the terms, weighted."""
        import pandas as pd

        return pd.DataFrame([evaluation.row() for evaluation in self.evaluations])


def transfer(
    content: Source | None,
    style: Source,
    config: TransferConfig | None = None,
    *,
    callback: Callable[[Evaluation], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> TransferResult:
    """Give the content's rhythm the style's timbre.

    Parameters
    ----------
    content : path, Clip, np.ndarray of shape=(samples,), or None
        What happens when. None synthesises a texture, from noise (``start="noise"``).
    style : path, Clip or np.ndarray of shape=(samples,)
        What it is to sound like. Samples are taken to be at ``config.sr``.
    config : TransferConfig or None
        Settings; None is the preset ``milacic2020``.
    callback : callable or None
        Called after each evaluation of the loss.
    on_stage : callable or None
        Called with the name of each of `STAGES` as it begins.
    stop : threading.Event or None
        When set, the best sound so far is returned; so it is on ``KeyboardInterrupt``.

    Returns
    -------
    TransferResult

    Raises
    ------
    AudioError
        If a recording cannot be used.
    ConfigError
        If the settings do not fit the recordings or this machine.
    """
    config = TransferConfig() if config is None else config
    if content is None and config.start == "content":
        raise ConfigError("start='content' without a content; accepted: start='noise'")
    transform, device = make_transform(config), choose_device(config)
    clock = _Clock(on_stage)
    with clock.stage("read"):
        y_style = load(style, config)
        y_content = None if content is None else load(content, config)
    with clock.stage("analyse"):
        S_style = _analyse(y_style, transform, device)
        S_content = None if y_content is None else _analyse(y_content, transform, device)
        loss = make_loss(config, style=S_style, content=S_content)
    with clock.stage("optimise"):
        optimised = minimise(
            loss,
            _start(config, style=S_style, content=S_content),
            steps=config.steps,
            optimiser=config.optimiser,
            line_search=config.line_search,
            learning_rate=config.learning_rate,
            callback=callback,
            stop=stop,
        )
    with clock.stage("invert"):
        y, gain = audio.guard(
            griffin_lim(
                optimised.x.cpu().numpy(),
                transform,
                length=len(y_style if y_content is None else y_content),
                n_iter=config.n_iter,
                momentum=config.momentum,
                seed=config.seed,
            )
        )
    with clock.stage("score"), torch.no_grad():
        S_result = _analyse(y, transform, device)
        realised = loss(S_result).values()
    spectrograms = {
        "content": S_content,
        "style": S_style,
        "optimised": optimised.x,
        "result": S_result,
    }
    return TransferResult(
        audio=y,
        gain=gain,
        content=y_content,
        style=y_style,
        spectrograms={n: S.cpu().numpy() for n, S in spectrograms.items() if S is not None},
        evaluations=optimised.evaluations,
        best_step=optimised.best_step,
        realised=realised,
        outcome=optimised.outcome,
        seconds=clock.seconds,
        device=str(device),
        transform=transform,
        config=config,
    )


def make_transform(config: TransferConfig) -> Transform:
    """Return the transform that the settings name."""
    if config.transform == "stft":
        return STFT(sr=config.sr, n_fft=config.n_fft, hop_length=config.hop_length)
    return CQT(
        sr=config.sr,
        hop_length=config.hop_length,
        n_bins=config.n_bins,
        bins_per_octave=config.bins_per_octave,
        fmin=config.fmin,
    )


def choose_device(config: TransferConfig) -> torch.device:
    """Return the device that the settings name; "auto" is CUDA where there is one."""
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError("device='cuda': this machine has none; accepted: auto, cpu")
    return torch.device("cuda" if available and config.device != "cpu" else "cpu")


def load(source: Source, config: TransferConfig) -> Audio:
    """Return a recording as the settings want it: rate, duration, loudness."""
    min_samples = make_transform(config).min_samples
    if isinstance(source, Clip):
        y = source.load(sr=config.sr, duration=config.duration, min_samples=min_samples)
    elif isinstance(source, np.ndarray):
        y = audio.validate(source, min_samples=min_samples)
        y = y if config.duration is None else audio.fit(y, round(config.duration * config.sr))
    else:
        y = audio.read(source, sr=config.sr, duration=config.duration, min_samples=min_samples)
    if config.level == "off":
        return y
    return audio.level(y, sr=config.sr, measure=config.level, target=config.level_target)


def make_network(config: TransferConfig, *, n_freq: int, n_frames: int) -> RandomCNN:
    """Return the settings' network for spectrograms of a size, if its weights fit in memory."""
    fan = {"freq": n_freq, "time": n_frames, "2d": 1}[config.orientation]
    weights = n_weights(
        fan=fan,
        stacks=config.stacks,
        channels=config.channels,
        kernel=config.kernel,
        dimensions=2 if config.orientation == "2d" else 1,
    )
    available = psutil.virtual_memory().available
    if 4 * weights > available:
        raise ConfigError(
            f"channels={config.channels}, stacks={config.stacks}: the weights take "
            f"{4 * weights / 1e9:.1f} GB and {available / 1e9:.1f} GB are free; accepted: fewer"
        )
    return RandomCNN(
        n_freq=n_freq,
        n_frames=n_frames,
        orientation=config.orientation,
        stacks=config.stacks,
        channels=config.channels,
        kernel=config.kernel,
        pooling=config.pooling,
        batch_norm=config.batch_norm,
        init=config.init,
        seed=config.seed,
    )


def make_loss(
    config: TransferConfig, *, style: Tensor, content: Tensor | None
) -> TransferLoss | KernelLoss:
    """Return the settings' loss towards spectrograms ``(freq, time)``, on their device."""
    n_freq, n_frames = (style if content is None else content).shape
    terms: dict[str, Any] = {
        "style": style,
        "content": content,
        "style_layers": config.style_layers,
        "content_layers": config.content_layers,
        "alpha": config.alpha,
        "beta": config.beta,
        "normalisation": config.normalisation,
    }
    if config.engine == "infinite":
        return KernelLoss(make_limit(config, n_freq=n_freq), **terms)
    network = make_network(config, n_freq=n_freq, n_frames=n_frames).to(style.device)
    return TransferLoss(network, **terms)


def make_limit(config: TransferConfig, *, n_freq: int) -> InfiniteCNN:
    """Return the limit of the settings' network as its channels grow."""
    return InfiniteCNN(
        n_freq=n_freq,
        stacks=config.stacks,
        channels=config.channels,
        kernel=config.kernel,
        batch_norm=config.batch_norm,
        init=config.init,
        orientation=config.orientation,
        pooling=config.pooling,
    )


def _start(config: TransferConfig, *, style: Tensor, content: Tensor | None) -> Tensor:
    """Return the content, or seeded noise with the style's mean and spread (our choice)."""
    if config.start == "content" and content is not None:
        return content
    shape = (style if content is None else content).shape
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randn(shape, generator=generator).to(style)
    return (style.mean() + style.std() * noise).clamp_min(0)


def _analyse(y: Audio, transform: Transform, device: torch.device) -> Tensor:
    S: Tensor = transform.to(device)(torch.from_numpy(y).to(device))
    return S


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
