"""A system inspired by J. Chen, G. Yang, H. Zhao and M. Ramasamy, 2020.

"Audio style transfer using shallow convolutional networks and random filters", Multimedia Tools and
Applications 79. The system is only inspired by this paper. Its abstract and the study describe a
shallow random network, as in Ulyanov and Lebedev, on spectrograms of the continuous wavelet
transform, inverted by Griffin-Lim. Its wavelet, scales, filters and numbers of iterations are
unpublished.
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
            "Inspired by the paper, whose wavelet is unpublished. One random layer of 4096 filters "
            "sees a wavelet spectrogram. All else is as in ulyanov2016."
        ),
        exact="A shallow random network on a CWT, and the iterative Griffin-Lim.",
        ours=(
            "The wavelet (complex Morlet, 48 voices per octave, residual bands below and above) "
            "and its compression. Everything else is taken from ulyanov2016."
        ),
    ),
)
