"""How far a transfer is: a bar to look at, and a file for the process that waits for it."""

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
from nst_lib.optimise import Evaluation

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
