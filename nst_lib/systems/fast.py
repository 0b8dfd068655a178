"""The first default preset: the best settings of our first search, see `benchmarks/front.md`."""

from nst_lib.features import TransferConfig
from nst_lib.system import Preset

CONFIG = TransferConfig(
    preset="fast",
    level="rms",
    level_target=-26.0,
    n_fft=2048,
    residual=True,
    scale=30.0,
    engine="infinite",
    stacks=2,
    kernel=5,
    layer_weights="balanced",
    content_layers=(),
    content_terms=("onset", "spectrogram"),
    content_weight=0.02,
    domain="hybrid",
    line_search="strong_wolfe",
    history=10,
    steps=160,
)

PRESETS = (
    Preset(
        config=CONFIG,
        source=(
            "ours: a search for the best timbre and rhythm over the study's pairs, "
            "benchmarks/front.py"
        ),
        about=(
            "The default before `shaped`, and that of textures. Two random stacks in the limit of "
            "infinite width, with balanced layers. The content terms compare onsets and "
            "spectrogram. 80 evaluations optimise the spectrogram, then 80 the sound itself. Takes "
            "seconds on a laptop."
        ),
        exact="The study's random weights, in the limit of infinite width.",
        ours="Everything else; it was found by a search over the study's five pairs.",
    ),
)
