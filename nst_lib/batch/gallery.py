"""Write a gallery: a page to listen to the results of a batch.

The gallery is one folder, which opens from a disk and from any web server:

    index.html        the page; it contains its data as JSON
    sounds/           the recordings as they were used, and the results
    spectrograms/     a picture of each sound

All pictures of a pair have the same axes and the same colours: 0 dB is the loudest value of the
pair.
"""

import html
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nst_lib.base.files import replacing
from nst_lib.batch import results
from nst_lib.batch.grid import word
from nst_lib.batch.status import Status
from nst_lib.batch.store import Store
from nst_lib.show import plots
from nst_lib.show.overview import Overview, overview
from nst_lib.sound import audio
from nst_lib.sound.decoding import probe
from nst_lib.system import PRESETS

#: The folder for the gallery, inside the folder of the batch.
GALLERY = "gallery"
#: Size of a picture in inches, and dots per inch.
SIZE, DPI = (3.4, 2.2), 120
#: Position of the axes: left, bottom, width and height as shares of the picture.
AXES = (0.2, 0.205, 0.76, 0.755)

_PAGE = Path(__file__).with_name("gallery.html")
_MARK = '<meta name="generator" content="nst gallery">'
_PARTS = {"index.html", "sounds", "spectrograms"}
#: The settings that change how a recording is read.
_INPUT_SETTINGS = ("sr", "duration", "mono", "level", "level_target")
_ESC50 = re.compile(r"\d-\d+-[A-Z]-\d+")

#: Called with the number of pictures drawn so far and the number of all pictures.
Callback = Callable[[int, int], None]


@dataclass(frozen=True)
class _Sound:
    """A WAV file, and its name in the gallery."""

    path: Path
    name: str

    def links(self) -> dict[str, str]:
        return {"sound": f"sounds/{self.name}.wav", "image": f"spectrograms/{self.name}.png"}


@dataclass(frozen=True)
class _Pair:
    """The text of the page about a pair, and the sounds of the pair."""

    about: dict[str, Any]
    sounds: list[_Sound]


def write_gallery(
    out: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    *,
    callback: Callback | None = None,
) -> Path:
    """Write the gallery of a batch. An older gallery is replaced.

    Parameters
    ----------
    out : path
        The folder of a batch.
    to : path or None
        The folder to write; None is "gallery" in the folder of the batch.
    callback : callable or None
        Called with the number of pictures drawn so far and the number of all pictures.

    Returns
    -------
    Path
        The page. It also lists the conditions without a sound, with the reason.

    Raises
    ------
    ValueError
        If `out` is not a batch on this machine, if no condition is done, if a sound cannot be
        read, or if `to` cannot be written or holds other files than a gallery.
    """
    store = Store(out)
    if store.folder is None:
        raise ValueError(f"{store}: is not on this machine: copy the batch into a folder first")
    conditions = _conditions(store)
    if not any(condition["scores"] for condition in conditions):
        raise ValueError(f"{store}: no condition is done: run `nst batch` again to complete some")
    target = Path(store.folder / GALLERY if to is None else to).resolve()
    _validate_target(target)
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for condition in conditions:
        key = (condition["pair"], condition["style"], condition["content"])
        groups.setdefault(key, []).append(condition)
    pairs = [_pair(n, members, store.folder) for n, members in enumerate(groups.values(), start=1)]
    with replacing(target) as folder:
        _write_sounds(pairs, folder, callback or _ignore)
        page = _page(store.read_json("batch.json"), [pair.about for pair in pairs])
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    return target / "index.html"


def _conditions(store: Store) -> list[dict[str, Any]]:
    """Return the conditions of a batch with their scores (None if not done) and their states."""
    try:
        rows = results.collect(store).to_dict("records")
    except FileNotFoundError as error:
        raise ValueError(
            f"{error.filename}: is missing: run `nst batch` to make it again"
        ) from error
    entries = Status.read(store).entries
    whole = {row["id"]: row for row in rows if store.finished(row["id"]) is not None}
    conditions = []
    for condition in store.read_json("batch.json")["conditions"]:
        name = condition["id"]
        entry, row = entries[name], whole.get(name)
        state, message = entry.state, entry.message
        if row is None and state == "done":
            state, message = "changed", "its files were changed after the batch wrote them"
        scores = row and {score: _number(row.get(score)) for score in results.SCORES}
        conditions.append({**condition, "scores": scores, "state": state, "message": message})
    return conditions


def _values(name: str, conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the different values of a setting; batches of older versions were all mono."""
    return list(dict.fromkeys(word(one["config"].get(name, True)) for one in conditions))


def _pair(number: int, members: list[dict[str, Any]], root: Path) -> _Pair:
    """Describe the conditions of one pair.

    A recording that was read with several settings, such as two levels, is listed several times.
    """
    varied = [s for s in _INPUT_SETTINGS if len(_values(s, members)) > 1]
    files, inputs, sounds = [], [], []
    for role in ("content", "style"):
        for file in dict.fromkeys(condition["inputs"][role] for condition in members):
            users = [c for c in members if c["inputs"][role] == file]
            notes = [f"{name} {' or '.join(_values(name, users))}" for name in varied]
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(file).stem)
            sound = _Sound(root / file, f"pair{number:02}-{role}-{name}")
            about = {"role": role, "clip": users[0][role], "note": ", ".join(notes)}
            inputs.append({**about, **sound.links()})
            files.append((role, file))
            sounds.append(sound)
    made = []
    for condition in members:
        run, used = condition["id"], condition["inputs"]
        result = {
            **{name: condition[name] for name in ("id", "seed", "scores", "state", "message")},
            **{role: files.index((role, used[role])) for role in ("content", "style")},
            "factors": {name: word(value) for name, value in condition["factors"].items()},
        }
        if condition["scores"]:
            sound = _Sound(root / "runs" / run / "result.wav", run)
            result |= sound.links()
            sounds.append(sound)
        made.append(result)
    return _Pair({"label": members[0]["pair"], "inputs": inputs, "results": made}, sounds)


def _write_sounds(pairs: list[_Pair], folder: Path, callback: Callback) -> None:
    """Copy the sounds, draw those of a pair on the same axes, and note the longest duration."""
    for part in ("sounds", "spectrograms"):
        (folder / part).mkdir()
    done, total = 0, sum(len(pair.sounds) for pair in pairs)
    for pair in pairs:
        loudest, seconds = 0.0, 0.0
        for sound in pair.sounds:
            found, length = _analyse(sound)
            loudest, seconds = max(loudest, found.loudest), max(seconds, length)
        pair.about["seconds"] = seconds
        top = max(probe(sound.path).sr for sound in pair.sounds) / 2
        for sound in pair.sounds:
            links = sound.links()
            shutil.copyfile(sound.path, folder / links["sound"])
            _draw(sound, folder / links["image"], limits=(seconds, top), loudest=loudest)
            done += 1
            callback(done, total)


def _analyse(sound: _Sound) -> tuple[Overview, float]:
    """Return the spectrogram of a sound, and its duration in seconds."""
    sr = probe(sound.path).sr
    y = audio.read(sound.path, sr=sr, mono=False)
    return overview(y, sr=sr), y.shape[-1] / sr


def _draw(sound: _Sound, path: Path, *, limits: tuple[float, float], loudest: float) -> None:
    shown, _ = _analyse(sound)
    with mpl.style.context(plots.STYLE):
        fig = Figure(figsize=SIZE, dpi=DPI)
        fig.set_layout_engine("none")
        ax = fig.add_axes(AXES)
        plots.spectrogram(ax, shown.S, shown.transform, loudest=loudest, colorbar=False)
        plots.time_axis(ax, limits[0])
        ax.set(xlim=(0, limits[0]), ylim=(0, limits[1]))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
        fig.savefig(path, dpi=DPI)


def _scores(pairs: list[dict[str, Any]]) -> dict[str, str]:
    """Return the scores to show and their meaning; those of the ear only if a sound has them."""
    found = [result["scores"] for pair in pairs for result in pair["results"] if result["scores"]]
    return {
        name: about
        for name, about in results.SCORES.items()
        if name not in results.EAR or any(scores[name] is not None for scores in found)
    }


def _page(batch: dict[str, Any], pairs: list[dict[str, Any]]) -> str:
    configs = [condition["config"] for condition in batch["conditions"]]
    meaning = _meanings(batch)
    clips = [{"name": name, **clip} for name, clip in batch["clips"].items()]
    data = {
        "version": batch["version"],
        "simulated": _simulated(clips),
        "esc50": any(_ESC50.fullmatch(clip["name"]) for clip in clips),
        "factors": {name: [word(v) for v in values] for name, values in batch["factors"].items()},
        "seeds": batch["seeds"],
        "scores": _scores(pairs),
        "settings": [
            {"name": name, "value": word(value), "about": meaning.get(name, "")}
            for name, value in configs[0].items()
            if name != "seed" and all(config.get(name) == value for config in configs)
        ],
        "range": plots.RANGE_DB,
        "clips": clips,
        "pairs": pairs,
    }
    left, bottom, width, height = (100 * x for x in AXES)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        mark=_MARK,
        title=html.escape(batch.get("title", batch["grid"])),
        left=f"{left:.4g}%",
        right=f"{100 - left - width:.4g}%",
        top=f"{100 - bottom - height:.4g}%",
        bottom=f"{bottom:.4g}%",
        width=round(SIZE[0] * DPI),
        height=round(SIZE[1] * DPI),
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


def _meanings(batch: dict[str, Any]) -> dict[str, str]:
    """Return the meaning of each setting: from the batch or, if it is older, from its presets."""
    if "meanings" in batch:
        return dict(batch["meanings"])
    presets = {condition["config"]["preset"] for condition in batch["conditions"]}
    described = [entry.config.describe() for name, entry in PRESETS.items() if name in presets]
    return {name: meaning for each in described for name, meaning in each.items()}


def _simulated(clips: list[dict[str, Any]]) -> str:
    """Return a sentence about simulated recordings."""
    simulated = [clip["name"] for clip in clips if clip["simulated"]]
    if len(simulated) == len(clips):
        return "All recordings are simulated"
    return f"Some recordings are simulated: {', '.join(simulated)}" if simulated else ""


def _validate_target(target: Path) -> None:
    """Raise ValueError if a folder holds other files than those of a gallery."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"{target}: is a file: choose a folder")
    found = {path.name for path in target.iterdir() if not path.name.startswith(".")}
    index = target / "index.html"
    ours = index.is_file() and _MARK in index.read_text(encoding="utf-8", errors="replace")
    if found and not (ours and found <= _PARTS):
        foreign = min(found - _PARTS if ours else found)
        raise ValueError(
            f"{target}: holds {foreign}, which does not belong to a gallery: choose a new or empty "
            "folder, or one with an older gallery"
        )


def _number(value: Any) -> float | None:
    """Return a score, or None if it is missing."""
    return None if value is None or not math.isfinite(value) else float(value)


def _ignore(_done: int, _total: int) -> None:
    return
