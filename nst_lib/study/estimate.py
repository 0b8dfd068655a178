"""What a condition will take, from one evaluation of its own loss on noise.

The seconds of an evaluation are measured here, at most at `SECONDS` and `CHANNELS`, and scaled:
kernels of infinite width grow with the square of the positions, drawn networks with their
multiplications. On a CPU they are those that it computes: what else runs does not count. So is the
memory measured that an evaluation keeps for its gradient. It is an estimate: 30 % off is common,
and twice as long happens.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nst_lib.build import choose_device, count_weights, make_loss, make_transform, make_view
from nst_lib.config import TransferConfig
from nst_lib.objective import Losses

#: Longest sound, and most channels, of a trial.
SECONDS, CHANNELS = 5.0, 256
#: Of the notebook around a transfer on one core, and of a process before it: measured.
_NOTEBOOK_SECONDS, _PROCESS_BYTES = 4.0, 0.6e9


@dataclass(frozen=True)
class Estimate:
    """What one condition takes, on one thread.

    Attributes
    ----------
    seconds : float
        From the start of its notebook to the end.
    memory : float
        Bytes, at most.
    """

    seconds: float
    memory: float


def estimate(config: TransferConfig, *, length: float = 5.0) -> Estimate:
    """Return what a transfer takes here; it is built on the way, in small, so bad settings show.

    Parameters
    ----------
    config : TransferConfig
        The settings.
    length : float > 0
        Of the recordings in seconds, where the settings leave them as long as they are.

    Raises
    ------
    ValueError
        If the settings do not go together.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _estimate(config, config.duration or length)
    finally:
        torch.set_num_threads(threads)


def _estimate(config: TransferConfig, duration: float) -> Estimate:
    small = config
    trained = config.weights_file is not None
    if not trained or config.orientation != "time":
        small = small.replace(duration=min(duration, SECONDS))
    if not trained and "channels" not in config.UNUSED:
        small = small.replace(channels=min(config.channels, CHANNELS))
    device = choose_device(config)
    transform = make_transform(small).to(device)
    n_samples = max(round((small.duration or duration) * config.sr), transform.min_samples)
    noise = torch.randn(2, n_samples, generator=torch.Generator().manual_seed(0)).to(device)
    style, content = 0.1 * noise
    view = make_view(small, transform)
    seen = view(style)
    loss = make_loss(small, transform, style=seen, content=view(content))
    kept, of_picture = _evaluate(loss, seen)
    _, of_sound = _evaluate(lambda y: loss(view(y)), style)
    longer = duration * config.sr / n_samples
    of_transform = max(0.0, of_sound - of_picture) * longer
    growth = _growth(config, small, seen, longer)
    half = {"spectrogram": 0.0, "waveform": 1.0, "hybrid": 0.5}[config.domain]
    evaluation = of_picture * growth.time + half * of_transform
    seconds = config.steps * evaluation + config.n_iter * of_transform + _NOTEBOOK_SECONDS
    return Estimate(seconds=seconds, memory=_PROCESS_BYTES + growth.weights + kept * growth.memory)


def _evaluate(loss: Callable[[Tensor], Losses], start: Tensor) -> tuple[float, float]:
    """Return the bytes that an evaluation keeps, and its seconds: the best of three."""
    kept: dict[int, int] = {}

    def note(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return saved

    seconds, clock = [], time.perf_counter if start.is_cuda else time.process_time
    for _ in range(3):
        x = start.clone().requires_grad_()
        began = clock()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
            total = loss(x).total
        size = sum(kept.values())
        total.backward()  # type: ignore[no-untyped-call]
        if x.is_cuda:
            torch.cuda.synchronize()
        seconds.append(clock() - began)
        kept.clear()
    return size, min(seconds)


@dataclass(frozen=True)
class _Growth:
    time: float
    memory: float
    weights: float


def _growth(config: TransferConfig, small: TransferConfig, seen: Tensor, longer: float) -> _Growth:
    """How much more than its trial a transfer takes."""
    if config.engine == "infinite":
        square = 1.0 if config.orientation == "time" else longer**2
        return _Growth(time=square, memory=square, weights=0.0)
    n_freq, n_frames = seen.shape[-2:]
    few, many = (count_weights(c, n_freq=n_freq, n_frames=n_frames) for c in (small, config))
    return _Growth(
        time=longer * (many / few if few else 1),
        memory=longer * math.ceil(config.channels / small.channels),
        weights=4.0 * many,
    )
