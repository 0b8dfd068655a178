"""L. A. Gatys, A. S. Ecker, M. Bethge, Image style transfer using CNNs, CVPR 2016, on spectrograms.

The spectrogram S becomes an image with three equal channels, S / 7, because log(1 + magnitude) lies
between about 0 and 7. The ImageNet mean is subtracted, and the result is divided by the ImageNet
standard deviation, as PyTorch's VGG-19 was trained. ``convX_Y`` is the rectified map, as in the
paper's Caffe model. Pooling drops an odd last row, as in PyTorch; Caffe keeps it.

The paper rescales the network so that the mean activation of every filter over images and positions
is 1. It uses the images of ImageNet; we use the recordings of the transfer. A filter that they
hardly use then weighs as much as any other, and more on noise. A mean activation below a hundredth
of the mean over the filters of the layer is raised to that value before the division, because
otherwise the optimisation would diverge. ReLU and pooling pass a positive factor on. The next
convolution undoes it, so deeper filters compute the same as before.
"""

import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from nst_lib.base.threads import MOST
from nst_lib.base.validation import setting, validate_choice
from nst_lib.config import ConfigError
from nst_lib.core import tensors
from nst_lib.core.network import validate_layers
from nst_lib.features import FeatureTransfer
from nst_lib.system import Preset

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}
#: Number of convolutions in each block, and number of their channels.
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
LAYERS = tuple(
    name
    for block, (count, _) in enumerate(BLOCKS, 1)
    for name in (*(f"conv{block}_{i}" for i in range(1, count + 1)), f"pool{block}")
)
CONVOLUTIONS = tuple(name for name in LAYERS if name.startswith("conv"))
#: The network sees (S / CEILING - MEAN) / STD of a spectrogram S.
CEILING, MEAN, STD = 7.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: The smallest mean activation that is scaled to 1, as a share of the mean over the filters of a
#: layer.
LEAST = 1e-2


def _channels() -> dict[str, tuple[str, int, int]]:
    """Return the name in PyTorch, the channels and the input channels of each convolution."""
    found, number, fan = {}, 0, 3
    for name in LAYERS:
        if name in CONVOLUTIONS:
            _, channels = BLOCKS[int(name[4]) - 1]
            found[name] = f"features.{number}", channels, fan
            fan = channels
        number += 2 if name in CONVOLUTIONS else 1  # PyTorch numbers each ReLU too
    return found


CHANNELS = _channels()
_NEXT = dict(pairwise(CONVOLUTIONS))
#: Shapes of all weights and biases, by their names in PyTorch.
SHAPES = {
    f"{key}.{part}": shape
    for key, channels, fan in CHANNELS.values()
    for part, shape in (("weight", (channels, fan, 3, 3)), ("bias", (channels,)))
}


class VGG19(nn.Module):
    """The convolutional part of VGG-19, which returns its feature maps.

    Parameters
    ----------
    state : dict of str to Tensor
        Weights and biases under PyTorch's names; see :func:`read_weights`.
    pooling : {"average", "max"}
        Pooling over 2 x 2 positions.

    Raises
    ------
    ValueError
        If the pooling is unknown.
    """

    #: Number of the last axes of an input that are an image.
    axes = 2
    mean: Tensor
    std: Tensor

    def __init__(self, state: dict[str, Tensor], *, pooling: str = "average") -> None:
        super().__init__()
        validate_choice(pooling=(pooling, tuple(POOLINGS)))
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
        self.layers = nn.ModuleDict()
        for name in LAYERS:
            if name not in CHANNELS:
                self.layers[name] = POOLINGS[pooling](2)
                continue
            key, channels, fan = CHANNELS[name]
            conv = skip_init(nn.Conv2d, fan, channels, 3, padding=1)  # type: ignore[no-untyped-call]
            conv.load_state_dict({part: state[f"{key}.{part}"] for part in ("weight", "bias")})
            self.layers[name] = conv
        self.eval().requires_grad_(False)

    def forward(self, S: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the named feature maps. Layers deeper than the deepest of them are not computed.

        Parameters
        ----------
        S : Tensor, shape=(..., freq, time)
            Spectrograms: log(1 + magnitude).
        layers : iterable of str or None
            Names from `LAYERS`; None returns all feature maps.

        Returns
        -------
        dict of str to Tensor
            Shapes ``(..., channels, freq, time)``.

        Raises
        ------
        ValueError
            If a name is unknown, or if `S` is too small for a pooling.
        """
        wanted = set(LAYERS if layers is None else layers)
        x, maps = self._image(S), {}
        for name in _up_to(wanted):
            x = self._step(name, x)
            if name in wanted:
                maps[name] = x.reshape(*S.shape[: -self.axes], *x.shape[1:])
        return maps

    @torch.no_grad()
    def rescale(self, spectrograms: Sequence[Tensor], layers: Iterable[str]) -> None:
        """Scale each filter so that its mean activation over `spectrograms` is 1.

        Filters are scaled up to the deepest of `layers`. A mean activation below `LEAST` counts as
        `LEAST`. Deeper filters compute the same as before.
        """
        maps = [self._image(S) for S in spectrograms]
        for name in _up_to(layers):
            maps = [self._step(name, x) for x in maps]
            if name in CONVOLUTIONS:
                total = torch.stack([x.sum((0, 2, 3)) for x in maps]).sum(0)
                mean = total / sum(x[:, 0].numel() for x in maps)
                mean = mean.clamp_min(LEAST * mean.mean())
                mean[mean == 0] = 1
                self._divide(name, mean)
                maps = [x / mean[:, None, None] for x in maps]

    def _divide(self, name: str, divisor: Tensor) -> None:
        """Divide filters by positive numbers, and let the next convolution undo this."""
        conv: Any = self.layers[name]
        conv.weight /= divisor[:, None, None, None]
        conv.bias /= divisor
        if name in _NEXT:
            following: Any = self.layers[_NEXT[name]]
            following.weight *= divisor[:, None, None]

    def _image(self, S: Tensor) -> Tensor:
        """Return `S` as a batch of normalised images, ``(batch, 3, freq, time)``."""
        return (S.reshape(-1, 1, *S.shape[-2:]) / CEILING - self.mean) / self.std

    def _step(self, name: str, x: Tensor) -> Tensor:
        """Return the feature map `name`, computed from the one before it."""
        if name in CONVOLUTIONS:
            return torch.relu(self.layers[name](x))
        if min(x.shape[2:]) < 2:
            raise ValueError(
                f"{name} needs 2 positions, but the spectrogram leaves only {min(x.shape[2:])}: "
                "use layers before it or a larger spectrogram"
            )
        pooled: Tensor = self.layers[name](x)
        return pooled


class ColourVGG19(VGG19):
    """The same network for images in colour, shape ``(..., 3, height, width)``, from 0 to 1."""

    axes = 3

    def _image(self, S: Tensor) -> Tensor:
        """Return a batch of normalised images, ``(batch, 3, height, width)``."""
        return (S.reshape(-1, *S.shape[-3:]) - self.mean) / self.std


def _up_to(names: Iterable[str]) -> tuple[str, ...]:
    """Return the layers up to the deepest of `names`."""
    names = set(names)
    validate_layers(names, LAYERS)
    return LAYERS[: max((LAYERS.index(name) + 1 for name in names), default=0)]


def draw_weights(seed: int = 0) -> dict[str, Tensor]:
    """Return random weights with the shapes of VGG-19's, for use without a download.

    K. He et al., "Delving deep into rectifiers", ICCV 2015, equation 10: variance 2 / fan_in.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.zeros(shape)
        if len(shape) == 1
        else torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))
        for name, shape in SHAPES.items()
    }


def read_weights(weights: str | None = None) -> dict[str, Tensor]:
    """Return the weights and biases of VGG-19's convolutions from a state dict.

    Parameters
    ----------
    weights : str or None
        A file, or a URL that is fetched into PyTorch's cache (``torch.hub.get_dir()``). If the name
        in a URL ends in a hash, such as ``-dcbb9e9d.pth``, the SHA-256 of the file must begin with
        it. None is `URL`.

    Returns
    -------
    dict of str to Tensor
        "features.0.weight", "features.0.bias", "features.2.weight" and so on, as PyTorch names
        them. Other entries of the file are left out.

    Raises
    ------
    ConfigError
        If the file does not exist, cannot be fetched, or is not a state dict of VGG-19.
    """
    source = URL if weights is None else weights
    given = f"weights={source!r}"
    if "://" in source:
        path = _fetch(source)
        given += f" ({path})"
    else:
        path = Path(os.path.expanduser(source))
    try:
        state = tensors.read(path)
    except ValueError as error:
        raise _refusal(given, str(error)) from error
    if not isinstance(state, dict):
        raise _refusal(given, f"holds a {type(state).__name__}, not a state dict")
    for name, shape in SHAPES.items():
        if name not in state:
            raise _refusal(given, f"has no {name}")
        value = state[name]
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise _refusal(given, f"{name} is not a tensor of floating-point numbers")
        if value.shape != shape:
            raise _refusal(given, f"{name} has shape {tuple(value.shape)} instead of {shape}")
        if not value.isfinite().all():
            raise _refusal(given, f"{name} is not finite")
    return {name: state[name] for name in SHAPES}


def _fetch(url: str) -> Path:
    """Return the path of the file at `url` in PyTorch's cache. Fetch it if it is not there."""
    name = Path(urlsplit(url).path).name
    hashed = re.search(r"-([0-9a-f]{8,})\.", name)
    if hashed is None:  # another URL may have a file of this name
        name = f"{sha256(url.encode()).hexdigest()[:8]}-{name}"
    path = Path(torch.hub.get_dir(), "checkpoints", name)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            prefix = hashed and hashed[1]
            torch.hub.download_url_to_file(url, str(path), prefix, progress=sys.stderr.isatty())
        except (OSError, RuntimeError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _refusal(f"weights={url!r}", f"cannot be fetched ({reason})") from error
    return path


def _refusal(given: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{given}: {reason}; accepted: a file or URL of a state dict of PyTorch's VGG-19, random, "
        "or null"
    )


class Gatys2016(FeatureTransfer):
    """A transfer that compares the features of VGG-19."""

    replaceable = {  # noqa: RUF012
        **FeatureTransfer.replaceable,
        "network": ("weights", "rescale", "pooling", "style_layers", "content_layers"),
    }

    weights: str | None = setting(
        None,
        "state dict of VGG-19, a file or a URL; null: PyTorch's, 548 MB; random: random weights",
    )
    rescale: bool = setting(
        True, "whether each filter's mean activation over the recordings is brought to 1"
    )
    pooling: str = setting("average", "pooling by 2 x 2 after each block", choices=tuple(POOLINGS))
    style_layers: tuple[str, ...] = setting(
        ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
        "feature maps of the style loss",
        words="names of feature maps",
    )
    content_layers: tuple[str, ...] = setting(
        ("conv4_2",), "feature maps of the content loss", words="names of feature maps"
    )

    @property
    def n_threads(self) -> int:
        """Number of threads that PyTorch computes on: all, because VGG-19 has large products."""
        return MOST

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the network's feature maps."""
        return LAYERS

    def files(self) -> dict[str, Path]:
        """Return the file of weights if the setting names one; the cache does not count."""
        if self.weights is None or self.weights == "random" or "://" in self.weights:
            return {}
        return {"weights": Path(os.path.expanduser(self.weights))}

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights and biases of the convolutions."""
        return sum(math.prod(shape) for shape in SHAPES.values())

    def network(self, *, n_freq: int, n_frames: int) -> VGG19:
        """Return VGG-19 with trained or random weights."""
        drawn = self.weights == "random"
        state = draw_weights(self.seed) if drawn else read_weights(self.weights)
        return VGG19(state, pooling=self.pooling)

    def prepare(
        self, network: nn.Module, style: Sequence[Tensor], content: Tensor | None
    ) -> nn.Module:
        """Return the network with its filters rescaled to the recordings."""
        if self.rescale and "network" not in self.parts:
            vgg: Any = network
            sounds = [*style] if content is None else [*style, content]
            vgg.rescale(sounds, {*self.style_layers, *self.content_layers})
        return network


PRESETS = (
    Preset(
        config=Gatys2016(
            preset="gatys2016",
            hop_length=256,
            alpha=1e-3,
            beta=0.2,
            normalisation="gatys",
            start="noise",
            line_search="strong_wolfe",
            steps=300,
        ),
        source=(
            "L. A. Gatys, A. S. Ecker, M. Bethge, Image Style Transfer Using Convolutional Neural "
            "Networks, CVPR 2016"
        ),
        about=(
            "The original style transfer of images, on a spectrogram as an image. It compares "
            "features of VGG-19, trained on photographs: style from five layers, content from "
            "conv4_2. Starts from white noise. Downloads 548 MB of weights once, or reads a file; "
            "weights=random needs no download."
        ),
        exact=(
            "VGG-19 with average pooling; content conv4_2; style conv1_1 to conv5_1 with weights "
            "1/5 (beta is 1 times 1/5); the losses with their factors; alpha / beta = 1e-3, one of "
            "the paper's ratios; filters rescaled to a mean activation of 1; white noise; L-BFGS."
        ),
        ours=(
            "The spectrogram (n_fft 1024, hop 256) and its scale as an image; the weights of "
            "VGG-19 that PyTorch trained, not the authors'; the mean activation over the "
            "recordings, not over ImageNet, and at least a hundredth of the layer's; noise with "
            "the style's mean and spread; strong Wolfe line search, 300 evaluations; Griffin-Lim."
        ),
    ),
)
