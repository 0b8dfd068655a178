"""The state of a running transfer: callbacks, times, and how it resumes after a break."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nst_lib.base.files import atomic, validate_output
from nst_lib.config import ConfigError, GriffinLim
from nst_lib.core import tensors
from nst_lib.core.blocks import BlockTerms
from nst_lib.core.gains import Gains
from nst_lib.core.inversion import griffin_lim
from nst_lib.core.objective import Losses
from nst_lib.core.optimise import (
    Evaluation,
    Method,
    Observer,
    Resume,
    Snapshot,
    Stopped,
    minimise,
)
from nst_lib.core.transforms import Transform
from nst_lib.system import System

#: Ending of a checkpoint.
SUFFIXES = (".ckpt",)
#: Least time between two writes, in seconds.
INTERVAL = 10.0


class Checkpoint:
    """State of one transfer, or of one training, on disk.

    Parameters
    ----------
    path : path
        Path of the file; ends in ".ckpt". The file need not exist.
    key : str
        Checksum of settings, weights and recordings. A file with another key is refused.
    of : str
        What the file belongs to, in words for the error message.

    Raises
    ------
    ValueError
        If `path` cannot be written, or holds anything but a checkpoint with this key.
    """

    def __init__(self, path: str | os.PathLike[str], *, key: str, of: str = "transfer") -> None:
        self.path = validate_output(path, suffixes=SUFFIXES)
        self.key, self.of = key, of
        self.state = self._read()
        self._written = time.monotonic()

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        try:
            state = tensors.read(self.path)
            key = state.pop("key")
        except (ValueError, KeyError, AttributeError, TypeError) as error:  # of any kind
            raise ValueError(
                f"{self.path}: is not a checkpoint that can be read; remove the file to start again"
            ) from error
        if key != self.key:
            raise ValueError(
                f"{self.path}: belongs to another {self.of} (settings, weights or recordings "
                "differ); use the same ones, or remove the file to start again"
            )
        return dict(state)

    def stop(self, state: dict[str, Any]) -> None:
        """Do nothing: a stopped run resumes from the state that was written last."""

    def update(self, state: dict[str, Any], *, at_once: bool = False) -> None:
        """Replace parts of the state. Write the whole state, unless that was done just before."""
        self.state.update(state)
        if at_once or time.monotonic() - self._written > INTERVAL:
            with atomic(self.path) as temporary:
                torch.save({"key": self.key, **self.state}, temporary)
            self._written = time.monotonic()


class Pause:
    """State of one stopped transfer, in memory. It resumes from its best point.

    Unlike with a :class:`Checkpoint`, nothing that was reached is lost. But the optimiser starts
    again, so the result is not exactly that of a run without a break.

    Attributes
    ----------
    state : dict
        Empty until a run was stopped.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def stop(self, state: dict[str, Any]) -> None:
        """Keep the state in which a run was stopped."""
        self.state.update(state)

    def update(self, state: dict[str, Any], *, at_once: bool = False) -> None:
        """Keep parts of the state if they are final, that is, if `at_once` is true."""
        if at_once:
            self.state.update(state)


@dataclass(frozen=True)
class Callbacks:
    """Functions that are called while a transfer runs, from its own thread.

    Attributes
    ----------
    on_evaluation : callable or None
        Called after each evaluation of the loss with an :class:`nst_lib.core.optimise.Evaluation`.
    on_spectrogram : callable or None
        Called after that with a function that returns the spectrogram as it is now, shape
        ``(freq, time)``, and with the transform that it belongs to: of a long sound, one with fewer
        frames. The function may be called for as long as the call lasts.
    on_stage : callable or None
        Called with the name of each stage as it begins.
    on_inversion : callable or None
        Called with iteration and spectral convergence of Griffin-Lim.
    on_block : callable or None
        Called during each evaluation of a long sound, with the number of blocks that are done and
        the number of all. An evaluation goes through them twice.
    """

    on_evaluation: Callable[[Evaluation], None] | None = None
    on_spectrogram: Callable[[Callable[[], npt.NDArray[np.float32]], Transform], None] | None = None
    on_stage: Callable[[str], None] | None = None
    on_inversion: Callable[[int, float], None] | None = None
    on_block: Callable[[int, int], None] | None = None

    @classmethod
    def of(cls, given: "Callbacks | Callable[[Evaluation], None] | None") -> "Callbacks":
        """Return callbacks; a function alone is called after each evaluation."""
        if given is None or isinstance(given, Callbacks):
            return given or cls()
        return cls(on_evaluation=given)


class Clock:
    """Times the stages of a transfer and announces them."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self._on_stage = on_stage
        self._began = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage, and measure how long it takes."""
        if self._on_stage is not None:
            self._on_stage(name)
        began = time.perf_counter()
        yield
        now = time.perf_counter()
        self.seconds[name] = now - began
        self.seconds["total"] = now - self._began


class Session:
    """The one or two optimisations of a transfer. A session can resume from a saved state.

    Parameters
    ----------
    config : System
        The settings.
    callbacks : Callbacks
        Functions to call during the optimisations.
    stop : threading.Event or None
        When it is set, the best point so far is returned.
    saved : Checkpoint, Pause or None
        The saved state from which the session resumes, and to which it saves its own.

    Attributes
    ----------
    evaluations : list of Evaluation
        All evaluations so far.
    best_step : int or None
        Index of the evaluation that gave the last optimised point.
    convergence : float or None
        Spectral convergence of the inversion.
    gains : Tensor or None
        The best gains, if gains were optimised.
    outcome : str
        Why the last optimisation ended.
    inverted : Tensor or None
        The waveform to which a saved session had already inverted its spectrogram.
    """

    def __init__(
        self,
        config: System,
        callbacks: Callbacks,
        stop: threading.Event | None,
        saved: Checkpoint | Pause | None,
    ) -> None:
        self._config, self._callbacks, self._stop, self._saved = config, callbacks, stop, saved
        state = {} if saved is None else saved.state
        self.inverted: Tensor | None = state.get("inverted")
        self.convergence: float | None = state.get("convergence")
        self.evaluations = [Evaluation(**row) for row in state.get("earlier", [])]
        self.best_step: int | None = None
        self.gains: Tensor | None = None
        self.outcome = "finished"
        self._optimising = False

    def optimise_spectrogram(
        self, loss: Callable[[Tensor], Losses], S: Tensor, transform: Transform
    ) -> Tensor:
        """Return the best spectrogram, after all steps or, in domain "hybrid", half of them."""
        steps = self._config.steps
        return self._minimise(
            loss,
            S,
            (lambda S: S, transform),
            domain="spectrogram",
            steps=steps - steps // 2 if self._config.domain == "hybrid" else steps,
        )

    def invert(
        self, S: Tensor, transform: Transform, *, length: int, content: Tensor | None
    ) -> Tensor:
        """Return a waveform of `length` samples whose spectrogram is near `S`."""
        config = self._config
        if not isinstance(config, GriffinLim):
            raise ConfigError(
                f"{config.preset} optimises a spectrogram and has no settings to invert it with; "
                "add nst_lib.config.GriffinLim to its class, or optimise the waveform"
            )
        inversion = griffin_lim(
            S,
            transform,
            length=length,
            n_iter=config.n_iter,
            momentum=config.momentum,
            seed=config.seed,
            phase_of=content if config.phase == "content" else None,
            callback=self._callbacks.on_inversion,
        )
        self.convergence = float(inversion.convergence[-1])
        return inversion.y

    def optimise_waveform(
        self, loss: Callable[[Tensor], Losses], w: Tensor, transform: Transform
    ) -> Tensor:
        """Return the best waveform, after the steps that are left."""
        if self.inverted is not None:
            w = self.inverted.to(w)
        elif self._saved is not None:
            earlier = [asdict(evaluation) for evaluation in self.evaluations]
            state = {"inverted": w.cpu(), "earlier": earlier, "convergence": self.convergence}
            self._saved.update(state, at_once=True)
        steps = self._config.steps - len(self.evaluations)
        return self._minimise(loss, w, (transform, transform), domain="waveform", steps=steps)

    def optimise_gains(
        self, loss: Callable[[Gains, Tensor], Losses], w: Tensor, transform: Transform
    ) -> Tensor:
        """Return the waveform under the best gains, and keep these; see :mod:`nst_lib.core.gains`.

        The loss is a function of the sound under its gains, and of the gains.
        """
        shape = Gains(w, sr=transform.sr)

        def loss_of_gains(gains: Tensor) -> Losses:
            cost = self._config.gain_weight * shape.cost(gains)
            return replace(loss(shape, gains), gains=cost)

        self.gains = self._minimise(
            loss_of_gains,
            shape.unchanged(),
            (lambda gains: transform(shape.long(gains)), transform),
            domain="gains",
            steps=self._config.steps,
        )
        with torch.no_grad():
            return shape.long(self.gains)

    def watch(self, loss: object) -> None:
        """Report how far an evaluation is, and let it be stopped, if it is computed in blocks.

        What is computed after the optimisation, such as the loss of the result, is not stopped.
        """
        terms = getattr(loss, "terms", None)
        if isinstance(terms, BlockTerms):
            terms.on_block = self._on_block

    def _on_block(self, done: int, of: int) -> None:
        if self._optimising and self._stop is not None and self._stop.is_set():
            raise Stopped
        if self._callbacks.on_block is not None:
            self._callbacks.on_block(done, of)

    def _minimise(
        self,
        loss: Callable[[Tensor], Losses],
        start: Tensor,
        picture: tuple[Callable[[Tensor], Tensor], Transform],
        *,
        domain: str,
        steps: int,
    ) -> Tensor:
        config = self._config
        self._optimising = True
        optimised = minimise(
            loss,
            start,
            steps=steps,
            method=Method(
                optimiser=config.optimiser,
                line_search=config.line_search,
                learning_rate=config.learning_rate,
                history=config.history,
                unit=config.unit if domain == "spectrogram" else 1.0,
            ),
            domain=domain,
            earlier=self.evaluations,
            observer=self._observer(*picture),
            resume=self._resume(domain),
        )
        self._optimising = False
        self.evaluations = [*self.evaluations, *optimised.evaluations]
        self.best_step = self.best_step if optimised.best_step is None else optimised.best_step
        self.outcome = optimised.outcome
        if self._saved is not None and optimised.outcome == "stopped" and optimised.evaluations:
            self._saved.stop({domain: optimised.restart.to_dict()})
        return optimised.x

    def _observer(self, spectrogram: Callable[[Tensor], Tensor], transform: Transform) -> Observer:
        show = self._callbacks.on_spectrogram

        def on_point(x: Tensor) -> None:
            assert show is not None
            S = spectrogram(x)
            show(lambda: S.float().cpu().numpy(), transform)

        return Observer(
            on_evaluation=self._callbacks.on_evaluation,
            on_point=None if show is None else on_point,
            stop=self._stop,
        )

    def _resume(self, domain: str) -> Resume:
        saved = self._saved
        if saved is None:
            return Resume()
        state = saved.state.get(domain)
        return Resume(
            snapshot=None if state is None else Snapshot.from_dict(state),
            on_snapshot=lambda snapshot: saved.update({domain: snapshot.to_dict()}),
        )
