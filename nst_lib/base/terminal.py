"""Progress bars on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm


def unwatched() -> bool:
    """Return whether standard error is not a terminal, so that nobody would see a bar."""
    return not sys.stderr.isatty()


@contextmanager
def count(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; yield a callback that takes the number done and the total number.

    Parameters
    ----------
    name, unit : str
        Text before the bar, and the unit of the numbers.
    """
    with tqdm(desc=name, unit=unit, delay=2, leave=False, disable=unwatched()) as bar:

        def callback(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield callback
