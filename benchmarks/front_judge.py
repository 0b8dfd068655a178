"""Optimise the ear itself, and ask a second network what that gained: nothing.

    NST_ESC50=folder .venv/bin/python -W ignore benchmarks/front_judge.py FOLDER

On the first five development pairs, the loss of the preset `fast` is optimised in samples, from the
content, once as it is and once with the distance to the style in the trained ear as a further term.
The script writes the sounds as FOLDER/without and FOLDER/with, and the means in the ear into
front_judge.json. That file also has what a second network heard in these sounds, and in those of
`front.py --sounds`; front.md says how this was measured. No preset optimises the ear.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from front import pairs
from torch import Tensor

from nst_lib import ESC50, TransferConfig, transfer
from nst_lib.core.objective import Losses
from nst_lib.core.transforms import Transform
from nst_lib.metrics import aisfx, ear
from nst_lib.sound import audio
from nst_lib.system import PRESETS

TARGET = Path(__file__).with_suffix(".json")
STEPS = 100
#: Weight of the ear's distance, 1 - cosine, beside a style loss that is 1 at the start.
WEIGHT = 1.0
N_PAIRS = 5


def embed(network: torch.nn.Module, w: Tensor) -> Tensor:
    """Return the ear's embedding of a sound at half of its rate, with a gradient."""
    w = w * (10 ** (ear.LEVEL / 20) / w.square().mean().sqrt())
    n = 2 * len(w)
    doubled = 2 * torch.fft.irfft(torch.fft.rfft(w), n)
    window = torch.hann_window(aisfx.N_FFT)
    spectrum = torch.stft(
        doubled, aisfx.N_FFT, aisfx.HOP, window=window, pad_mode="constant", return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    X = (aisfx.GAIN * (aisfx.mel_filters().clone() @ power)).log1p().mT / (
        math.log(10) * aisfx.SCALE
    )
    away = network(aisfx.blocks(X)).mean(0) - torch.from_numpy(ear.ORIGIN)
    return away / away.norm()


class Judged(TransferConfig):
    """The loss of `fast`, plus the distance to the style in the trained ear."""

    def view(self, transform: Transform) -> Callable[[Tensor], Tensor]:
        return lambda w: w

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Tensor], Losses]:
        seen = super().loss(
            transform, style=[transform(w) for w in style], content=transform(content)
        )
        network = ear.installed().network.requires_grad_(False)
        wanted = embed(network, style[0])

        def judged(w: Tensor) -> Losses:
            losses = seen(transform(w))
            distance = 1 - embed(network, w) @ wanted
            return Losses(
                style=losses.style + WEIGHT * distance,
                content=losses.content,
                terms={**losses.terms, "style ear": distance},
                bound=losses.bound,
            )

        return judged


def main() -> None:
    dataset, out = ESC50(os.environ["NST_ESC50"]), Path(sys.argv[1])
    fast = PRESETS["fast"].config.replace(domain="waveform", content_weight=0.05, steps=STEPS)
    judged = Judged(**fast.to_dict() | {"preset": "judged"})
    table = json.loads(TARGET.read_text("utf-8"))
    for name, config in (("without", fast), ("with", judged)):
        (out / name).mkdir(parents=True, exist_ok=True)
        found = list[dict[str, float]]()
        for style, content in pairs(dataset)[:N_PAIRS]:
            result = transfer(dataset[content], dataset[style], config)
            audio.write(out / name / f"{style}__{content}.wav", result.audio, sr=config.sr)
            print(name, style, content, result.scores, flush=True)
            found.append(result.scores.to_dict())
        for score in ("ear", "rhythm", "timbre"):
            table["optimised"].setdefault(name, {})[score] = np.mean([one[score] for one in found])
    TARGET.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
