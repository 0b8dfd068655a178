"""D. Ulyanov and V. Lebedev, "Audio texture synthesis and style transfer", 2016: blog and code.

The network is one random convolution over frames, whose input channels are the frequency bins. It
gives 4096 feature maps. The content term compares their values (first-order statistics), and the
style term compares their products (second-order statistics).
"""

from nst_lib.features import TransferConfig
from nst_lib.system import Preset

#: Settings of the code, which later systems took over.
CONFIG = TransferConfig(
    preset="ulyanov2016",
    n_fft=2048,
    hop_length=512,
    stacks=1,
    batch_norm=False,
    pooling="none",
    padding="valid",
    init="ulyanov2016",
    style_layers=("relu1",),
    content_layers=("relu1",),
    normalisation="sum",
    alpha=1e-2,
    beta=1.0,
    start="noise",
    start_std=1e-3,
    line_search="strong_wolfe",
    history=10,
    steps=322,
    n_iter=500,
    momentum=0.0,
)

PRESETS = (
    Preset(
        config=CONFIG,
        source=(
            "D. Ulyanov, V. Lebedev, Audio texture synthesis and style transfer, 2016; settings of "
            "the public TensorFlow code"
        ),
        about=(
            "One random layer of 4096 filters over 11 frames, for both content and style. Starts "
            "from noise; 300 iterations of L-BFGS (322 evaluations), 500 of Griffin-Lim."
        ),
        exact=(
            "STFT, network, draw of the weights, losses as sums of squares, content weight 0.01, "
            "noise as the start, numbers of iterations, Griffin-Lim without momentum."
        ),
        ours=(
            "Gram matrices are divided by the number of frames that valid padding leaves, as in "
            "the Torch and Lasagne code; the TensorFlow code divides by the number of frames "
            "before the convolution. The line search is PyTorch's; that of SciPy has other rules. "
            "Sounds of five seconds; the code used ten."
        ),
    ),
)
