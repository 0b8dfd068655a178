"""Neural style transfer of environmental sound.

A content recording and a style recording go in; a sound with the style's timbre and the content's
rhythm comes out. Start at :func:`nst_lib.transfer`.
"""

from nst_lib.config import TransferConfig
from nst_lib.datasets import ESC50, Synthetic
from nst_lib.network import RandomCNN
from nst_lib.transfer import transfer
from nst_lib.transforms import CQT, CWT, STFT

__version__ = "0.1.0"

__all__ = ["CQT", "CWT", "ESC50", "STFT", "RandomCNN", "Synthetic", "TransferConfig", "transfer"]
