"""The default preset: pieces of the style in the content's order, shaped by gains.

A Gram loss says how a sound is distributed, and not what it is made of. Samples that are optimised
from the content or from noise therefore reach the style's statistics with sound that a trained ear
does not recognise (`benchmarks/front.md`). This preset starts from the mosaic
(:mod:`nst_lib.core.mosaic`), which is made of the style, and only optimises how loud each band of
it is over time (:mod:`nst_lib.core.gains`). The loss is that of the preset ``fast``.
"""

from nst_lib.features import TransferConfig
from nst_lib.system import Preset
from nst_lib.systems import fast

CONFIG = TransferConfig(
    **{
        **fast.CONFIG.to_dict(),
        "preset": "shaped",
        "start": "mosaic",
        "domain": "gains",
        "content_terms": ("onset",),
        "content_weight": 0.1,
        "steps": 40,
        "sr": None,
        "duration": None,
        "mono": False,
        "style_duration": 20.0,
    }
)

PRESETS = (
    Preset(
        config=CONFIG,
        source=(
            "ours: a search for the best rhythm and the best recognition of the style, "
            "benchmarks/front.py"
        ),
        about=(
            "The default. It starts from pieces of the style, in an order that follows the "
            "content. 40 evaluations then optimise how loud each band is over time, so that the "
            "sound stays made of the style. The loss is that of `fast`, with onsets as the only "
            "content term. Takes seconds on a laptop."
        ),
        exact="The study's random weights, in the limit of infinite width.",
        ours="Everything else; it was found by a search over twenty pairs of ESC-50.",
    ),
)
