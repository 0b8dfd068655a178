"""Estimate time and memory of a condition from one evaluation of its own loss on noise.

The seconds of an evaluation are measured in small and scaled; each system says how it is tried in
small, and how much more the whole takes (:meth:`nst_lib.system.System.in_small`, `growth`). On a
CPU they are seconds of computing: an estimate is for a machine that does nothing else. The memory
that an evaluation keeps for its gradient is measured too. It is an estimate: 30 % off is common,
and twice as long happens.
"""

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nst_lib.config import GriffinLim
from nst_lib.core.objective import Losses
from nst_lib.system import System

#: Sampling rate in Hz that recordings are assumed to have, if `sr` is None.
USUAL_RATE = 44100
#: An evaluation is measured again, for the best of three, until it has taken this long (s).
_ENOUGH = 0.3
#: Of a batch before its first condition, of the notebook around a transfer (kernel, figures,
#: scores, record), and of a process before it: measured.
START_SECONDS, _NOTEBOOK_SECONDS, _PROCESS_BYTES = 6.0, 5.0, 0.6e9
#: Of a long sound, the time for each second of it besides the optimisation (start, image, scores).
_BESIDE = 0.35
#: Memory for each sample of the content, in all its copies: measured, with two channels.
_SAMPLE_BYTES = 54


@dataclass(frozen=True)
class Estimate:
    """Time and memory of one condition, on one thread.

    Attributes
    ----------
    seconds : float
        Time from the start of its notebook to the end.
    memory : float
        Peak of the memory in bytes.
    """

    seconds: float
    memory: float


def estimate(config: System, *, length: float = 5.0) -> Estimate:
    """Return time and memory of a transfer. A small trial of it is run, so bad settings fail.

    Parameters
    ----------
    config : System
        The settings.
    length : float > 0
        Length of the recordings in seconds, if the setting `duration` does not say it.

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


def makespan(seconds: Iterable[float], *, jobs: int) -> float:
    """Return the seconds for all conditions, `jobs` at a time, the longest first."""
    ends = [0.0] * jobs
    for one in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def _estimate(config: System, duration: float) -> Estimate:
    config = config.at(USUAL_RATE)
    small = config.in_small(duration)
    device = config.torch_device()
    transform = small.make_transform().to(device)
    n_samples = max(round((small.duration or duration) * config.rate), transform.min_samples)
    noise = torch.randn(2, n_samples, generator=torch.Generator().manual_seed(0)).to(device)
    style, content = 0.1 * noise
    view = small.view(transform)
    seen = view(style)
    loss = small.loss(transform, style=seen, content=view(content))
    kept, of_picture = _evaluate(lambda S: loss(S).total, seen, besides=_tensors(loss))
    _, of_view = _evaluate(lambda y: view(y).square().sum(), style)
    longer = duration * config.rate / n_samples
    n_freq, n_frames = seen.shape[-2:]
    growth = config.growth(small, n_freq=n_freq, n_frames=n_frames, longer=longer)
    domain = {"spectrogram": 0.0, "hybrid": 0.5}.get(config.domain, 1.0)
    evaluation = of_picture * growth.time + domain * of_view * longer
    n_iter = config.n_iter if isinstance(config, GriffinLim) else 0
    inversion = n_iter * of_view * longer if config.inverts else 0.0
    seconds = config.steps * evaluation + inversion + _NOTEBOOK_SECONDS
    if config.is_in_blocks(duration):
        seconds += _BESIDE * duration
    memory = _PROCESS_BYTES + growth.weights + kept * growth.memory
    return Estimate(seconds=seconds, memory=memory + _SAMPLE_BYTES * duration * config.rate)


def _tensors(loss: Callable[[Tensor], Losses]) -> list[Tensor]:
    """Return what a loss keeps anyway: its weights and targets."""
    return [*loss.parameters(), *loss.buffers()] if isinstance(loss, nn.Module) else []


def _evaluate(
    function: Callable[[Tensor], Tensor], start: Tensor, *, besides: Iterable[Tensor] = ()
) -> tuple[float, float]:
    """Return the bytes that a function keeps for its gradient, and the seconds of both."""
    kept: dict[int, int] = {}
    known = {tensor.untyped_storage().data_ptr() for tensor in besides}

    def note(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return saved

    seconds: list[float] = []
    clock = time.perf_counter if start.is_cuda else time.process_time
    while len(seconds) < 3 and sum(seconds) < _ENOUGH:
        kept.clear()
        x = start.clone().requires_grad_()
        began = clock()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
            total = function(x)
        total.backward()  # type: ignore[no-untyped-call]
        if x.is_cuda:
            torch.cuda.synchronize()
        seconds.append(clock() - began)
    return sum(kept.values()), min(seconds)
