"""Minimise a loss over a spectrogram or a waveform, and always keep the best point evaluated.

Without line search, L-BFGS is PyTorch's at its defaults, as in the study. Its first step has an L1
norm of 1 at most, a few millionths for each value of a spectrogram, and it only learns from steps
along which the gradient grows. Where the loss is concave at the start, it never learns, and each
evaluation is a plain gradient step. So it is where the style is much louder than the content, since
(s^2 - x^2)^2 is concave for x < s / sqrt(3): for frog over keyboard an evaluation gains 0.04 %
(`tests/test_study.py`). With the line search we therefore minimise over x in units in which the
first step is `FIRST_STEP` of the start's RMS, and the search goes on until the slope has flattened
(strong Wolfe conditions), which makes every step one to learn from.
"""

import copy
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from nst_lib.base.validation import validate_choice
from nst_lib.core.objective import Losses

OPTIMISERS = ("lbfgs", "adam")
LINE_SEARCHES = ("none", "strong_wolfe")
#: Step sizes where none is given. L-BFGS: PyTorch's; Adam: our choice, for log-magnitudes.
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.05}
#: Mean size of the first step that a line search tries, as a share of the start's RMS.
FIRST_STEP = 0.01
#: Iterations between snapshots; the first of each is evaluated once more. The study's 20 are
#: PyTorch's default.
_ITERATIONS = {"none": 20, "strong_wolfe": 50}


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
        "style", "content" and "total", weighted, and the terms ("style relu1", ...).
    domain : {"spectrogram", "waveform"}
        What was being optimised.
    """

    step: int
    seconds: float
    losses: dict[str, float]
    domain: str = "spectrogram"

    @property
    def total(self) -> float:
        """What is minimised."""
        return self.losses["total"]

    def row(self) -> dict[str, Any]:
        """Return "step", "seconds", "domain" and the losses: a row of the loss table."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "domain": self.domain,
            **self.losses,
        }


@dataclass(frozen=True)
class Snapshot:
    """All that is needed to go on where a run was, to the same end.

    Attributes
    ----------
    z : Tensor
        The current point, in the optimiser's units.
    best : Tensor
        The best point evaluated.
    best_step : int or None
        Its evaluation.
    evaluations : list of Evaluation
        So far.
    optimiser : dict
        State of the optimiser.
    """

    z: Tensor
    best: Tensor
    best_step: int | None
    evaluations: list[Evaluation]
    optimiser: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain types and tensors."""
        return {
            **vars(self),
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Return what :meth:`to_dict` was called on."""
        evaluations = [Evaluation(**evaluation) for evaluation in state["evaluations"]]
        return cls(**{**state, "evaluations": evaluations})


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
    restart : Snapshot
        To go on from `x`, with an optimiser that has forgotten how it got there.
    """

    x: Tensor
    evaluations: list[Evaluation]
    best_step: int | None
    outcome: str
    restart: Snapshot


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
    history: int = 100,
    unit: float = 1.0,
    domain: str = "spectrogram",
    earlier: Sequence[Evaluation] = (),
    callback: Callable[[Evaluation], None] | None = None,
    watch: Callable[[Tensor], None] | None = None,
    stop: threading.Event | None = None,
    on_snapshot: Callable[[Snapshot], None] | None = None,
    resume: Snapshot | None = None,
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
    history : int > 0
        Steps that L-BFGS remembers.
    unit : float > 0
        What counts as 1 where there is no line search, which has a unit of its own.
    domain : {"spectrogram", "waveform"}
        Noted in the evaluations.
    earlier : sequence of Evaluation
        Of a stage before; steps and seconds go on from there.
    callback : callable or None
        Called after each evaluation, from this thread.
    watch : callable or None
        Called after that, with the point that was evaluated, for it to look at and not to keep.
    stop : threading.Event or None
        When set, the best point so far is returned. ``KeyboardInterrupt`` does the same.
    on_snapshot : callable or None
        Called with a :class:`Snapshot` every 20 iterations (50 with the line search); it refers to
        tensors that change afterwards.
    resume : Snapshot or None
        Go on from there. Same arguments, same end as without the break.

    Returns
    -------
    Optimised

    Raises
    ------
    ValueError
        If `optimiser` or `line_search` is unknown.
    """
    unit = _unit(start) if optimiser == "lbfgs" and line_search != "none" else unit
    z = start.detach().clone(memory_format=torch.contiguous_format).div_(unit).requires_grad_()
    method = _method(z, optimiser, line_search, learning_rate, history)
    forgetful = copy.deepcopy(method.state_dict())
    best, best_step = start.detach().clone(), None
    evaluations: list[Evaluation] = []
    if resume is not None:
        with torch.no_grad():
            z.copy_(resume.z)
        best.copy_(resume.best)
        best_step, evaluations = resume.best_step, list(resume.evaluations)
        method.load_state_dict(resume.optimiser)
    outcome = "finished"
    before = [*earlier, *evaluations][-1].seconds if earlier or evaluations else 0.0
    began = time.perf_counter() - before

    def closure() -> Tensor:
        nonlocal best_step, outcome
        if len(evaluations) >= steps:
            raise _End
        if stop is not None and stop.is_set():
            outcome = "stopped"
            raise _End
        z.grad = None
        x = z * unit
        losses = loss(x)
        evaluation = Evaluation(
            step=len(earlier) + len(evaluations),
            seconds=time.perf_counter() - began,
            losses=losses.values(),
            domain=domain,
        )
        evaluations.append(evaluation)
        if not math.isfinite(evaluation.total):
            outcome = "diverged"
            raise _End
        if best_step is None or evaluation.total < evaluations[best_step - len(earlier)].total:
            best.copy_(x.detach())
            best_step = evaluation.step
        if callback is not None:
            callback(evaluation)
        if watch is not None:
            watch(x.detach())
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses.total.detach()

    try:
        while True:
            done = len(evaluations)
            method.step(closure)  # type: ignore[arg-type]
            if optimiser == "lbfgs" and len(evaluations) == done + 1:
                outcome = "converged"  # a call that only looks, and does not move, never will
                break
            if on_snapshot is not None:
                state = method.state_dict()
                on_snapshot(Snapshot(z.detach(), best, best_step, evaluations, state))
    except _End:
        pass
    except KeyboardInterrupt:
        outcome = "stopped"
    restart = Snapshot(best / unit, best, best_step, evaluations, forgetful)
    return Optimised(best, evaluations, best_step, outcome, restart)


def _unit(start: Tensor) -> float:
    """Return the unit of x in which a first step of L1 norm 1 is `FIRST_STEP` of the RMS."""
    return FIRST_STEP * start.numel() * float(start.square().mean().sqrt()) or 1.0


def _method(
    x: Tensor, optimiser: str, line_search: str, learning_rate: float | None, history: int
) -> torch.optim.Optimizer:
    validate_choice(optimiser=(optimiser, OPTIMISERS), line_search=(line_search, LINE_SEARCHES))
    rate = LEARNING_RATES[optimiser] if learning_rate is None else learning_rate
    if optimiser == "adam":
        return torch.optim.Adam([x], lr=rate)
    return torch.optim.LBFGS(
        [x],
        lr=rate,
        max_iter=_ITERATIONS[line_search],
        history_size=history,
        line_search_fn=None if line_search == "none" else line_search,
    )
