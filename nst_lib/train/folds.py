"""Which clips a classifier learns from, and which it is asked about: classes and folds.

Clips that were cut from one source sound alike, so they share a fold. Those of a dataset are used
as they are; recordings that all lie in one fold (a part of ESC-50, a folder) are dealt out by
source, our choice.
"""

import re
from collections.abc import Iterable, Sequence

from nst_lib.base.validation import hint
from nst_lib.sound.datasets import Clip

#: Folds that are dealt to, as many as ESC-50 has.
FOLDS = 5
#: Stands for all folds, each held out in turn.
ALL = "all"

_ESC50_NAME = re.compile(r"\d-(\d+)-[A-Z]-\d+")


def choose_clips(
    dataset: Iterable[Clip], classes: Sequence[str] | None = None
) -> tuple[list[Clip], tuple[str, ...]]:
    """Return the clips of some classes, and these in order of the alphabet.

    Parameters
    ----------
    dataset : iterable of Clip
        Where to choose from.
    classes : sequence of str or None
        Categories; None takes all.

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
        raise ValueError(f"classes: {', '.join(chosen) or 'none'}; accepted: two or more")
    return [clip for clip in clips if clip.category in chosen], chosen


def clip_folds(clips: Sequence[Clip]) -> list[int]:
    """Return the fold of each clip, from 1: the dataset's, or dealt out where that has only one."""
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
    """Return the folds that are held out, one training each.

    Parameters
    ----------
    fold : int, "all" or None
        What is wanted; None is the last fold.
    clips : sequence of Clip
        All clips.
    folds : sequence of int
        Their folds.

    Raises
    ------
    ValueError
        If there is no such fold, or it has all clips of a class.
    """
    known = sorted(set(folds))
    fold = known[-1] if fold is None else fold
    if fold not in (ALL, *known):
        raise ValueError(f"fold {fold}: has no clips; accepted: {', '.join(map(str, known))}, all")
    held_out = [one for one in known if fold in (ALL, one)]
    for category in sorted({clip.category for clip in clips}):
        own = {n for clip, n in zip(clips, folds, strict=True) if clip.category == category}
        if len(own) == 1 and own <= set(held_out):
            raise ValueError(
                f"class {category}: without fold {own.pop()} it has no clips to learn from; "
                "accepted: another fold, or classes with clips in two folds"
            )
    return held_out


def _source(clip: Clip) -> str:
    """Return what a clip was cut from, as far as its name says."""
    match = _ESC50_NAME.fullmatch(clip.name)
    return match[1] if match else clip.name
