"""A convolutional network with random weights, which returns its feature maps.

Layout: spectrogram ``(..., freq, time)`` -> feature maps ``(..., channels, positions)``, or
``(..., channels, freq, time)`` for orientation "2d". The orientation says which axis is convolved:

- "freq": frequency bins are channels, the convolution runs along time (the study's choice);
- "time": frames are channels, the convolution runs along frequency;
- "2d": the spectrogram is an image of one channel.

The network follows D. Milacic (2020); orientations follow M. Huzaifah and L. Wyse (2020).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from nst_lib.base.validation import validate_choice
from nst_lib.core.convolution import CONVOLUTIONS, SpectralConv1d, UnfoldedConv1d, block_length

ORIENTATIONS = ("freq", "time", "2d")
POOLINGS = ("max", "average", "none")
#: "same" pads with zeros to as many positions as before, "valid" pads nothing.
PADDINGS = ("same", "valid")
#: Ways to draw the weights: from N(0, 1e-3) as in the study, from U(+-1/sqrt(fan_in)) as in
#: PyTorch, or from a normal distribution of variance 4 / (fan_in + fan_out) as in D. Ulyanov and V.
#: Lebedev (2016). The first two draw the biases from U(+-1/sqrt(fan_in)). This is PyTorch's
#: default, which the study's code does not change. The last sets the biases to 0.
INITS = ("milacic2020", "pytorch", "ulyanov2016")
STUDY_STD = 1e-3

_CONV = {1: nn.Conv1d, 2: nn.Conv2d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_POOL = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


def layer_names(*, stacks: int, batch_norm: bool = True) -> tuple[str, ...]:
    """Return the names of the feature maps in order: conv1, bn1, relu1, pool1, conv2, ..."""
    kinds = ("conv", "bn", "relu", "pool") if batch_norm else ("conv", "relu", "pool")
    return tuple(f"{kind}{stack}" for stack in range(1, stacks + 1) for kind in kinds)


def variances(init: str, *, fan: int, channels: int, taps: int) -> tuple[float, float]:
    """Return the variances of weights and biases that `init` draws.

    Parameters
    ----------
    init : str
        One of `INITS`.
    fan, channels : int > 0
        Numbers of input and output channels of the convolution.
    taps : int > 0
        Number of positions that one filter spans.
    """
    uniform = 1 / (3 * fan * taps)
    if init == "milacic2020":
        return STUDY_STD**2, uniform
    if init == "pytorch":
        return uniform, uniform
    return 4 / ((fan + channels) * taps), 0.0


def n_weights(
    *,
    fan: int,
    stacks: int,
    channels: int,
    kernel: int,
    dimensions: int,
    convolution: str = "direct",
) -> int:
    """Return how many numbers a network stores as weights.

    `fan` is the number of input channels of the first convolution. With convolution "fft", the
    spectra of the weights are stored, and they are counted instead.
    """
    taps: int = kernel**dimensions
    if convolution == "fft":
        taps = 2 * (block_length(kernel) // 2 + 1)
    return (fan + (stacks - 1) * channels) * channels * taps


class RandomCNN(nn.Module):
    """Stacks of convolution, batch norm, ReLU and pooling by 2, with fixed random weights.

    Batch norm runs in evaluation mode on its initial statistics, as in the study: it divides by
    sqrt(1 + 1e-5) and does nothing else.

    Parameters
    ----------
    n_freq, n_frames : int > 0
        Size of the spectrograms. Orientation "freq" accepts any number of frames, "time" any number
        of bins, and "2d" any size.
    orientation : {"freq", "time", "2d"}
        The axis that is convolved; see the module.
    stacks : int > 0
        Number of stacks.
    channels : int > 0
        Number of output channels of every convolution.
    kernel : int > 0, odd
        Length of the filters; for "2d", both their height and their width.
    padding : {"same", "valid"}
        Padding of the convolutions; see `PADDINGS`.
    pooling : {"max", "average", "none"}
        Pooling over 2 positions (2 x 2 for "2d").
    batch_norm : bool
        Whether each stack has a batch norm.
    init : {"milacic2020", "pytorch", "ulyanov2016"}
        How the weights are drawn; see `INITS`.
    convolution : {"direct", "fft"}
        "fft" is up to 3 times faster on a CPU and needs 3 times as much memory for the weights. It
        is available for orientations "freq" and "time".
    seed : int
        Seed of the random weights.

    Raises
    ------
    ValueError
        If a setting is not one of the above.
    """

    def __init__(
        self,
        *,
        n_freq: int = 513,
        n_frames: int = 862,
        orientation: str = "freq",
        stacks: int = 3,
        channels: int = 4096,
        kernel: int = 11,
        padding: str = "same",
        pooling: str = "max",
        batch_norm: bool = True,
        init: str = "milacic2020",
        convolution: str = "direct",
        seed: int = 0,
    ) -> None:
        super().__init__()
        _validate_choices(orientation, padding, pooling, init, convolution)
        _validate_counts(
            n_freq=n_freq, n_frames=n_frames, stacks=stacks, channels=channels, kernel=kernel
        )
        self.n_freq, self.n_frames = n_freq, n_frames
        self.orientation, self.channels = orientation, channels
        self.pooled = pooling != "none"
        self.shortest = 1 if padding == "same" else kernel
        self.layer_names = layer_names(stacks=stacks, batch_norm=batch_norm)
        dimensions = 2 if orientation == "2d" else 1
        fan = {"freq": n_freq, "time": n_frames, "2d": 1}[orientation]
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleDict()
        for stack in range(1, stacks + 1):
            kind = _CONV[dimensions] if stack > 1 or dimensions > 1 else UnfoldedConv1d
            around = kernel // 2 if padding == "same" else 0
            conv = skip_init(kind, fan, channels, kernel, padding=around)  # type: ignore[no-untyped-call]
            _draw(conv.weight, conv.bias, init, generator)
            self.layers[f"conv{stack}"] = SpectralConv1d(conv) if convolution == "fft" else conv
            self.layers.update(_after_convolution(stack, channels, dimensions, batch_norm, pooling))
            fan = channels
        self.eval().requires_grad_(False)

    def forward(self, S: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the named feature maps. Layers deeper than the deepest of them are not computed.

        Parameters
        ----------
        S : Tensor, shape=(..., freq, time)
            Spectrograms.
        layers : iterable of str or None
            Names from `layer_names`; None returns all feature maps.

        Returns
        -------
        dict of str to Tensor
            Shapes ``(..., channels, positions)``, or ``(..., channels, freq, time)`` for "2d".

        Raises
        ------
        ValueError
            If a name is unknown, if `S` does not have the network's size, or if it is too small for
            a convolution or a pooling.
        """
        wanted = set(self.layer_names if layers is None else layers)
        validate_layers(wanted, self.layer_names)
        x = self._arrange(S)
        maps: dict[str, Tensor] = {}
        for name in self.layer_names:
            if not wanted - maps.keys():
                break
            least = {"pool": 2 if self.pooled else 1, "conv": self.shortest}.get(name[:4], 1)
            if min(x.shape[2:]) < least:
                raise ValueError(
                    f"{name} needs {least} positions, but the spectrogram of shape "
                    f"{tuple(S.shape[-2:])} leaves only {min(x.shape[2:])}: use fewer stacks or a "
                    "larger spectrogram"
                )
            x = self.layers[name](x)
            if name in wanted:
                maps[name] = x.reshape(*S.shape[:-2], *x.shape[1:])
        return maps

    def _arrange(self, S: Tensor) -> Tensor:
        """Return `S` with the shape (batch, channels, positions...)."""
        n_freq, n_frames = S.shape[-2:]
        if self.orientation == "freq" and n_freq != self.n_freq:
            raise ValueError(
                f"spectrogram of {n_freq} bins, but the network was built for {self.n_freq}: the "
                f"bins are its channels; accepted: {self.n_freq} bins"
            )
        if self.orientation == "time" and n_frames != self.n_frames:
            raise ValueError(
                f"spectrogram of {n_frames} frames, but the network was built for {self.n_frames}: "
                "the frames are its channels; use sounds of one duration or another orientation"
            )
        x = S.reshape(-1, n_freq, n_frames)
        if self.orientation == "2d":
            return x.unsqueeze(1)
        return x if self.orientation == "freq" else x.transpose(1, 2)


def validate_layers(names: Iterable[str], known: Sequence[str]) -> None:
    """Raise ValueError unless every name is a known layer."""
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"unknown layer {', '.join(unknown)}; accepted: {', '.join(known)}")


def _after_convolution(
    stack: int, channels: int, dimensions: int, batch_norm: bool, pooling: str
) -> dict[str, nn.Module]:
    """Return the layers of a stack that follow its convolution, by name."""
    layers: dict[str, nn.Module] = {}
    if batch_norm:
        layers[f"bn{stack}"] = _NORM[dimensions](channels)
    layers[f"relu{stack}"] = nn.ReLU()
    layers[f"pool{stack}"] = nn.Identity() if pooling == "none" else _POOL[pooling, dimensions](2)
    return layers


@torch.no_grad()
def _draw(weight: Tensor, bias: Tensor, init: str, generator: torch.Generator) -> None:
    """Fill the weights and then the biases of a convolution, in place."""
    channels, fan, *size = weight.shape
    variance, _ = variances(init, fan=fan, channels=channels, taps=math.prod(size))
    bound = 1 / math.sqrt(weight[0].numel())
    if init == "pytorch":
        weight.uniform_(-bound, bound, generator=generator)
    else:
        weight.normal_(0, math.sqrt(variance), generator=generator)
    if init == "ulyanov2016":
        bias.zero_()
    else:
        bias.uniform_(-bound, bound, generator=generator)


def _validate_choices(
    orientation: str, padding: str, pooling: str, init: str, convolution: str
) -> None:
    validate_choice(
        orientation=(orientation, ORIENTATIONS),
        padding=(padding, PADDINGS),
        pooling=(pooling, POOLINGS),
        init=(init, INITS),
        convolution=(convolution, CONVOLUTIONS),
    )
    if convolution == "fft" and orientation == "2d":
        raise ValueError(
            "convolution 'fft' is not available for orientation '2d'; accepted: direct"
        )


def _validate_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} {value!r}; accepted: 1 or more")
    if counts["kernel"] % 2 == 0:
        raise ValueError(f"kernel {counts['kernel']!r}; accepted: odd numbers")
