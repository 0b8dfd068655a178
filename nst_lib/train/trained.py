"""Results of a training: its progress, its accuracy, and two files with weights and a record."""

import io
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from nst_lib import __version__
from nst_lib.base.files import atomic
from nst_lib.systems.huzaifah2020 import Huzaifah2020
from nst_lib.train.classifier import SETTINGS, Classifier


@dataclass(frozen=True)
class Progress:
    """The progress of a training after one batch.

    Attributes
    ----------
    fold : int
        The fold that is held out.
    epoch : int
        The current epoch, from 1.
    done, total : int
        The number of clips learned from so far, and in all epochs and folds together.
    loss, accuracy : float
        Means over the current epoch so far.
    """

    fold: int
    epoch: int
    done: int
    total: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Epoch:
    """Mean loss and accuracy of one epoch, for the clips learned from and for the held-out fold."""

    fold: int
    epoch: int
    loss: float
    accuracy: float
    held_out_loss: float
    held_out_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Fold:
    """A training that holds out one fold.

    Attributes
    ----------
    fold : int
        The fold that is held out.
    held_out : list of str
        The names of the clips in this fold.
    epochs : list of Epoch
        The epochs, in order.
    confusion : list of list of int, shape=(classes, classes)
        The number of held-out clips by their class (row) and the class that was found (column).
    """

    fold: int
    held_out: list[str]
    epochs: list[Epoch]
    confusion: list[list[int]]

    @property
    def accuracy(self) -> float:
        """Share of the held-out clips with the correct class, 0 to 1."""
        return float(np.trace(self.confusion)) / len(self.held_out)

    @classmethod
    def from_dict(cls, fold: dict[str, Any]) -> Self:
        """Return the fold from a dict that `dataclasses.asdict` made."""
        return cls(**{**fold, "epochs": [Epoch(**epoch) for epoch in fold["epochs"]]})


@dataclass(frozen=True)
class Trained:
    """Result of :func:`nst_lib.train.training.train`.

    Attributes
    ----------
    config : Huzaifah2020
        All settings.
    classes : tuple of str
        The classes, in the order of the network's outputs.
    folds : list of Fold
        The trainings, one for each fold that was held out.
    dealt : bool
        Whether new folds were made; see :func:`nst_lib.train.folds.clip_folds`.
    classifier : Classifier
        The classifier of the last training.
    """

    config: Huzaifah2020
    classes: tuple[str, ...]
    folds: list[Fold]
    dealt: bool
    classifier: Classifier

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the folds, 0 to 1."""
        return sum(fold.accuracy for fold in self.folds) / len(self.folds)

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.classes)

    def __str__(self) -> str:
        """Return a table of the accuracy of each fold, their mean, and that of guessing."""
        rows = [
            f"{fold.fold:>4}  {len(fold.held_out):>5}  {fold.accuracy:>8.0%}" for fold in self.folds
        ]
        mean = [f"mean         {self.accuracy:>8.0%}"] if len(rows) > 1 else []
        return "\n".join(
            ["fold  clips  accuracy", *rows, *mean, f"guessing     {self.chance:>8.0%}"]
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the weights to `path`, for the setting `weights`, and a record beside it.

        ``torch.load(path, weights_only=True)`` returns a dict: "network" and "linear" (state
        dicts), "classes", "settings", "fold" (the last one held out), "accuracy" (on this fold),
        "epochs", "version".

        Returns
        -------
        Path
            The path of the record, which ends in ``.json``. It holds the settings, the loss and
            accuracy of each epoch and fold, and the confusion matrix.
        """
        config, last = self.config.to_dict(), self.folds[-1]
        about = {
            "version": __version__,
            "settings": {name: config[name] for name in SETTINGS},
            "classes": list(self.classes),
        }
        weights = {
            **about,
            "fold": last.fold,
            "accuracy": last.accuracy,
            "epochs": len(last.epochs),
            "network": dict(self.classifier.network.state_dict()),
            "linear": dict(self.classifier.linear.state_dict()),
        }
        record = {
            **about,
            "accuracy": self.accuracy,
            "chance": self.chance,
            "dealt": self.dealt,
            "confusion": np.sum([fold.confusion for fold in self.folds], axis=0).tolist(),
            "folds": [{"accuracy": fold.accuracy, **asdict(fold)} for fold in self.folds],
        }
        data = io.BytesIO()  # in a file, the bytes would depend on the name of the file
        torch.save(weights, data)
        beside = Path(path).with_suffix(".json")
        with atomic(beside) as temporary, atomic(path) as file:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            file.write_bytes(data.getbuffer())
        return beside
