"""Minimise a loss over a spectrogram, and always keep the best point evaluated."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nst_lib.losses import Losses

OPTIMISERS = ("lbfgs", "adam")
LINE_SEARCHES = ("none", "strong_wolfe")
#: Step sizes where none is given. L-BFGS: PyTorch's; Adam: our choice, for log-magnitudes.
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.05}


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the loss.

    Attributes
    ----------
    step : int
        Counts from 0, which is the start.
    seconds : float
        Since the optimisation began.
    losses : dict of str to float
        "style", "content" and "total", weighted, and the term of each layer ("style relu1", ...).
    """

    step: int
    seconds: float
    losses: dict[str, float]

    @property
    def total(self) -> float:
        """What is minimised."""
        return self.losses["total"]

    def row(self) -> dict[str, float]:
        """Return "step", "seconds" and the losses: a row of the loss table."""
        return {"step": self.step, "seconds": self.seconds, **self.losses}


@dataclass(frozen=True)
class Optimised:
    """Result of :func:`minimise`.

    Attributes
    ----------
    x : Tensor
        The best point evaluated; the start where there was no evaluation.
    evaluations : list of Evaluation
        All of them, in order.
    best_step : int or None
        The evaluation that `x` belongs to.
    outcome : {"finished", "converged", "stopped", "diverged"}
        Why it ended: all steps made; the gradient vanished; the stop event or an interrupt; a loss
        that is not finite.
    """

    x: Tensor
    evaluations: list[Evaluation]
    best_step: int | None
    outcome: str


class _End(Exception):  # noqa: N818 - leaves the optimiser from inside its closure, no error
    pass


def minimise(
    loss: Callable[[Tensor], Losses],
    start: Tensor,
    *,
    steps: int,
    optimiser: str = "lbfgs",
    line_search: str = "none",
    learning_rate: float | None = None,
    callback: Callable[[Evaluation], None] | None = None,
    stop: threading.Event | None = None,
) -> Optimised:
    """Minimise `loss` from `start`.

    The study runs ``torch.optim.LBFGS`` at its defaults (20 iterations a call, history 100, step 1,
    no line search) and counts evaluations. It keeps the last iterate, which is never evaluated;
    we keep the best one evaluated, so that its loss is known.

    Parameters
    ----------
    loss : callable
        Tensor -> Losses, differentiable.
    start : Tensor
        Where to begin; not modified.
    steps : int >= 0
        Evaluations of loss and gradient.
    optimiser : {"lbfgs", "adam"}
        The method.
    line_search : {"none", "strong_wolfe"}
        For L-BFGS; its evaluations count as steps.
    learning_rate : float > 0 or None
        None takes `LEARNING_RATES`.
    callback : callable or None
        Called after each evaluation, from this thread.
    stop : threading.Event or None
        When set, the best point so far is returned. ``KeyboardInterrupt`` does the same.

    Returns
    -------
    Optimised

    Raises
    ------
    ValueError
        If `optimiser` or `line_search` is unknown.
    """
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    step = _stepper(x, optimiser, line_search, learning_rate)
    best, best_step = x.detach().clone(), None
    evaluations: list[Evaluation] = []
    outcome = "finished"
    began = time.perf_counter()

    def closure() -> Tensor:
        nonlocal best_step, outcome
        if len(evaluations) == steps:
            raise _End
        if stop is not None and stop.is_set():
            outcome = "stopped"
            raise _End
        x.grad = None
        losses = loss(x)
        evaluation = Evaluation(
            step=len(evaluations),
            seconds=time.perf_counter() - began,
            losses=losses.values(),
        )
        evaluations.append(evaluation)
        if not math.isfinite(evaluation.total):
            outcome = "diverged"
            raise _End
        if best_step is None or evaluation.total < evaluations[best_step].total:
            best.copy_(x.detach())
            best_step = evaluation.step
        if callback is not None:
            callback(evaluation)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses.total.detach()

    try:
        while True:
            before = len(evaluations)
            step(closure)
            if optimiser == "lbfgs" and len(evaluations) == before + 1:
                outcome = "converged"  # a call that only looks, and does not move, never will
                break
    except _End:
        pass
    except KeyboardInterrupt:
        outcome = "stopped"
    return Optimised(x=best, evaluations=evaluations, best_step=best_step, outcome=outcome)


def _stepper(
    x: Tensor, optimiser: str, line_search: str, learning_rate: float | None
) -> Callable[[Callable[[], Tensor]], object]:
    if optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser {optimiser!r}; accepted: {', '.join(OPTIMISERS)}")
    if line_search not in LINE_SEARCHES:
        raise ValueError(f"line_search {line_search!r}; accepted: {', '.join(LINE_SEARCHES)}")
    rate = LEARNING_RATES[optimiser] if learning_rate is None else learning_rate
    if optimiser == "adam":
        return torch.optim.Adam([x], lr=rate).step
    search = None if line_search == "none" else line_search
    return torch.optim.LBFGS([x], lr=rate, line_search_fn=search).step
