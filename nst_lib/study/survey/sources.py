"""The stimuli of a listening test: from a batch, or from a folder of sounds with a table.

From a batch, every condition that is done is a trial. So that ratings mean something there are two
catch trials, whose right answers are known, and three training items, which show the range:

    catch      an original recording under its own description (4 or 5 is right), and one of another
               pair under that description (1 or 2); asked for quality, two original recordings
    training   an original, an unrelated one, a result
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nst_lib.study.grid import word
from nst_lib.study.store import Store
from nst_lib.study.survey import stimuli
from nst_lib.study.survey.stimuli import CATCH, TRAINING, Stimulus, SurveyError
from nst_lib.validation import hint

#: Right answers of catch trials: at least, at most.
GOOD, POOR = 4, 2


@dataclass(frozen=True)
class Source:
    """Sounds to be rated.

    Attributes
    ----------
    name : str
        Where they come from.
    folder : Path
        Where the files are.
    stimuli : list of Stimulus
        All, with their files seen from `folder`.
    """

    name: str
    folder: Path
    stimuli: list[Stimulus]


@dataclass(frozen=True)
class _Original:
    """One recording of a batch as it was used."""

    file: str
    pair: str
    description: str


def from_table(folder: str | os.PathLike[str], table: str | os.PathLike[str]) -> Source:
    """Return the sounds of a folder as a table lists them.

    Parameters
    ----------
    folder : path
        Where the files of the table are.
    table : path
        A CSV file; see :mod:`nst_lib.study.survey.stimuli`.

    Raises
    ------
    SurveyError
        If there is no such folder, or something in the table is wrong.
    """
    if not Path(folder).is_dir():
        raise SurveyError(f"{folder}: no such folder; accepted: that of the sounds in {table}")
    return Source(Path(table).name, Path(folder), stimuli.read(Path(table)))


def from_batch(
    out: str | os.PathLike[str],
    *,
    question: str,
    descriptions: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Source:
    """Return the results of a batch, with catch trials and training.

    Parameters
    ----------
    out : path
        The folder of a batch.
    question : {"style", "content", "quality"}
        Which recording of a pair a result is compared with; for quality, neither.
    descriptions : mapping of str to str or None
        Clip or category -> text; for all others the category, without underscores.
    seed : int
        Decides which pairs give catch trials and training.

    Raises
    ------
    SurveyError
        If it is no batch on this machine, fewer than two conditions are done, or a description
        is of nothing in it.
    """
    store = Store(out)
    if store.folder is None:
        raise SurveyError(f"{store}: is not on this machine; accepted: a folder (copy it first)")
    batch = store.batch()
    done = [one for one in batch["conditions"] if store.finished(one["id"]) is not None]
    if len(done) < 2:
        raise SurveyError(f"{store}: {len(done)} conditions are done; accepted: two or more")
    texts = _texts(batch["clips"], descriptions or {})
    if question == "quality":
        texts = dict.fromkeys(texts, "")
    several = len(batch["seeds"]) > 1
    trials = [_trial(one, question, texts, several=several) for one in done]
    generator = np.random.default_rng(seed)
    own = ("style", "content") if question == "quality" else (question,)
    first, rest = (
        _originals(done, [role for role in ("style", "content") if (role in own) is wanted], texts)
        for wanted in (True, False)
    )
    shuffled = [first[k] for k in generator.permutation(len(first))]
    example = trials[generator.integers(len(trials))]
    others = _others(shuffled, rest, example, question)
    return Source(f"batch {batch['grid']}", store.folder, [*trials, *others])


def _texts(clips: Mapping[str, Any], descriptions: Mapping[str, str]) -> dict[str, str]:
    """Return what each clip is called in a question."""
    known = {name for name, clip in clips.items() for name in (name, clip["category"]) if name}
    for name in descriptions:
        if name not in known:
            raise SurveyError(f"descriptions: {name!r}; {hint(name, sorted(known))}")
    found = {}
    for name, clip in clips.items():
        category = clip["category"] or Path(name).stem
        text = descriptions.get(name) or descriptions.get(category)
        found[name] = text or category.replace("_", " ")
    return found


def _trial(
    condition: Mapping[str, Any], question: str, texts: Mapping[str, str], *, several: bool
) -> Stimulus:
    """Return a condition as something to rate; `several` seeds are a factor."""
    factors = {**condition["factors"], **({"seed": condition["seed"]} if several else {})}
    return Stimulus(
        file=f"runs/{condition['id']}/result.wav",
        item=condition["id"],
        pair=condition["pair"],
        factors={name: word(value) for name, value in factors.items()},
        description=texts.get(condition.get(question, ""), ""),
    )


def _originals(
    conditions: list[dict[str, Any]], roles: Sequence[str], texts: Mapping[str, str]
) -> list[_Original]:
    """Return the recordings of these roles, each once."""
    found: dict[str, _Original] = {}
    for condition in conditions:
        for role in roles:
            clip, file = condition[role], condition["inputs"][role]
            found.setdefault(clip, _Original(file, condition["pair"], texts[clip]))
    return list(found.values())


def _others(
    first: list[_Original], rest: list[_Original], example: Stimulus, question: str
) -> list[Stimulus]:
    """Return training and catch trials: of recordings of the role that is asked for, and others."""
    found = []
    for role, k in ((TRAINING, 2 % len(first)), (CATCH, 0)):
        one, turned = first[k], [*first[k + 1 :], *first[:k], *rest]
        made = [_other(role, one, one.description, example, lowest=GOOD)]
        if question == "quality":
            made += [_other(role, two, "", example, lowest=GOOD) for two in turned[:1]]
        else:
            unlike = [two for two in turned if two.description != one.description]
            unlike.sort(key=lambda two: two.pair == one.pair)
            made += [
                _other(role, two, one.description, example, highest=POOR) for two in unlike[:1]
            ]
        if role == TRAINING:
            made.append(replace(example, role=role))
        found += [replace(m, item=f"{role} {n}") for n, m in enumerate(made, start=1)]
    return found


def _other(
    role: str, original: _Original, description: str, example: Stimulus, **right: int
) -> Stimulus:
    return Stimulus(
        file=original.file,
        item="",
        role=role,
        pair=original.pair,
        factors=dict.fromkeys(example.factors, ""),
        description=description,
        **(right if role == CATCH else {}),
    )


def read_descriptions(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read descriptions: a YAML file, clip or category -> text.

    Raises
    ------
    SurveyError
        If it cannot be read, or is something else.
    """
    accepted = "accepted: a YAML file with a text for each clip or category"
    try:
        given = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {accepted}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise SurveyError(f"{path}: {' '.join(str(error).split())}; {accepted}") from error
    if not isinstance(given, dict) or not all(
        isinstance(text, str) and text.strip() for pair in given.items() for text in pair
    ):
        raise SurveyError(f"{path}: is no table of texts; {accepted}")
    return {name: text.strip() for name, text in given.items()}
