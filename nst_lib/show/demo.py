"""One transfer with everything to see and hear of it: what ``make demo`` runs."""

import os
from pathlib import Path

from nst_lib.features import TransferConfig
from nst_lib.pipeline import load, transfer
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks
from nst_lib.show import plots, report
from nst_lib.sound import audio
from nst_lib.sound.datasets import Synthetic, open_dataset

CONFIG = TransferConfig.from_preset()

_NOTE = (
    "The content's rhythm in the style's timbre, with the default preset: {evaluations} "
    "evaluations of the loss of an infinitely wide random network. "
)


def run(out: str | os.PathLike[str], *, callback: Callbacks | None = None) -> list[Path]:
    """Transfer the study's first pair and write sounds, record, figure and page into `out`.

    Parameters
    ----------
    out : path
        A folder; made where it is missing.
    callback : Callbacks or None
        Functions that are called as the transfer gets on.

    Returns
    -------
    list of Path
        The files, the page last.
    """
    dataset = open_dataset()
    pair = dataset.pairs(seed=0)[0]
    result = transfer(pair.content, pair.style, CONFIG, callback=callback)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.wav" for name in ("content", "style", "result")}
    for role, clip in (("content", pair.content), ("style", pair.style)):
        audio.write(files[role], load(clip, CONFIG), sr=CONFIG.sr)
    inputs = {"content": pair.content.name, "style": pair.style.name}
    record = report.write(result, files["result"], inputs=inputs)
    figure, page = folder / "figure.png", folder / "index.html"
    plots.save_transfer_figure(result, figure)
    credits = {
        role: f"{clip.name}: {clip.attribution} [{clip.licence}]"
        for role, clip in (("content", pair.content), ("style", pair.style))
    }
    simulated = " Both recordings are simulated." if isinstance(dataset, Synthetic) else ""
    note = _NOTE.format(evaluations=len(result.evaluations))
    report.write_page(
        page,
        title=f"{pair.style.category} over {pair.content.category}".replace("_", " ").capitalize(),
        note=note + simulated,
        sounds={
            "Content": (files["content"], credits["content"]),
            "Style": (files["style"], credits["style"]),
            "Result": (files["result"], "made by nst_lib"),
        },
        figure=figure,
        facts=_facts(result),
    )
    return [*files.values(), record, figure, page]


def _facts(result: TransferResult) -> dict[str, str]:
    facts = {
        "Settings": f"preset {CONFIG.preset}",
        "Time": f"{result.seconds['total']:.0f} s on {result.device}",
        "Loss": f"{result.evaluations[0].total:.2g} at the start, {result.realised['total']:.2g} "
        "of the sound",
    }
    if result.scores is not None:
        facts |= {
            "Timbre (0 the content's, 1 the style's)": f"{result.scores.timbre:.2f}",
            "Texture (0 the content's, 1 the style's)": f"{result.scores.texture:.2f}",
            "Rhythm (1 the content's)": f"{result.scores.rhythm:.2f}",
            "Background above the louder input": f"{result.scores.noise:+.1f} dB",
        }
    return facts
