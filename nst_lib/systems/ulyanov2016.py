"""D. Ulyanov and V. Lebedev, "Audio texture synthesis and style transfer", 2016: blog and code.

One random convolution over frames, frequency bins as its channels, and no depth: of its 4096
feature maps the content term compares values, first-order statistics, and the style term
products, second-order ones.
"""

from nst_lib.features import TransferConfig
from nst_lib.system import Preset

#: Settings of the code, which others of its time took over.
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
            "One random layer of 4096 filters over 11 frames, its own content and style; from "
            "noise, 300 iterations of L-BFGS (322 evaluations), 500 of Griffin-Lim."
        ),
        exact=(
            "STFT, network, draw of the weights, losses as sums of squares, content weight 0.01, "
            "noise to start from, numbers of iterations, Griffin-Lim without momentum."
        ),
        ours=(
            "Gram matrices are divided by the number of frames that valid padding leaves, as in "
            "the Torch and Lasagne code; TensorFlow's divides by the frames before it. The line "
            "search is PyTorch's, SciPy's has other rules. Five seconds, where the code took ten."
        ),
    ),
)
