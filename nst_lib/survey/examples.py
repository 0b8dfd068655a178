"""Training and catch trials of a batch: its recordings, and what is made from them.

    catch      an original recording under its own description (4 or 5 is right), and one of
               something else under that description (1 or 2); asked for quality, two originals
    training   the same with other recordings, and a mixture of both recordings of a pair;
               asked for quality, an original, and one with noise in it

None of them is a trial, and no recording is heard twice as it is. With one or two pairs there may
be fewer; catch trials come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nst_lib.survey.recordings import Make, degraded, mixture
from nst_lib.survey.stimuli import CATCH, TRAINING, Stimulus

#: Right answers of catch trials: at least, at most.
GOOD, POOR = 4, 2
#: How many sounds there are where recordings are not short.
EXAMPLES = {"style": 5, "content": 5, "quality": 4}


@dataclass(frozen=True)
class Recording:
    """One recording of a batch as it was used.

    Attributes
    ----------
    file : str
        Where it is.
    pair : str
        The first pair that it is in.
    description : str
        What it is called in a question.
    """

    file: str
    pair: str
    description: str


@dataclass(frozen=True)
class PairFiles:
    """What a pair is made from.

    Attributes
    ----------
    name : str
        Of the pair.
    style, content : str
        The files.
    description : str
        What a result is compared with.
    """

    name: str
    style: str
    content: str
    description: str


def of_quality(
    recordings: Sequence[Recording], *, folder: Path, seed: int
) -> tuple[list[Stimulus], dict[str, Make]]:
    """Return training and catch trials for the question of quality; see :func:`of_description`."""
    found = [_stimulus(CATCH, one, right=(GOOD, None)) for one in recordings[:2]]
    found += [_stimulus(TRAINING, one) for one in recordings[2:3]]
    made: dict[str, Make] = {}
    for one in recordings[-1:]:
        name = f"{one.file} with noise"
        made[name] = partial(degraded, folder / one.file, seed=seed)
        found.append(_stimulus(TRAINING, replace(one, file=name)))
    return found, made


def of_description(
    own: Sequence[Recording], rest: Sequence[Recording], pairs: Sequence[PairFiles], *, folder: Path
) -> tuple[list[Stimulus], dict[str, Make]]:
    """Return training and catch trials for a question about a description.

    Parameters
    ----------
    own, rest : sequence of Recording
        All that may be used: those in the role that is asked for, and the others.
    pairs : sequence of PairFiles
        For the mixture.
    folder : Path
        Where files are.

    Returns
    -------
    found : list of Stimulus
        Named later.
    made : dict of str to callable
        File of a stimulus -> what makes it, where it is in no file.
    """
    left, found = [*own, *rest], list[Stimulus]()
    for role in (CATCH, TRAINING):
        if left:
            one = left.pop(0)
            found.append(_stimulus(role, one, right=(GOOD, None)))
            kept = left[:1] if role == CATCH and len(own) > 1 else []  # for the training
            unlike = _unlike(one, [two for two in left if two not in kept]) or _unlike(one, kept)
            for two in unlike[:1]:
                left.remove(two)
                poor = replace(two, description=one.description)
                found.append(_stimulus(role, poor, right=(None, POOR)))
    made: dict[str, Make] = {}
    used = [{one.pair for one in found if one.role == role} for role in (CATCH, TRAINING)]
    for pair in sorted(pairs, key=lambda pair: [pair.name in names for names in used])[:1]:
        name = f"{pair.style} and {pair.content}"
        made[name] = partial(mixture, [folder / pair.style, folder / pair.content])
        found.append(_stimulus(TRAINING, Recording(name, pair.name, pair.description)))
    return found, made


def _unlike(one: Recording, others: Sequence[Recording]) -> list[Recording]:
    """Return recordings of something else, those of other pairs first."""
    unlike = [two for two in others if two.description != one.description]
    return sorted(unlike, key=lambda two: two.pair == one.pair)


def _stimulus(
    role: str, one: Recording, *, right: tuple[int | None, int | None] = (None, None)
) -> Stimulus:
    """Return something to hear; `right` are the lowest and highest right answers to a catch."""
    lowest, highest = right if role == CATCH else (None, None)
    return Stimulus(
        file=one.file,
        item="",
        role=role,
        pair=one.pair,
        description=one.description,
        lowest=lowest,
        highest=highest,
    )
