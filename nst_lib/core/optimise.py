"""Minimise a loss over a spectrogram, a waveform or gains. The best point evaluated is kept.

Without line search, L-BFGS is PyTorch's with its defaults, as in the study. The L1 norm of its
first step is 1 at most: a few millionths for each value of a spectrogram. Its model of the
curvature is only updated by steps along which the gradient grows. If the loss is concave around the
start, the model is never updated, and each evaluation is a plain gradient step. This happens if the
style is much louder than the content, because (s^2 - x^2)^2 is concave for x < s / sqrt(3). For
frog over keyboard, an evaluation lowers the loss by only 0.04 % (`tests/test_study.py`).

With the line search, we therefore minimise over x in a unit that makes the first step `FIRST_STEP`
of the start's RMS, or `FIRST_STEP` itself where the start is 0, as gains are. The search goes on
until the slope is flat enough (strong Wolfe conditions), so that every step updates the model.
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
#: Default step sizes. That of L-BFGS is PyTorch's; that of Adam is our choice, for log-magnitudes.
LEARNING_RATES = {"lbfgs": 1.0, "adam": 0.05}
#: Mean absolute value of the first step that a line search tries, as a share of the start's RMS (of
#: 1 if that is 0).
FIRST_STEP = 0.01
#: Number of iterations in one call of PyTorch's optimiser. Snapshots are taken between calls. Each
#: call evaluates the current point once more; after a line search, its loss and its gradient are
#: known. The study's 20 are PyTorch's default.
_ITERATIONS = {"none": 20, "strong_wolfe": 1}
#: Largest number of evaluations in one call; PyTorch's default without a line search.
_EVALUATIONS = {"none": 25, "strong_wolfe": 26}


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the loss.

    Attributes
    ----------
    step : int
        Index of the evaluation; 0 is the evaluation of the start.
    seconds : float
        Time since the optimisation began.
    losses : dict of str to float
        The weighted losses "style", "content" and "total", and the terms ("style relu1", ...).
    domain : {"spectrogram", "waveform", "gains"}
        The domain in which the sound was optimised.
    """

    step: int
    seconds: float
    losses: dict[str, float]
    domain: str = "spectrogram"

    @property
    def total(self) -> float:
        """The loss that is minimised."""
        return self.losses["total"]

    def row(self) -> dict[str, Any]:
        """Return a row of the loss table: "step", "seconds", "domain" and the losses."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "domain": self.domain,
            **self.losses,
        }


@dataclass(frozen=True)
class Snapshot:
    """Everything that is needed to continue a run, so that it ends as without the break.

    Attributes
    ----------
    z : Tensor
        The current point, in the optimiser's units.
    best : Tensor
        The best point evaluated.
    best_step : int or None
        Index of the evaluation of the best point.
    evaluations : list of Evaluation
        The evaluations so far.
    optimiser : dict
        State of PyTorch's optimiser.
    slope : Tensor or None
        Gradient at the best point, if a line search uses it again.
    """

    z: Tensor
    best: Tensor
    best_step: int | None
    evaluations: list[Evaluation]
    optimiser: dict[str, Any]
    slope: Tensor | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain types and tensors."""
        return {
            **vars(self),
            "evaluations": [asdict(evaluation) for evaluation in self.evaluations],
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Return the snapshot that :meth:`to_dict` turned into `state`."""
        evaluations = [Evaluation(**evaluation) for evaluation in state["evaluations"]]
        return cls(**{**state, "evaluations": evaluations})


@dataclass(frozen=True)
class Optimised:
    """Result of :func:`minimise`.

    Attributes
    ----------
    x : Tensor
        The best point evaluated, or the start if there was no evaluation.
    evaluations : list of Evaluation
        All evaluations, in order.
    best_step : int or None
        Index of the evaluation of `x`.
    outcome : {"finished", "converged", "stopped", "diverged"}
        Why the run ended. "finished": all evaluations were made. "converged": the optimiser does
        not move any more. "stopped": the stop event was set, or the run was interrupted.
        "diverged": the loss is not finite.
    restart : Snapshot
        Snapshot for a restart from `x`, with an optimiser in its initial state.
    """

    x: Tensor
    evaluations: list[Evaluation]
    best_step: int | None
    outcome: str
    restart: Snapshot


@dataclass(frozen=True)
class Method:
    """The method of optimisation for :func:`minimise`.

    Attributes
    ----------
    optimiser : {"lbfgs", "adam"}
        The optimiser.
    line_search : {"none", "strong_wolfe"}
        Line search of L-BFGS. Its evaluations count as steps.
    learning_rate : float > 0 or None
        Step size; None is that of `LEARNING_RATES`.
    history : int > 0
        Number of steps that L-BFGS remembers.
    unit : float > 0
        Unit of the variable: x is optimised as x / unit. The line search sets its own unit.

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
        """Return the unit of x.

        With a line search, a first step with L1 norm 1 in this unit is `FIRST_STEP` on average.
        """
        if self.optimiser != "lbfgs" or self.line_search == "none":
            return self.unit
        return FIRST_STEP * start.numel() * (float(start.square().mean().sqrt()) or 1.0)

    def make(self, x: Tensor) -> torch.optim.Optimizer:
        """Return PyTorch's optimiser for a tensor."""
        rate = LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate
        if self.optimiser == "adam":
            return torch.optim.Adam([x], lr=rate)
        return torch.optim.LBFGS(
            [x],
            lr=rate,
            max_iter=_ITERATIONS[self.line_search],
            max_eval=_EVALUATIONS[self.line_search],
            history_size=self.history,
            line_search_fn=None if self.line_search == "none" else self.line_search,
        )


@dataclass(frozen=True)
class Observer:
    """Functions that :func:`minimise` calls in its own thread, and an event that stops it.

    Attributes
    ----------
    on_evaluation : callable or None
        Called after each evaluation with an :class:`Evaluation`.
    on_point : callable or None
        Called after that with the point that was evaluated. Do not modify or keep it.
    stop : threading.Event or None
        When it is set, :func:`minimise` returns the best point so far. So it does after a
        ``KeyboardInterrupt``.
    """

    on_evaluation: Callable[[Evaluation], None] | None = None
    on_point: Callable[[Tensor], None] | None = None
    stop: threading.Event | None = None


@dataclass(frozen=True)
class Resume:
    """The snapshot from which :func:`minimise` continues, and a function that gets new snapshots.

    Attributes
    ----------
    snapshot : Snapshot or None
        Point from which to continue. With the same arguments the run ends as without the break.
    on_snapshot : callable or None
        Called with a :class:`Snapshot` after each iteration of Adam and of L-BFGS with a line
        search, and else every 20 iterations. Copy its tensors to keep them: they change afterwards.
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

    The study runs ``torch.optim.LBFGS`` with its defaults (20 iterations per call, history 100,
    step size 1, no line search) and counts evaluations. It keeps the last iterate, whose loss is
    never evaluated. We keep the best point evaluated, so that its loss is known.

    Parameters
    ----------
    loss : callable
        Differentiable function of a tensor that returns :class:`Losses`.
    start : Tensor
        The start. It is not modified.
    steps : int >= 0
        Number of evaluations of the loss and its gradient.
    method : Method or None
        Method of optimisation; None is the study's.
    domain : {"spectrogram", "waveform", "gains"}
        The domain that is written into the evaluations.
    earlier : sequence of Evaluation
        Evaluations of an earlier stage; steps and seconds continue from them.
    observer : Observer or None
        Functions to call after evaluations, and the event that stops the run.
    resume : Resume or None
        Snapshot from which to continue, and the function that gets new snapshots.

    Returns
    -------
    Optimised
    """
    run = _Run(loss, start, steps, method or Method(), domain, earlier, observer or Observer())
    return run.minimise(resume or Resume())


class Stopped(Exception):  # noqa: N818 - not an error
    """A loss raises it to end the minimisation in the middle of an evaluation."""


class _End(Exception):  # noqa: N818 - not an error: leaves the optimiser from inside its closure
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
        self._slope: Tensor | None = None
        self._calls = 0
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
        except (KeyboardInterrupt, Stopped):
            self._outcome = "stopped"
        restart = self._snapshot(self._best / self._unit, forgetful)
        return Optimised(self._best, self._evaluations, self._best_step, self._outcome, restart)

    def _go_on(self, snapshot: Snapshot, optimiser: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            self._z.copy_(snapshot.z)
        self._best.copy_(snapshot.best)
        self._best_step, self._evaluations = snapshot.best_step, list(snapshot.evaluations)
        self._slope = None if snapshot.slope is None else snapshot.slope.to(self._z)
        optimiser.load_state_dict(snapshot.optimiser)

    def _move(
        self, optimiser: torch.optim.Optimizer, on_snapshot: Callable[[Snapshot], None] | None
    ) -> None:
        while True:
            self._calls = 0
            optimiser.step(self._evaluate)  # type: ignore[arg-type]
            if self._method.optimiser == "lbfgs" and self._calls == 1:
                self._outcome = "converged"  # it evaluated, but did not move
                return
            if on_snapshot is not None:
                state = optimiser.state_dict()
                on_snapshot(self._snapshot(self._z.detach(), state, self._slope))

    def _snapshot(
        self, z: Tensor, optimiser: dict[str, Any], slope: Tensor | None = None
    ) -> Snapshot:
        return Snapshot(z, self._best, self._best_step, self._evaluations, optimiser, slope)

    def _evaluate(self) -> Tensor:
        """Evaluate the loss and its gradient at the current point: the closure of the optimiser."""
        self._end_if_due()
        self._calls += 1
        x = self._z * self._unit
        if self._calls == 1 and self._slope is not None and torch.equal(x, self._best):
            self._z.grad = self._slope.clone()
            return self._z.new_tensor(self._best_total(), dtype=torch.float64)
        self._z.grad = None
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
        self._keep_slope(evaluation)
        return losses.total.detach()

    def _end_if_due(self) -> None:
        if len(self._evaluations) >= self._steps:
            raise _End
        if self._observer.stop is not None and self._observer.stop.is_set():
            self._outcome = "stopped"
            raise _End

    def _keep(self, evaluation: Evaluation, x: Tensor) -> None:
        """Keep the point if it is the best so far."""
        if evaluation.total < self._best_total():
            self._best.copy_(x)
            self._best_step = evaluation.step

    def _keep_slope(self, evaluation: Evaluation) -> None:
        """Keep the gradient of the best point, where a line search ends and the next one begins."""
        searches = self._method.line_search != "none"
        if searches and self._best_step == evaluation.step and self._z.grad is not None:
            self._slope = self._z.grad.clone()

    def _best_total(self) -> float:
        step = self._best_step
        return math.inf if step is None else self._evaluations[step - len(self._earlier)].total
