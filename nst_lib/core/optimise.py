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


@dataclass(frozen=True)
class Method:
    """How :func:`minimise` moves.

    Attributes
    ----------
    optimiser : {"lbfgs", "adam"}
        The method.
    line_search : {"none", "strong_wolfe"}
        Of L-BFGS; its evaluations count as steps.
    learning_rate : float > 0 or None
        None takes `LEARNING_RATES`.
    history : int > 0
        Number of steps that L-BFGS remembers.
    unit : float > 0
        What counts as 1 where there is no line search, which has a unit of its own.

    Raises
    ------
    ValueError
        If `optimiser` or `line_search` is unknown.
    """

    optimiser: str = "lbfgs"
    line_search: str = "none"
    learning_rate: float | None = None
    history: int = 100
    unit: float = 1.0

    def __post_init__(self) -> None:
        validate_choice(
            optimiser=(self.optimiser, OPTIMISERS), line_search=(self.line_search, LINE_SEARCHES)
        )

    def unit_at(self, start: Tensor) -> float:
        """Return the unit of x; with a line search, a first step of 1 in L1 is `FIRST_STEP`."""
        if self.optimiser != "lbfgs" or self.line_search == "none":
            return self.unit
        return FIRST_STEP * start.numel() * float(start.square().mean().sqrt()) or 1.0

    def make(self, x: Tensor) -> torch.optim.Optimizer:
        """Return PyTorch's optimiser of a tensor."""
        rate = LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate
        if self.optimiser == "adam":
            return torch.optim.Adam([x], lr=rate)
        return torch.optim.LBFGS(
            [x],
            lr=rate,
            max_iter=_ITERATIONS[self.line_search],
            history_size=self.history,
            line_search_fn=None if self.line_search == "none" else self.line_search,
        )


@dataclass(frozen=True)
class Observer:
    """Who looks on while :func:`minimise` works, from its own thread.

    Attributes
    ----------
    on_evaluation : callable or None
        Called after each evaluation with an :class:`Evaluation`.
    on_point : callable or None
        Called after that with the point that was evaluated, to look at and not to keep.
    stop : threading.Event or None
        When it is set, the best point so far is returned. ``KeyboardInterrupt`` does the same.
    """

    on_evaluation: Callable[[Evaluation], None] | None = None
    on_point: Callable[[Tensor], None] | None = None
    stop: threading.Event | None = None


@dataclass(frozen=True)
class Resume:
    """Where :func:`minimise` goes on, and who keeps where it is.

    Attributes
    ----------
    snapshot : Snapshot or None
        Go on from there. Same arguments, same end as without the break.
    on_snapshot : callable or None
        Called with a :class:`Snapshot` every 20 iterations (50 with the line search); it refers to
        tensors that change afterwards.
    """

    snapshot: Snapshot | None = None
    on_snapshot: Callable[[Snapshot], None] | None = None


def minimise(
    loss: Callable[[Tensor], Losses],
    start: Tensor,
    *,
    steps: int,
    method: Method | None = None,
    domain: str = "spectrogram",
    earlier: Sequence[Evaluation] = (),
    observer: Observer | None = None,
    resume: Resume | None = None,
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
    method : Method or None
        How to move; None is the study's.
    domain : {"spectrogram", "waveform"}
        Noted in the evaluations.
    earlier : sequence of Evaluation
        Evaluations of a stage before; steps and seconds go on from there.
    observer : Observer or None
        Who looks on.
    resume : Resume or None
        Where to go on, and who keeps where this run is.

    Returns
    -------
    Optimised
    """
    run = _Run(loss, start, steps, method or Method(), domain, earlier, observer or Observer())
    return run.minimise(resume or Resume())


class _End(Exception):  # noqa: N818 - leaves the optimiser from inside its closure, no error
    pass


class _Run:
    """One minimisation: the point, the best one so far, and the evaluations."""

    def __init__(
        self,
        loss: Callable[[Tensor], Losses],
        start: Tensor,
        steps: int,
        method: Method,
        domain: str,
        earlier: Sequence[Evaluation],
        observer: Observer,
    ) -> None:
        self._loss, self._steps, self._method = loss, steps, method
        self._domain, self._earlier, self._observer = domain, earlier, observer
        self._unit = method.unit_at(start)
        z = start.detach().clone(memory_format=torch.contiguous_format).div_(self._unit)
        self._z = z.requires_grad_()
        self._best = start.detach().clone()
        self._best_step: int | None = None
        self._evaluations: list[Evaluation] = []
        self._outcome = "finished"

    def minimise(self, resume: Resume) -> Optimised:
        optimiser = self._method.make(self._z)
        forgetful = copy.deepcopy(optimiser.state_dict())
        if resume.snapshot is not None:
            self._go_on(resume.snapshot, optimiser)
        last = [*self._earlier, *self._evaluations][-1:]
        self._began = time.perf_counter() - (last[0].seconds if last else 0.0)
        try:
            self._move(optimiser, resume.on_snapshot)
        except _End:
            pass
        except KeyboardInterrupt:
            self._outcome = "stopped"
        restart = self._snapshot(self._best / self._unit, forgetful)
        return Optimised(self._best, self._evaluations, self._best_step, self._outcome, restart)

    def _go_on(self, snapshot: Snapshot, optimiser: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            self._z.copy_(snapshot.z)
        self._best.copy_(snapshot.best)
        self._best_step, self._evaluations = snapshot.best_step, list(snapshot.evaluations)
        optimiser.load_state_dict(snapshot.optimiser)

    def _move(
        self, optimiser: torch.optim.Optimizer, on_snapshot: Callable[[Snapshot], None] | None
    ) -> None:
        while True:
            done = len(self._evaluations)
            optimiser.step(self._evaluate)  # type: ignore[arg-type]
            if self._method.optimiser == "lbfgs" and len(self._evaluations) == done + 1:
                self._outcome = "converged"  # a call that only looks, and does not move, never will
                return
            if on_snapshot is not None:
                on_snapshot(self._snapshot(self._z.detach(), optimiser.state_dict()))

    def _snapshot(self, z: Tensor, optimiser: dict[str, Any]) -> Snapshot:
        return Snapshot(z, self._best, self._best_step, self._evaluations, optimiser)

    def _evaluate(self) -> Tensor:
        """Evaluate loss and gradient where the optimiser is: its closure."""
        self._end_if_due()
        self._z.grad = None
        x = self._z * self._unit
        losses = self._loss(x)
        evaluation = Evaluation(
            step=len(self._earlier) + len(self._evaluations),
            seconds=time.perf_counter() - self._began,
            losses=losses.values(),
            domain=self._domain,
        )
        self._evaluations.append(evaluation)
        if not math.isfinite(evaluation.total):
            self._outcome = "diverged"
            raise _End
        self._keep(evaluation, x.detach())
        if self._observer.on_evaluation is not None:
            self._observer.on_evaluation(evaluation)
        if self._observer.on_point is not None:
            self._observer.on_point(x.detach())
        losses.total.backward()  # type: ignore[no-untyped-call]
        return losses.total.detach()

    def _end_if_due(self) -> None:
        if len(self._evaluations) >= self._steps:
            raise _End
        if self._observer.stop is not None and self._observer.stop.is_set():
            self._outcome = "stopped"
            raise _End

    def _keep(self, evaluation: Evaluation, x: Tensor) -> None:
        """Keep the point if it is the best so far."""
        step = self._best_step
        if step is None or evaluation.total < self._evaluations[step - len(self._earlier)].total:
            self._best.copy_(x)
            self._best_step = evaluation.step
