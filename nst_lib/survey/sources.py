"""Collect the stimuli of a listening test from a batch, or from a folder of sounds with a table.

From a batch, every finished condition is a trial. Catch trials, whose right answers are known, and
training items, which show the range of the sounds, are added; see :mod:`nst_lib.survey.examples`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nst_lib.base.validation import hint
from nst_lib.batch.grid import word
from nst_lib.batch.store import Store
from nst_lib.survey import examples, recordings, stimuli
from nst_lib.survey.examples import EXAMPLES, PairFiles, Recording
from nst_lib.survey.files import read_yaml
from nst_lib.survey.recordings import Make
from nst_lib.survey.stimuli import (
    ANCHOR,
    CATCH,
    REFERENCE,
    TAKEN,
    TAKEN_TODAY,
    TRAINING,
    Stimulus,
    SurveyError,
)

#: Highest frequencies of the anchors in Hz: those of ITU-R BS.1534-3.
ANCHORS = (3500.0, 7000.0)
#: The roles of the two recordings that a result is made from.
BOTH = ("style", "content")


@dataclass(frozen=True)
class SoundSet:
    """The sounds of a survey before it is built.

    Attributes
    ----------
    name : str
        Name of the batch or of the table.
    folder : Path
        The folder of the sound files.
    stimuli : list of Stimulus
        All stimuli; their file names are relative to `folder`.
    made : dict of str to callable
        File name of a stimulus -> function that makes the sound; for sounds that are in no file.
    wanted : int
        The number of training items and catch trials that there should be.
    """

    name: str
    folder: Path
    stimuli: list[Stimulus]
    made: dict[str, Make] = field(default_factory=dict)
    wanted: int = 0


def from_table(folder: str | os.PathLike[str], table: str | os.PathLike[str]) -> SoundSet:
    """Return the sounds that a table lists.

    Parameters
    ----------
    folder : path
        The folder of the sound files.
    table : path
        A CSV file; see :mod:`nst_lib.survey.stimuli`.

    Raises
    ------
    SurveyError
        If the folder does not exist, or the table has a fault.
    """
    if not Path(folder).is_dir():
        raise SurveyError(f"{folder}: no such folder; choose the folder of the sounds in {table}")
    return SoundSet(
        Path(table).name, Path(folder), stimuli.read(Path(table), taken=TAKEN + TAKEN_TODAY)
    )


def from_batch(
    out: str | os.PathLike[str],
    *,
    question: str,
    descriptions: Mapping[str, str] | None = None,
    scale: tuple[float, float] = (1, 5),
    with_examples: bool = True,
    with_references: bool = False,
    seed: int = 0,
) -> SoundSet:
    """Return the results of a batch as trials, with catch trials and training items.

    Parameters
    ----------
    out : path
        The folder of a batch.
    question : {"style", "content", "quality"}
        The recording of a pair with which participants compare the result; for "quality", none.
    descriptions : mapping of str to str or None
        Clip or category -> its description. The default is the category, without underscores.
    scale : tuple of float
        Lowest and highest rating, for the right answers to catch trials.
    with_examples : bool
        Whether there are catch trials and training items.
    with_references : bool
        Whether the recordings that the question is about are there as references.
    seed : int
        Seed of the choice of pairs for catch trials and training items.

    Raises
    ------
    SurveyError
        If `out` is no batch on this machine, fewer than two conditions are done, or a description
        is for a clip or category that the batch does not have.
    """
    store = Store(out)
    if store.folder is None:
        raise SurveyError(f"{store}: is not on this machine; copy the batch to a folder first")
    batch = store.batch()
    done = [one for one in batch["conditions"] if store.finished(one["id"]) is not None]
    if len(done) < 2:
        raise SurveyError(
            f"{store}: {len(done)} conditions are done, and a survey needs two or more; run the "
            "batch again to complete it"
        )
    texts = _texts(batch["clips"], descriptions or {})
    if question == "quality":
        texts = dict.fromkeys(texts, "")
    several = len(batch["seeds"]) > 1
    trials = [_trial(one, question, texts, several=several) for one in done]
    name, factors = f"batch {batch['grid']}", trials[0].factors
    found: list[Stimulus] = []
    made: dict[str, Make] = {}
    if with_examples:
        found, made = _examples(
            done,
            trials,
            store.folder,
            question=question,
            texts=texts,
            same_pair=with_references,
            seed=seed,
        )
    everything = [*trials, *_named([_on(scale, one) for one in found], factors)]
    if with_references:
        everything += _references(done, question, factors)
    return SoundSet(name, store.folder, everything, made, EXAMPLES[question] if found else 0)


def _on(scale: tuple[float, float], one: Stimulus) -> Stimulus:
    """Return a catch trial whose right answers are ratings, and not shares of the scale."""
    low, high = scale
    limits = [None if at is None else low + at * (high - low) for at in (one.lowest, one.highest)]
    lowest, highest = (int(at) if at is not None and at.is_integer() else at for at in limits)
    return replace(one, lowest=lowest, highest=highest)


def _references(
    done: list[dict[str, Any]], question: str, factors: Mapping[str, str]
) -> list[Stimulus]:
    """Return the recording of each pair that the question is about."""
    files = {one["pair"]: one["inputs"][question] for one in done}
    bare = dict.fromkeys(factors, "")
    return [
        Stimulus(file=file, item=f"reference {pair}", role=REFERENCE, pair=pair, factors=bare)
        for pair, file in files.items()
    ]


def with_anchors(found: SoundSet) -> SoundSet:
    """Return the sounds with the anchors of BS.1534-3, made from each reference.

    A reference whose sampling rate is too low for an anchor does not get this one.
    """
    made = dict(found.made)
    stimuli = list(found.stimuli)
    for one in found.stimuli:
        if one.role != REFERENCE:
            continue
        for cutoff in ANCHORS:
            if not recordings.has_anchor(found.folder / one.file, cutoff):
                continue
            file = f"{one.file} below {cutoff:g} Hz"
            made[file] = partial(recordings.anchor, found.folder / one.file, cutoff)
            name = f"anchor {cutoff / 1000:g} kHz {one.pair}"
            stimuli.append(replace(one, file=file, item=name, role=ANCHOR))
    return replace(found, stimuli=stimuli, made=made)


def together(sets: Mapping[str, SoundSet]) -> SoundSet:
    """Return the sounds of several blocks, each with the name of its block."""
    first = next(iter(sets.values()))
    if len(sets) == 1:
        return first
    stimuli = [replace(one, block=name) for name, found in sets.items() for one in found.stimuli]
    made = {file: make for found in sets.values() for file, make in found.made.items()}
    wanted = sum(found.wanted for found in sets.values())
    return replace(first, stimuli=stimuli, made=made, wanted=wanted)


def _examples(
    done: list[dict[str, Any]],
    trials: Sequence[Stimulus],
    folder: Path,
    *,
    question: str,
    texts: Mapping[str, str],
    same_pair: bool,
    seed: int,
) -> tuple[list[Stimulus], dict[str, Make]]:
    """Return training items and catch trials, made from recordings that equal no trial."""
    own = BOTH if question == "quality" else (question,)
    first, rest = (
        _recordings(done, [role for role in BOTH if (role in own) is wanted], texts)
        for wanted in (True, False)
    )
    first = [first[k] for k in np.random.default_rng(seed).permutation(len(first))]
    files = [one.file for one in (*first, *rest)]
    different = _different(folder, files, [one.file for one in trials])
    first, rest = ([one for one in some if one.file in different] for some in (first, rest))
    if question == "quality":
        return examples.of_quality(first, folder=folder, seed=seed)
    pairs = [
        PairFiles(
            one["pair"], one["inputs"]["style"], one["inputs"]["content"], texts[one[question]]
        )
        for one in done
        if one["style"] != one["content"]
    ]
    return examples.of_description(first, rest, pairs, folder=folder, same_pair=same_pair)


def _named(found: Sequence[Stimulus], factors: Mapping[str, str]) -> list[Stimulus]:
    """Give training items and catch trials a name and empty factors. Training items come first."""
    named = []
    for role in (TRAINING, CATCH):
        ours = [one for one in found if one.role == role]
        named += [
            replace(one, item=f"{role} {n}", factors=dict.fromkeys(factors, ""))
            for n, one in enumerate(ours, start=1)
        ]
    return named


def _texts(clips: Mapping[str, Any], descriptions: Mapping[str, str]) -> dict[str, str]:
    """Return the description of each clip."""
    known = {name for name, clip in clips.items() for name in (name, clip["category"]) if name}
    for name in descriptions:
        if name not in known:
            raise SurveyError(
                f"descriptions: the batch has no clip or category {name!r}; "
                f"{hint(name, sorted(known))}"
            )
    found = {}
    for name, clip in clips.items():
        category = clip["category"] or Path(name).stem
        text = descriptions.get(name) or descriptions.get(category)
        found[name] = text or category.replace("_", " ")
    return found


def _trial(
    condition: Mapping[str, Any], question: str, texts: Mapping[str, str], *, several: bool
) -> Stimulus:
    """Return a condition as a trial. If the batch has `several` seeds, the seed is a factor."""
    factors = {**condition["factors"], **({"seed": condition["seed"]} if several else {})}
    return Stimulus(
        file=f"runs/{condition['id']}/result.wav",
        item=condition["id"],
        pair=condition["pair"],
        factors={name: word(value) for name, value in factors.items()},
        description=texts.get(condition.get(question, ""), ""),
    )


def _recordings(
    conditions: list[dict[str, Any]], roles: Sequence[str], texts: Mapping[str, str]
) -> list[Recording]:
    """Return the recordings that have one of these roles, each once."""
    found: dict[str, Recording] = {}
    for condition in conditions:
        for role in roles:
            clip, file = condition[role], condition["inputs"][role]
            found.setdefault(clip, Recording(file, condition["pair"], texts[clip]))
    return list(found.values())


def _different(folder: Path, files: Sequence[str], others: Sequence[str]) -> set[str]:
    """Return the files whose sound differs from all `others`, and from all files before them."""
    heard = [recordings.trace(folder / file) for file in others]
    found = set()
    for file in dict.fromkeys(files):
        trace = recordings.trace(folder / file)
        if not any(recordings.same(trace, other) for other in heard):
            heard.append(trace)
            found.add(file)
    return found


def read_descriptions(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a YAML file of descriptions: clip or category -> text.

    Raises
    ------
    SurveyError
        If the file cannot be read, or has other content.
    """
    advice = "write a YAML file with lines like `hen: a clucking hen`"
    given = read_yaml(Path(path), advice=advice)
    if not isinstance(given, dict) or not all(
        isinstance(text, str) and text.strip() for pair in given.items() for text in pair
    ):
        raise SurveyError(f"{path}: is not a mapping of names to texts; {advice}")
    return {name: text.strip() for name, text in given.items()}
