"""D. Milacic, Neural Style Transfer of Environmental Audio Spectrograms, 2020: the study.

The study crosses two spectrograms (STFT, CQT) with two poolings (max, average), over five pairs of
recordings. The settings are those of its public code. They are also the defaults of
:class:`nst_lib.TransferConfig`.
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
            "Three random stacks of 4096 channels; frequency bins are the input channels. Style "
            "from relu1 and relu2, content from relu3. At these weights the content loss has no "
            "effect, and the content survives because it is the start. 500 evaluations of L-BFGS "
            "without line search, then fast Griffin-Lim. The study crosses transform (stft, cqt) "
            "with pooling (max, average)."
        ),
        exact="Every setting is that of the published code.",
        ours="The best evaluation is kept. The code keeps the last iterate, without evaluating it.",
    ),
)
