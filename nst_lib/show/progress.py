"""Show the progress of a transfer as a bar, and write it to a file for another process."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from nst_lib.core.optimise import Evaluation
from nst_lib.session import Callbacks
from nst_lib.system import System

#: Environment variable with the path of the file that the progress is written to.
VARIABLE = "NST_PROGRESS"
#: Least time between two writes of this file, in seconds.
_INTERVAL = 0.25

#: What a stage is called while it lasts.
STAGE_WORDS = {
    "read": "reading",
    "analyse": "analysing the recordings",
    "optimise": "optimising",
    "invert": "inverting the spectrogram",
    "refine": "refining the sound",
    "score": "scoring",
}


@contextmanager
def track(config: System, *, hidden: bool = False) -> Iterator[Callbacks]:
    """Show the progress of one transfer; yield what :func:`nst_lib.transfer` takes as `callback`.

    Parameters
    ----------
    config : System
        Settings of the transfer.
    hidden : bool
        Whether to show no bar. The file that the environment variable NST_PROGRESS names is
        written all the same.
    """
    file, n_iter = _File(), getattr(config, "n_iter", None)
    with tqdm(total=config.steps, unit="eval", disable=hidden, leave=False) as bar:

        def on_evaluation(evaluation: Evaluation) -> None:
            style = evaluation.losses["style"]
            bar.set_postfix_str(f"style {style:.3g}", refresh=False)
            bar.update()
            file.update(step=evaluation.step + 1, steps=config.steps, style=style)

        def on_stage(stage: str) -> None:
            bar.set_description(STAGE_WORDS[stage])
            file.update(stage=stage, now=True)

        def on_inversion(iteration: int, convergence: float) -> None:
            bar.set_description(f"{STAGE_WORDS['invert']}, {iteration} of {n_iter}")

        def on_block(done: int, of: int) -> None:
            bar.set_postfix_str(f"block {done} of {of}")
            file.update(block=done, blocks=of)

        yield Callbacks(
            on_evaluation=on_evaluation,
            on_stage=on_stage,
            on_inversion=on_inversion,
            on_block=on_block,
        )


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
