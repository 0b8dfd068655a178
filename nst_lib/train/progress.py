"""Show the progress of a training: as a bar, or as a line for each epoch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from nst_lib.train.trained import Epoch, Progress


@contextmanager
def track_training(
    *, epochs: int, hidden: bool = False
) -> Iterator[dict[str, Callable[..., None]]]:
    """Show the progress of a training; yield the callbacks that `train` takes.

    Parameters
    ----------
    epochs : int
        Number of epochs of each fold.
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
                bar.initial = done  # of a resumed training: the time left is then estimated well
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
