"""The picture of the README: the transfer that `make demo` does, of two simulated recordings.

python docs/picture.py
"""

from pathlib import Path

from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from nst_lib import plots, transfer
from nst_lib.build import make_transform
from nst_lib.datasets import open_dataset
from nst_lib.demo import CONFIG

TITLES = {
    "content": "Content: a hand saw",
    "style": "Style: snoring",
    "result": "Result: the rhythm of the saw, the timbre of snoring",
}


def main() -> None:
    """Write picture.png beside this file."""
    plots.use_style()
    pair = open_dataset("synthetic").pairs(seed=0)[0]
    result = transfer(pair.content, pair.style, CONFIG)
    fig = Figure(figsize=(11, 2.7))
    axes = fig.subplots(1, len(TITLES), sharey=True)
    loudest = max(float(result.spectrograms[role].max()) for role in TITLES)
    for ax, (role, title) in zip(axes, TITLES.items(), strict=True):
        spectrogram = result.spectrograms[role]
        image = plots.spectrogram(ax, spectrogram, make_transform(CONFIG), colorbar=False)
        image.set_norm(PowerNorm(0.5, vmin=0, vmax=loudest))
        ax.set_title(title, fontsize=9)
        ax.label_outer()
    fig.savefig(Path(__file__).with_name("picture.png"), dpi=90)


if __name__ == "__main__":
    main()
