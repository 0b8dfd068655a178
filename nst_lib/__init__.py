"""Neural style transfer of environmental sound.

A content recording and a style recording go in; a sound with the style's timbre and the content's
rhythm comes out. Start at :func:`nst_lib.transfer`.
"""

import nst_lib.systems  # noqa: F401 - enters the presets
from nst_lib.core.network import RandomCNN
from nst_lib.core.transforms import CQT, CWT, STFT
from nst_lib.features import TransferConfig
from nst_lib.pipeline import transfer
from nst_lib.sound.datasets import ESC50, Synthetic

__version__ = "0.1.0"

__all__ = ["CQT", "CWT", "ESC50", "STFT", "RandomCNN", "Synthetic", "TransferConfig", "transfer"]
