"""Draw the picture of the README: the transfer of two simulated recordings that `make demo` makes.

python docs/picture.py
"""

from pathlib import Path

from matplotlib.figure import Figure

from nst_lib import transfer
from nst_lib.show import plots
from nst_lib.show.demo import CONFIG
from nst_lib.sound.datasets import open_dataset

TITLES = {
    "content": "Content: a hand saw",
    "style": "Style: snoring",
    "result": "Result: rhythm of the saw, timbre of snoring",
}


def main() -> None:
    """Write picture.png into the folder of this file."""
    plots.use_style()
    pair = open_dataset("synthetic").pairs(seed=0)[0]
    result = transfer(pair.content, pair.style, CONFIG)
    fig = Figure(figsize=(11, 2.7))
    axes = fig.subplots(1, len(TITLES), sharey=True)
    shown = {title: result.spectrograms[role] for role, title in TITLES.items()}
    plots.spectrograms(axes, shown, result.transform)
    for ax in axes:
        ax.title.set_fontsize(9)
    fig.savefig(Path(__file__).with_name("picture.png"), dpi=90)


if __name__ == "__main__":
    main()
