"""Inspired by J. Chen, G. Yang, H. Zhao and M. Ramasamy, 2020.

"Audio style transfer using shallow convolutional networks and random filters", Multimedia Tools and
Applications 79. Inspired by it, no more: the shallow random network of Ulyanov and Lebedev on
spectrograms of the continuous wavelet transform, inverted by Griffin-Lim, is what its abstract and
the study say of it. Its wavelet, scales, filters and numbers of iterations are unpublished.
"""

from nst_lib.system import Preset
from nst_lib.systems import ulyanov2016

PRESETS = (
    Preset(
        config=ulyanov2016.CONFIG.replace(
            preset="chen2020",
            transform="cwt",
            hop_length=128,
            n_bins=384,
            bins_per_octave=48,
            residual=True,
            scale=30.0,
        ),
        source=(
            "inspired by J. Chen, G. Yang, H. Zhao, M. Ramasamy, Audio style transfer using "
            "shallow convolutional networks and random filters, 2020"
        ),
        about=(
            "Inspired by the paper, whose wavelet is unpublished: one random layer of 4096 filters "
            "on a wavelet spectrogram, otherwise as ulyanov2016."
        ),
        exact="A shallow random network on a CWT, and an iterative Griffin-Lim.",
        ours=(
            "The wavelet (complex Morlet, 48 voices an octave, residual bands below and above), "
            "its compression, and everything else, for which ulyanov2016 stands in."
        ),
    ),
)
