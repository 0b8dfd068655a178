"""How far a transfer is: a bar to look at, and a file for the process that waits for it.

A training has a bar too, or a line for each epoch.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from nst_lib.config import TransferConfig
from nst_lib.core.optimise import Evaluation
from nst_lib.train.trained import Epoch, Progress

#: Environment variable that names a file to keep up to date.
VARIABLE = "NST_PROGRESS"
#: Least time between two writes of it, in seconds.
_INTERVAL = 0.25

STAGES = {
    "read": "reading",
    "analyse": "building the network",
    "optimise": "optimising",
    "invert": "inverting the spectrogram",
    "refine": "refining the sound",
    "score": "scoring",
}


def unwatched() -> bool:
    """Whether there is nobody to show a bar to: standard error is no terminal."""
    return not sys.stderr.isatty()


@contextmanager
def count(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of all are done; yield a callback that takes both numbers.

    Parameters
    ----------
    name, unit : str
        What is done, and what is counted.
    """
    with tqdm(desc=name, unit=unit, delay=2, leave=False, disable=unwatched()) as bar:

        def callback(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield callback


@contextmanager
def track(
    config: TransferConfig, *, hidden: bool = False
) -> Iterator[dict[str, Callable[..., None]]]:
    """Show the progress of one transfer; yield the callbacks that :func:`nst_lib.transfer` takes.

    Parameters
    ----------
    config : TransferConfig
        Settings of the transfer.
    hidden : bool
        Whether to show no bar. The file that the environment variable NST_PROGRESS names is
        written all the same.
    """
    file = _File()
    with tqdm(total=config.steps, unit="eval", disable=hidden, leave=False) as bar:

        def callback(evaluation: Evaluation) -> None:
            style = evaluation.losses["style"]
            bar.set_postfix_str(f"style {style:.3g}", refresh=False)
            bar.update()
            file.update(step=evaluation.step + 1, steps=config.steps, style=style)

        def on_stage(stage: str) -> None:
            bar.set_description(STAGES[stage])
            file.update(stage=stage, now=True)

        def on_inversion(iteration: int, convergence: float) -> None:
            bar.set_description(f"{STAGES['invert']}, {iteration} of {config.n_iter}")

        yield {"callback": callback, "on_stage": on_stage, "on_inversion": on_inversion}


@contextmanager
def track_training(
    *, epochs: int, hidden: bool = False
) -> Iterator[dict[str, Callable[..., None]]]:
    """Show the progress of a training; yield the callbacks that `train` takes.

    Parameters
    ----------
    epochs : int
        Of each fold.
    hidden : bool
        Whether to write a line for each epoch to standard error, in place of a bar.
    """
    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    with tqdm(bar_format=layout, disable=hidden, leave=False) as bar:

        def show(done: int, total: int, about: str) -> None:
            bar.set_description_str(about, refresh=False)
            if bar.total != total:
                bar.initial = 0
                bar.reset(total)
                bar.initial = done  # of a training that goes on, for the time that is left
            bar.update(done - bar.n)

        def callback(progress: Progress) -> None:
            bar.set_postfix_str(
                f"loss {progress.loss:.3g}, accuracy {progress.accuracy:.0%}", refresh=False
            )
            about = f"fold {progress.fold}, epoch {progress.epoch} of {epochs}"
            show(progress.done, progress.total, about)

        def on_epoch(epoch: Epoch) -> None:
            if hidden:
                print(
                    f"fold {epoch.fold}, epoch {epoch.epoch} of {epochs}: loss {epoch.loss:.3g}, "
                    f"accuracy {epoch.accuracy:.0%}; held out: loss {epoch.held_out_loss:.3g}, "
                    f"accuracy {epoch.held_out_accuracy:.0%}",
                    file=sys.stderr,
                    flush=True,
                )

        def on_clip(n: int, clips: int) -> None:
            show(n, clips, "reading")

        yield {"callback": callback, "on_epoch": on_epoch, "on_clip": on_clip}


def read(path: Path) -> dict[str, Any]:
    """Return what a transfer last wrote: "stage", "step", "steps", "style"; {} before that."""
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state


class _File:
    def __init__(self) -> None:
        name = os.environ.get(VARIABLE)
        self._path = Path(name) if name else None
        self._state: dict[str, Any] = {}
        self._written = 0.0

    def update(self, *, now: bool = False, **state: Any) -> None:
        self._state |= state
        if self._path is None or not (now or time.monotonic() - self._written > _INTERVAL):
            return
        self._written = time.monotonic()
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self._state), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:  # a full disk is reported where results are written
            self._path = None
