"""A file from which an interrupted optimisation goes on, to the same end as without the break."""

import os
import time
from typing import Any

import torch

from nst_lib.base.files import atomic, validate_output
from nst_lib.core import tensors

#: Ending of a checkpoint.
SUFFIXES = (".ckpt",)
#: Least time between two writes, in seconds.
INTERVAL = 10.0


class Checkpoint:
    """State of one transfer, or of one training, on disk.

    Parameters
    ----------
    path : path
        Ends in ".ckpt"; need not exist.
    key : str
        What the transfer is of: settings, weights that these name, recordings. A file with another
        key is refused.
    of : str
        What to call it there.

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
                f"{self.path}: is not a checkpoint that can be read; accepted: remove it to start "
                "anew"
            ) from error
        if key != self.key:
            raise ValueError(
                f"{self.path}: is of another {self.of} (settings, weights or recordings differ); "
                "accepted: the same ones, or remove it to start anew"
            )
        return dict(state)

    def stop(self, state: dict[str, Any]) -> None:
        """Take note of a run that was stopped: what is written already is where it goes on."""

    def update(self, state: dict[str, Any], *, at_once: bool = False) -> None:
        """Replace parts of the state; write it, whole, unless it was just written."""
        self.state.update(state)
        if at_once or time.monotonic() - self._written > INTERVAL:
            with atomic(self.path) as temporary:
                torch.save({"key": self.key, **self.state}, temporary)
            self._written = time.monotonic()


class Pause:
    """What a run that was stopped leaves in memory, to go on from its best point.

    Nothing that was reached is lost, unlike with a :class:`Checkpoint`, but the optimiser begins
    anew, and so does not come to exactly the same end.

    Attributes
    ----------
    state : dict
        Empty until a run was stopped.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def stop(self, state: dict[str, Any]) -> None:
        """Keep where a run was stopped."""
        self.state.update(state)

    def update(self, state: dict[str, Any], *, at_once: bool = False) -> None:
        """Keep what is final."""
        if at_once:
            self.state.update(state)
