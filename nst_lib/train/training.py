"""Train the network of :mod:`nst_lib.systems.huzaifah2020` to recognise classes of sounds.

As in the public code: the classifier, spectrograms scaled as for the transfer, ESC-50, and 30
epochs (from the name of its file of weights). The training itself is not published. Our choices:
Adam, the learning rate, batches of 16, cross-entropy, no augmentation, and the choices in
:mod:`nst_lib.train.classifier` and :mod:`nst_lib.train.folds`.

On a CPU, the same arguments give the same weights, byte for byte, even if the training was
interrupted and resumed.
"""

import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nst_lib.base.validation import validate_positive
from nst_lib.config import ConfigError
from nst_lib.recordings import load
from nst_lib.session import Checkpoint
from nst_lib.sound.datasets import Clip
from nst_lib.systems.huzaifah2020 import Huzaifah2020
from nst_lib.train.classifier import SETTINGS, Classifier, training_config
from nst_lib.train.folds import choose_clips, clip_folds, held_out_folds
from nst_lib.train.trained import Epoch, Fold, Progress, Trained

EPOCHS = 30
BATCH = 16
LEARNING_RATE = 1e-3


def train(
    dataset: Iterable[Clip],
    config: Huzaifah2020,
    *,
    classes: Sequence[str] | None = None,
    fold: int | str | None = None,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
    checkpoint: str | os.PathLike[str] | None = None,
    callback: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_clip: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Trained:
    """Train a classifier, or one for each fold.

    Parameters
    ----------
    dataset : iterable of Clip
        The recordings. Their spectrograms are kept in memory (0.9 MB each with the settings of the
        preset).
    config : Huzaifah2020
        Settings. Only those in `nst_lib.train.classifier.SETTINGS` are used.
    classes : sequence of str or None
        The categories to tell apart; None is all of them.
    fold : int, "all" or None
        The fold to hold out; None is the last one. "all" trains once for each fold.
    epochs, batch : int > 0
        The number of times that each clip is learned from, and the number of clips in a batch.
    learning_rate : float > 0
        Learning rate of Adam.
    checkpoint : path or None
        A file with the ending ".ckpt", written after each epoch. If the file exists, the training
        continues from it. The caller has to remove it at the end.
    callback : callable or None
        Called with a :class:`Progress` after each batch.
    on_epoch : callable or None
        Called with an :class:`Epoch` after each epoch.
    on_clip : callable or None
        Called with the number of recordings read so far and the number of all recordings.
    stop : threading.Event or None
        When it is set, `KeyboardInterrupt` is raised before the next batch.

    Returns
    -------
    Trained

    Raises
    ------
    AudioError
        If a recording cannot be used.
    ValueError
        If classes and folds leave nothing to learn from, an argument is not accepted, the loss is
        not finite, or the checkpoint belongs to another training.
    """
    validate_positive(epochs=epochs, batch=batch, learning_rate=learning_rate)
    config = training_config(**{name: getattr(config, name) for name in SETTINGS})
    clips, classes = choose_clips(dataset, classes)
    folds = clip_folds(clips)
    held_out = held_out_folds(fold, clips, folds)
    task = _Task(
        config=config,
        S=_spectrograms(clips, config, on_clip, stop),
        labels=torch.tensor([classes.index(clip.category) for clip in clips]),
        folds=np.array(folds),
        held_out=held_out,
        n_classes=len(classes),
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        callback=callback,
        stop=stop,
    )
    names = [clip.name for clip in clips]
    saved = (
        None if checkpoint is None else Checkpoint(checkpoint, key=task.key(names), of="training")
    )
    state = {} if saved is None else dict(saved.state)
    done = [Fold.from_dict(fold) for fold in state.get("done", [])]
    for number in held_out[len(done) :]:
        run = _Run(task, number)
        if "run" in state:
            run.restore(state.pop("run"))
        while len(run.epochs) < epochs:
            run.epoch()
            if saved is not None:
                finished = [asdict(fold) for fold in done]
                saved.update({"done": finished, "run": run.state()}, at_once=True)
            if on_epoch is not None:
                on_epoch(run.epochs[-1])
        asked = [name for name, n in zip(names, folds, strict=True) if n == number]
        done.append(Fold(number, asked, run.epochs, run.confusion()))
    return Trained(
        config=config,
        classes=classes,
        folds=done,
        dealt=folds != [clip.fold for clip in clips],
        classifier=run.classifier.cpu().eval(),
    )


def _spectrograms(
    clips: Sequence[Clip],
    config: Huzaifah2020,
    on_clip: Callable[[int, int], None] | None,
    stop: threading.Event | None,
) -> Tensor:
    """Return the log-magnitude spectrograms, of shape ``(clips, freq, time)``."""
    transform = config.make_transform()
    S = torch.empty(0)
    for n, clip in enumerate(clips):
        _give_way(stop)
        one = transform(torch.from_numpy(load(clip, config)))
        S = S if n else torch.empty(len(clips), *one.shape)
        if one.shape != S.shape[1:]:
            raise ConfigError(
                "duration=null: the recordings differ in length; accepted: a number of seconds"
            )
        S[n] = one
        if on_clip is not None:
            on_clip(n + 1, len(clips))
    return S


def _give_way(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt


@dataclass(frozen=True)
class _Task:
    """The data and options that the trainings of all folds share."""

    config: Huzaifah2020
    S: Tensor
    labels: Tensor
    folds: npt.NDArray[np.int_]
    held_out: list[int]
    n_classes: int
    epochs: int
    batch: int
    learning_rate: float
    callback: Callable[[Progress], None] | None
    stop: threading.Event | None

    def key(self, names: Sequence[str]) -> str:
        """Return a checksum of everything that the result of the training depends on."""
        settings = [getattr(self.config, name) for name in SETTINGS]
        options = [self.held_out, self.epochs, self.batch, self.learning_rate]
        about = json.dumps([settings, options, names, self.labels.tolist(), self.folds.tolist()])
        key = hashlib.sha256(about.encode())
        key.update(self.S.numpy().data)
        return key.hexdigest()

    def clips(self, held_out: Sequence[int]) -> int:
        """Return the number of clips learned from, in all epochs, if each fold is held out once."""
        return self.epochs * sum(int((self.folds != fold).sum()) for fold in held_out)


class _Run:
    """A training that holds out one fold."""

    def __init__(self, task: _Task, fold: int) -> None:
        self.task, self.fold = task, fold
        self.device = task.config.torch_device()
        n_freq, n_frames = task.S.shape[1:]
        self.classifier = Classifier(
            task.config, n_freq=n_freq, n_frames=n_frames, n_classes=task.n_classes
        ).to(self.device)
        self.optimiser = torch.optim.Adam(self.classifier.parameters(), lr=task.learning_rate)
        self.epochs: list[Epoch] = []
        self.before = task.clips(task.held_out[: task.held_out.index(fold)])

    def state(self) -> dict[str, Any]:
        """Return the state that is needed to continue this training."""
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "classifier": self.classifier.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that :meth:`state` returned."""
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.classifier.load_state_dict(state["classifier"])
        self.optimiser.load_state_dict(state["optimiser"])

    def epoch(self) -> None:
        """Learn once from every clip outside the held-out fold, in a new random order."""
        task, began = self.task, time.perf_counter()
        number, learned = len(self.epochs) + 1, np.flatnonzero(task.folds != self.fold)
        rng = np.random.default_rng([task.config.seed, self.fold, number])
        order = torch.from_numpy(rng.permutation(learned))
        self.classifier.train().forget_statistics()
        seen, loss, right = 0, 0.0, 0
        for chosen in torch.split(order, task.batch):
            _give_way(task.stop)
            logits, labels = self._ask(chosen)
            value = cross_entropy(logits, labels)
            self.optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            seen += len(chosen)
            loss += float(value.detach()) * len(chosen)
            right += int((logits.argmax(1) == labels).sum())
            if task.callback is not None:
                done = self.before + (number - 1) * len(order) + seen
                total = task.clips(task.held_out)
                task.callback(Progress(self.fold, number, done, total, loss / seen, right / seen))
        if not math.isfinite(loss):
            raise ValueError(
                f"learning_rate {task.learning_rate:g}: the loss is {loss} in epoch {number}: "
                "choose a smaller learning rate"
            )
        held_out_loss, found, labels = self._held_out()
        self.epochs.append(
            Epoch(
                fold=self.fold,
                epoch=number,
                loss=loss / seen,
                accuracy=right / seen,
                held_out_loss=held_out_loss,
                held_out_accuracy=float((found == labels).double().mean()),
                seconds=time.perf_counter() - began,
            )
        )

    def confusion(self) -> list[list[int]]:
        """Return the number of held-out clips by class (row) and class that was found (column)."""
        counts = [[0] * self.task.n_classes for _ in range(self.task.n_classes)]
        _, found, labels = self._held_out()
        for label, taken_for in zip(labels.tolist(), found.tolist(), strict=True):
            counts[label][taken_for] += 1
        return counts

    @torch.no_grad()
    def _held_out(self) -> tuple[float, Tensor, Tensor]:
        """Return the mean loss, the classes found and the true classes of the held-out clips."""
        self.classifier.eval()
        asked = torch.from_numpy(np.flatnonzero(self.task.folds == self.fold))
        answers = [self._ask(chosen) for chosen in torch.split(asked, self.task.batch)]
        logits, labels = (torch.cat(part).cpu() for part in zip(*answers, strict=True))
        return float(cross_entropy(logits, labels)), logits.argmax(1), labels

    def _ask(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the labels of the chosen clips."""
        S, labels = self.task.S[chosen], self.task.labels[chosen]
        return self.classifier(S.to(self.device)), labels.to(self.device)
