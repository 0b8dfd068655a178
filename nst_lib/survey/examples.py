"""Make training items and catch trials from the recordings of a batch.

    catch      an original recording with its own description (4 or 5 is right), and a recording of
               something else with the same description (1 or 2 is right); for the question of
               quality, two original recordings
    training   the same with other recordings, and a mixture of the two recordings of a pair; for
               the question of quality, an original recording, and a recording with added noise

None of them is also a trial, and participants hear no unchanged recording twice. A batch of one or
two pairs may have too few recordings; then the catch trials come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nst_lib.survey.recordings import Make, degraded, mixture
from nst_lib.survey.stimuli import CATCH, TRAINING, Stimulus

#: The lowest right answer to a good catch trial, and the highest right answer to a poor one, as
#: shares of the scale: 4 and 2 of five points.
GOOD, POOR = 0.75, 0.25
#: The number of training items and catch trials, if there are enough recordings.
EXAMPLES = {"style": 5, "content": 5, "quality": 4}


@dataclass(frozen=True)
class Recording:
    """One recording of a batch, as the batch used it.

    Attributes
    ----------
    file : str
        The sound file.
    pair : str
        The first pair that has the recording.
    description : str
        The description of the recording in a question.
    """

    file: str
    pair: str
    description: str


@dataclass(frozen=True)
class PairFiles:
    """The files of a pair of recordings.

    Attributes
    ----------
    name : str
        Name of the pair.
    style, content : str
        The sound files.
    description : str
        Text with which participants compare the results.
    """

    name: str
    style: str
    content: str
    description: str


def of_quality(
    recordings: Sequence[Recording], *, folder: Path, seed: int
) -> tuple[list[Stimulus], dict[str, Make]]:
    """Return the examples for the question of quality; see :func:`of_description`."""
    found = [_stimulus(CATCH, one, right=(GOOD, None)) for one in recordings[:2]]
    found += [_stimulus(TRAINING, one) for one in recordings[2:3]]
    made: dict[str, Make] = {}
    for one in recordings[-1:]:
        name = f"{one.file} with noise"
        made[name] = partial(degraded, folder / one.file, seed=seed)
        found.append(_stimulus(TRAINING, replace(one, file=name)))
    return found, made


def of_description(
    own: Sequence[Recording],
    rest: Sequence[Recording],
    pairs: Sequence[PairFiles],
    *,
    folder: Path,
    same_pair: bool = False,
) -> tuple[list[Stimulus], dict[str, Make]]:
    """Return training items and catch trials for a question about a description.

    Parameters
    ----------
    own, rest : sequence of Recording
        The recordings in the role that the question is about, and all other recordings.
    pairs : sequence of PairFiles
        The pairs, one of which gives the mixture.
    folder : Path
        The folder of the files.
    same_pair : bool
        Whether a recording of something else counts as of the pair whose description it has. So it
        is compared with the reference of that pair.

    Returns
    -------
    found : list of Stimulus
        The stimuli, without names.
    made : dict of str to callable
        File name of a stimulus -> function that makes the sound; for sounds that are in no file.
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
                whose = one.pair if same_pair else two.pair
                poor = replace(two, description=one.description, pair=whose)
                found.append(_stimulus(role, poor, right=(None, POOR)))
    made: dict[str, Make] = {}
    used = [{one.pair for one in found if one.role == role} for role in (CATCH, TRAINING)]
    for pair in sorted(pairs, key=lambda pair: [pair.name in names for names in used])[:1]:
        name = f"{pair.style} and {pair.content}"
        made[name] = partial(mixture, [folder / pair.style, folder / pair.content])
        found.append(_stimulus(TRAINING, Recording(name, pair.name, pair.description)))
    return found, made


def _unlike(one: Recording, others: Sequence[Recording]) -> list[Recording]:
    """Return the recordings with another description, those of other pairs first."""
    unlike = [two for two in others if two.description != one.description]
    return sorted(unlike, key=lambda two: two.pair == one.pair)


def _stimulus(
    role: str, one: Recording, *, right: tuple[float | None, float | None] = (None, None)
) -> Stimulus:
    """Return a recording as a stimulus.

    `right` are the lowest and the highest right answer, if the stimulus is a catch trial.
    """
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
