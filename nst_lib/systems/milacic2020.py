"""D. Milacic, Neural Style Transfer of Environmental Audio Spectrograms, 2020: the study.

Two spectrograms (STFT, CQT) with two poolings (max, average), over five pairs of recordings; the
settings are those of its public code, which are the defaults of :class:`nst_lib.TransferConfig`.
"""

from nst_lib.features import TransferConfig
from nst_lib.system import Preset

PRESETS = (
    Preset(
        config=TransferConfig(preset="milacic2020"),
        source=(
            "D. Milacic, Neural Style Transfer of Environmental Audio Spectrograms, 2020; "
            "settings of its public code"
        ),
        about=(
            "Three random stacks of 4096 channels over frequency bins; style from relu1 and relu2, "
            "content from relu3 (inert at these weights: the content survives as the start), 500 "
            "evaluations of L-BFGS without line search, fast Griffin-Lim. The study crosses "
            "transform (stft, cqt) with pooling (max, average)."
        ),
        exact="Every setting is that of the published code.",
        ours="The best evaluation is kept, where the code keeps the last iterate, unevaluated.",
    ),
)
