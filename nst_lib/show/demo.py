"""Run one transfer and write a page with its sounds and figures. ``make demo`` runs this."""

import os
from pathlib import Path

from nst_lib.features import TransferConfig
from nst_lib.pipeline import transfer
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks
from nst_lib.show import plots, report
from nst_lib.sound import audio
from nst_lib.sound.datasets import Synthetic, open_dataset

CONFIG = TransferConfig.from_preset()

_NOTE = (
    "The result has the rhythm of the content and the timbre of the style. It was made with the "
    "default preset, in {evaluations} evaluations of the loss of an infinitely wide random network."
)


def run(out: str | os.PathLike[str], *, callback: Callbacks | None = None) -> list[Path]:
    """Transfer the first pair of the study. Write sounds, record, figure and page into `out`.

    Parameters
    ----------
    out : path
        The folder for the files. It is made if it does not exist.
    callback : Callbacks or None
        Functions that report the progress.

    Returns
    -------
    list of Path
        The files that were written. The page is the last one.
    """
    dataset = open_dataset()
    pair = dataset.pairs(seed=0)[0]
    result = transfer(pair.content, pair.style, CONFIG, callback=callback)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.wav" for name in ("content", "style", "result")}
    for role, y in (("content", result.content), ("style", result.style)):
        if y is not None:
            audio.write(files[role], y, sr=result.config.rate)
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
        "for the result",
    }
    if result.scores is not None:
        facts |= {
            "Timbre (0: like the content, 1: like the style)": f"{result.scores.timbre:.2f}",
            "Texture (0: like the content, 1: like the style)": f"{result.scores.texture:.2f}",
            "Rhythm (1: like the content)": f"{result.scores.rhythm:.2f}",
            "Background noise above the noisier recording": f"{result.scores.noise:+.1f} dB",
        }
        if result.scores.ear is not None:
            ear = f"{result.scores.ear:.2f}, and {result.scores.ear_content:.2f} to the content"
            facts["Trained ear (similarity to the style, at most 1)"] = ear
    return facts
