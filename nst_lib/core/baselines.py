"""Baselines without a network: sounds made of the style, shaped by the content.

They are what any system of style transfer has to be better than, and they are sounds that an
optimisation can start from. Each is a function of the style, the content and the sampling rate. It
returns a sound as long as the content, at the level of the style. Nothing in them is random.
"""

from collections.abc import Callable

from nst_lib.core.bands import FloatArray
from nst_lib.core.driedger2015 import driedger2015
from nst_lib.core.mosaic import mosaic
from nst_lib.core.shaping import envelope, vocoder

#: Name of each baseline -> function ``f(style, content, sr=sr)`` of two waveforms ``(samples,)``.
BASELINES: dict[str, Callable[..., FloatArray]] = {
    "envelope": envelope,
    "vocoder": vocoder,
    "mosaic": mosaic,
    "driedger2015": driedger2015,
}
