"""Choose classes, and divide clips into folds: some to train a classifier, the others to test it.

Clips that were cut from one source sound alike, so they must be in the same fold. The folds of a
dataset are used unchanged. If all recordings are in one fold (a part of ESC-50, or a folder), they
are divided into new folds by source. This division is our choice.
"""

import re
from collections.abc import Iterable, Sequence

from nst_lib.base.validation import hint
from nst_lib.sound.datasets import Clip

#: The number of new folds, the same as in ESC-50.
FOLDS = 5
#: The word for all folds, each held out in turn.
ALL = "all"

_ESC50_NAME = re.compile(r"\d-(\d+)-[A-Z]-\d+")


def choose_clips(
    dataset: Iterable[Clip], classes: Sequence[str] | None = None
) -> tuple[list[Clip], tuple[str, ...]]:
    """Return the clips of the chosen classes, and the names of these classes, sorted.

    Parameters
    ----------
    dataset : iterable of Clip
        The clips to choose from.
    classes : sequence of str or None
        The categories; None is all of them.

    Raises
    ------
    ValueError
        If a class is unknown or there are fewer than two.
    """
    clips = list(dataset)
    known = sorted({clip.category for clip in clips})
    for name in classes or ():
        if name not in known:
            raise ValueError(f"unknown class {name!r}; {hint(name, known)}")
    chosen = tuple(known if classes is None else sorted(set(classes)))
    if len(chosen) < 2:
        raise ValueError(f"classes: {', '.join(chosen) or 'none'}; choose two or more")
    return [clip for clip in clips if clip.category in chosen], chosen


def clip_folds(clips: Sequence[Clip]) -> list[int]:
    """Return the fold of each clip, from 1. If the dataset has only one fold, make new folds."""
    if len({clip.fold for clip in clips}) > 1:
        return [clip.fold for clip in clips]
    dealt: dict[str, int] = {}
    for category in sorted({clip.category for clip in clips}):
        sources = {_source(clip) for clip in clips if clip.category == category} - dealt.keys()
        dealt |= {source: n % FOLDS + 1 for n, source in enumerate(sorted(sources))}
    return [dealt[_source(clip)] for clip in clips]


def held_out_folds(
    fold: int | str | None, clips: Sequence[Clip], folds: Sequence[int]
) -> list[int]:
    """Return the folds to hold out. There is one training for each of them.

    Parameters
    ----------
    fold : int, "all" or None
        The fold that was asked for; None is the last fold.
    clips : sequence of Clip
        All clips.
    folds : sequence of int
        The fold of each clip.

    Raises
    ------
    ValueError
        If the fold does not exist or holds all clips of a class.
    """
    known = sorted(set(folds))
    fold = known[-1] if fold is None else fold
    if fold not in (ALL, *known):
        raise ValueError(f"fold {fold} has no clips; accepted: {', '.join(map(str, known))}, all")
    held_out = [one for one in known if fold in (ALL, one)]
    for category in sorted({clip.category for clip in clips}):
        own = {n for clip, n in zip(clips, folds, strict=True) if clip.category == category}
        if len(own) == 1 and own <= set(held_out):
            raise ValueError(
                f"all clips of class {category} are in fold {own.pop()}, so none are left to learn "
                "from: choose another fold, or classes with clips in two folds"
            )
    return held_out


def _source(clip: Clip) -> str:
    """Return the source that a clip was cut from: the one in an ESC-50 name, or else the clip."""
    match = _ESC50_NAME.fullmatch(clip.name)
    return match[1] if match else clip.name
