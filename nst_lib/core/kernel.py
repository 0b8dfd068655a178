"""The random network in the limit of infinitely many channels: exact kernels instead of weights.

A Gram loss over random features is a distance between kernels. As the number of channels C goes to
infinity,

    (1/C^2) ||G_s - G_x||^2  ->  mean(K_ss^2) - 2 mean(K_sx^2) + mean(K_xx^2),

where K_ab[t, t'] = E[relu(h_t(a)) relu(h_t'(b))] is a matrix over the positions of the sounds a and
b. It is computed layer by layer, without weights (R. M. Neal 1996; Y. Cho and L. K. Saul, "Kernel
Methods for Deep Learning", NIPS 2009, equation 4; R. Novak et al., ICLR 2019, for convolutions):

    conv   Q[t, t'] = v sum_d P[t + d, t' + d] + b       along the diagonals; P is 0 outside
    ReLU   K = sqrt(q q') (sin u + (pi - u) cos u) / (2 pi),  cos u = Q / sqrt(q q')
    pool   the mean over 2 x 2 blocks (average pooling), or the moments of maxima (max pooling)

In the first layer P is A^T B, the product over its input channels; in later layers P is the pooled
K. q and q' are the variances: q is the diagonal of a sound's own Q. v is the variance of the
weights times the number of input channels, and b is the variance of the biases. The limit takes
weights and biases as Gaussian; the study's biases are uniform, with the same variance. A content
term is the mean over positions of K_cc[t, t] - 2 K_cx[t, t] + K_xx[t, t].

Positions are frames (orientation "freq"), bins ("time") or both ("2d"; then the convolution sums
along the diagonals of time and along those of frequency). The moments are computed in
:mod:`nst_lib.core.moments`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice
from nst_lib.core.losses import NORMALISATIONS, Distances, content_scale, several, style_scale
from nst_lib.core.moments import LEAST_VARIANCE, Pairs, arc_cosine, max_pooled
from nst_lib.core.network import ORIENTATIONS, PADDINGS, POOLINGS, validate_layers, variances

#: Batch norm in evaluation mode divides features by sqrt(1 + 1e-5), and so kernels by 1 + 1e-5.
_BATCH_NORM = 1 + 1e-5
#: The largest number of positions of a sound. At this size one kernel takes 0.27 GB, and a loss
#: holds a few dozen kernels.
MAX_POSITIONS = 8192


class InfiniteCNN(nn.Module):
    """The limit of :class:`nst_lib.RandomCNN` as its number of channels goes to infinity.

    Parameters
    ----------
    n_freq, n_frames : int > 0
        Size of the spectrograms; see :class:`nst_lib.RandomCNN`.
    channels : int > 0
        Number of channels of the finite network that the limit stands for. It sets the
        variances of weights and biases after the first layer (with init "ulyanov2016" also in the
        first layer), and the factors C of the losses.
    orientation, stacks, kernel, padding, batch_norm, init
        As for :class:`nst_lib.RandomCNN`.
    pooling : {"max", "average", "none"}
        "max" is available for orientations "freq" and "time".

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
        pooling: str = "average",
        batch_norm: bool = True,
        init: str = "milacic2020",
    ) -> None:
        super().__init__()
        validate_choice(
            orientation=(orientation, ORIENTATIONS),
            padding=(padding, PADDINGS),
            pooling=(pooling, POOLINGS),
        )
        if orientation == "2d" and pooling == "max":
            raise ValueError(
                "pooling 'max' has no closed form for orientation '2d' in the limit of infinite "
                "width: use pooling 'average' or 'none', or the finite engine"
            )
        self.channels = channels
        self.orientation = orientation
        self.pooling = pooling
        self.radius = kernel // 2
        self.edge = 0 if padding == "same" else self.radius
        self.relus = tuple(f"relu{stack}" for stack in range(1, stacks + 1))
        self.divisor = _BATCH_NORM if batch_norm else 1.0
        self.variances: list[tuple[float, float]] = []
        first = {"freq": n_freq, "time": n_frames, "2d": 1}[orientation]
        taps = kernel ** (2 if orientation == "2d" else 1)
        for stack in range(stacks):
            fan = channels if stack else first
            weight, bias = variances(init, fan=fan, channels=channels, taps=taps)
            self.variances.append((weight * (channels if stack else 1), bias))

    def distances(self, **arguments: Any) -> "KernelDistances":
        """Return :class:`KernelDistances` in this network; it takes the arguments."""
        return KernelDistances(self, **arguments)

    def arrange(self, S: Tensor) -> Tensor:
        """Return a spectrogram ``(freq, time)`` with the shape ``(channels, positions...)``.

        Raises
        ------
        ValueError
            If there are more than `MAX_POSITIONS` positions.
        """
        x = {"freq": S, "time": S.mT, "2d": S[None]}[self.orientation]
        positions = math.prod(x.shape[1:])
        if positions > MAX_POSITIONS:
            raise ValueError(
                f"{positions} positions for an infinitely wide network of orientation "
                f"{self.orientation!r}, which stores matrices of positions by positions; accepted: "
                f"{MAX_POSITIONS} or fewer (use shorter sounds, a longer hop, fewer bins, the "
                "preset shaped, or the finite engine)"
            )
        return x

    def multiply(self, x: Tensor, other: Tensor | None) -> Tensor:
        """Return P of the first layer, shape ``(positions..., positions...)``.

        Rows are the positions of `other`, or those of `x` itself if `other` is None. Columns are
        the positions of `x`.

        Raises
        ------
        ValueError
            If `other` does not have as many channels as `x`.
        """
        flat = x.flatten(1)
        if other is None:
            own: Tensor = _OwnProduct.apply(flat)  # type: ignore[no-untyped-call]
            return own.view(*x.shape[1:], *x.shape[1:])
        if len(other) != len(x):
            axis = "frames" if self.orientation == "time" else "bins"
            raise ValueError(
                f"sounds of {len(other)} and {len(x)} {axis}, which are the network's channels: "
                f"use sounds with the same number of {axis}"
            )
        return (other.flatten(1).mT @ flat).view(*other.shape[1:], *x.shape[1:])

    def convolve(self, P: Tensor, stack: int) -> Tensor:
        """Return Q of a stack from P, the kernel of its input. Stacks are counted from 0."""
        weight, bias = self.variances[stack]
        axes = P.ndim // 2
        for axis in range(axes):
            P = _DiagonalSum.apply(P, self.radius, axis, axis + axes)  # type: ignore[no-untyped-call]
        for axis in range(P.ndim if self.edge else 0):
            left = P.shape[axis] - 2 * self.edge
            if left < 1:
                raise ValueError(
                    f"the filters span {2 * self.radius + 1} positions, but the spectrogram leaves "
                    f"only {P.shape[axis]}: use fewer stacks or a larger spectrogram"
                )
            P = P.narrow(axis, self.edge, left)
        return (P * (weight / self.divisor)).add_(bias / self.divisor)

    def forward(self, S: Tensor, *others: "Sound", depth: int) -> list["Layer"]:
        """Return the kernels of a spectrogram with itself and with other sounds, by layer.

        Parameters
        ----------
        S : Tensor, shape=(freq, time)
            The spectrogram of the sound x.
        others : Sound
            The sounds a for which K_ax is returned. Their marginals must reach at least as deep.
        depth : int > 0
            Number of stacks to compute.

        Returns
        -------
        list of Layer
            One :class:`Layer` for each ReLU.

        Raises
        ------
        ValueError
            If the spectrogram does not fit the network, or is too small for a convolution or a
            pooling.
        """
        x = self.arrange(S)
        P = [self.multiply(x, None), *(self.multiply(x, other.x) for other in others)]
        layers: list[Layer] = []
        for stack in range(depth):
            Q = [self.convolve(kernel, stack) for kernel in P]
            pool = stack < depth - 1
            own = Marginals.of(Q[0], pairs=pool and self.pooling == "max")
            marginals = [own, *(other.marginals[stack] for other in others)]
            K = [
                arc_cosine(_matrix(Q_ax), a.q, own.q).view_as(Q_ax)
                for Q_ax, a in zip(Q, marginals, strict=True)
            ]
            layers.append(Layer(marginals=own, own=K[0], cross=K[1:]))
            if pool:
                P = [self.pool(*kernels, own) for kernels in zip(Q, K, marginals, strict=True)]
        return layers

    def pool(self, Q: Tensor, K: Tensor, a: "Marginals", x: "Marginals") -> Tensor:
        """Return the kernel of the sounds a and x after the pooling."""
        if self.pooling == "none":
            return K
        if min(K.shape) < 2:
            raise ValueError(
                f"pooling needs 2 positions, but the spectrogram leaves only {min(K.shape)}: use "
                "fewer stacks or a larger spectrogram"
            )
        if a.pairs is not None and x.pairs is not None:
            return max_pooled(Q, a.pairs, x.pairs)
        return average_pooled(K)


@dataclass(frozen=True)
class Marginals:
    """The quantities in a layer that depend on one sound alone.

    Attributes
    ----------
    q : Tensor, shape=(positions,)
        The variances: the diagonal of the sound's own Q.
    pairs : Pairs or None
        Moments of neighbouring positions if max pooling follows, else None.
    """

    q: Tensor
    pairs: Pairs | None

    @classmethod
    def of(cls, Q: Tensor, *, pairs: bool) -> "Marginals":
        """Return the marginals of a sound from its own Q ``(positions..., positions...)``."""
        Q = _matrix(Q)
        return cls(q=Q.diagonal().clamp_min(LEAST_VARIANCE), pairs=Pairs.of(Q) if pairs else None)


@dataclass(frozen=True)
class Layer:
    """The kernels after one ReLU for a sound x.

    Attributes
    ----------
    marginals : Marginals
        The marginals of Q_xx.
    own : Tensor, shape=(positions..., positions...)
        K_xx.
    cross : list of Tensor, shape=(positions of a..., positions of x...)
        K_ax for each other sound a.
    """

    marginals: Marginals
    own: Tensor
    cross: list[Tensor]


@dataclass(frozen=True)
class Sound:
    """A fixed sound: its spectrogram ``(channels, positions...)`` and its marginals by layer."""

    x: Tensor
    marginals: list[Marginals]


class KernelDistances(nn.Module):
    """:class:`nst_lib.core.losses.GramDistances` in the limit of infinite width.

    It takes the same arguments. Style and content layers must be rectified maps (relu1, relu2,
    ...), as they are in the study. C in the normalisations is the setting `channels` of the
    network.
    """

    def __init__(
        self,
        network: InfiniteCNN,
        *,
        style: Tensor | Sequence[Tensor],
        content: Tensor | None,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        normalisation: str = "code",
    ) -> None:
        super().__init__()
        validate_choice(normalisation=(normalisation, NORMALISATIONS))
        for names in (style_layers, content_layers):
            validate_layers(names, network.relus)
        self.network = network
        self.style_stacks = sorted(network.relus.index(name) for name in style_layers)
        self.content_stacks = sorted(network.relus.index(name) for name in content_layers)
        if content is None:
            self.content_stacks = []
        self.depth = 1 + max([*self.style_stacks, *self.content_stacks], default=0)
        self.sounds: list[Sound] = []
        with torch.no_grad():
            self._fix_styles(several(style), normalisation)
            self._fix_content(content, normalisation)

    def _fix_styles(self, styles: list[Tensor], normalisation: str) -> None:
        """Store the styles, the mean square of their kernels, and the factors of their terms."""
        channels = self.network.channels
        self.n_styles = len(styles)
        layers = [self._fix(S, *self.sounds) for S in styles]
        self.style_energy = [
            sum(_mean_square(x.own) + 2 * sum(map(_mean_square, x.cross)) for x in stack)
            / len(styles) ** 2
            for stack in zip(*layers, strict=True)
        ]
        self.style_scales: dict[int, float] = {}
        for stack in self.style_stacks:
            scale = style_scale(
                normalisation,
                channels=channels,
                positions=len(layers[0][stack].marginals.q),
                energy=channels**2 * float(self.style_energy[stack]),
            )
            self.style_scales[stack] = channels**2 * scale

    def _fix_content(self, content: Tensor | None, normalisation: str) -> None:
        """Store the content, the diagonals of its kernels, and the factors of its terms."""
        channels = self.network.channels
        self.content_energy: list[Tensor] = []
        if content is not None and self.content_stacks:
            self.content_energy = [_diagonal(layer.own) for layer in self._fix(content)]
        self.content_scales: dict[int, float] = {}
        for stack in self.content_stacks:
            energy = self.content_energy[stack]
            scale = content_scale(
                normalisation,
                channels=channels,
                positions=len(energy),
                energy=channels * float(energy.sum()),
            )
            self.content_scales[stack] = channels * len(energy) * scale

    def _fix(self, S: Tensor, *others: Sound) -> list[Layer]:
        """Add a sound to `sounds`, and return its kernels with itself and with others."""
        layers: list[Layer] = self.network(S, *others, depth=self.depth)
        marginals = [layer.marginals for layer in layers]
        self.sounds.append(Sound(x=self.network.arrange(S).clone(), marginals=marginals))
        return layers

    def forward(self, S: Tensor) -> Distances:
        """Return the distances of a spectrogram ``(freq, time)``."""
        layers = self.network(S, *self.sounds, depth=self.depth)
        style, content = {}, {}
        for stack, scale in self.style_scales.items():
            layer = layers[stack]
            cross = [_mean_square(K) for K in layer.cross[: self.n_styles]]
            distance = _mean_square(layer.own) - 2 * sum(cross) / self.n_styles
            style[f"relu{stack + 1}"] = scale * (distance + self.style_energy[stack])
        for stack, scale in self.content_scales.items():
            layer = layers[stack]
            distances = _diagonal(layer.own) - 2 * _diagonal(layer.cross[-1])
            distances = (distances + self.content_energy[stack]).double()
            content[f"relu{stack + 1}"] = scale * distances.mean()
        return Distances(style=style, content=content)


def average_pooled(K: Tensor) -> Tensor:
    """Return the mean of a kernel over blocks of 2 positions along each axis."""
    for axis in range(K.ndim):
        K = _Halve.apply(K, axis)  # type: ignore[no-untyped-call]
    return K


def _matrix(K: Tensor) -> Tensor:
    """Return a view of a kernel as a matrix of positions by positions."""
    axes = K.ndim // 2
    return K.flatten(axes).flatten(0, axes - 1)


def _diagonal(K: Tensor) -> Tensor:
    return _matrix(K).diagonal()


def _mean_square(K: Tensor) -> Tensor:
    mean: Tensor = _MeanSquare.apply(K)  # type: ignore[no-untyped-call]
    return mean


class _OwnProduct(torch.autograd.Function):
    """x^T x. Both factors are the same, so the gradient needs one product instead of two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.mT @ x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        product: Tensor = x @ (gradient + gradient.mT)
        return product


def _diagonal_sum(P: Tensor, radius: int) -> Tensor:
    """Sum `2 radius + 1` neighbours along the diagonals of the last two axes.

    Windows are doubled in length again and again, so the number of additions is logarithmic.
    """
    rows, columns = P.shape[-2:]
    window = nn.functional.pad(P, (radius, radius, radius, radius))
    total = window[..., :rows, :columns].clone()
    offset, length, left = 1, 1, radius
    while left:
        window = window[..., :-length, :-length] + window[..., length:, length:]
        length *= 2
        if left & 1:
            total += window[..., offset : offset + rows, offset : offset + columns]
            offset += length
        left >>= 1
    return total


class _DiagonalSum(torch.autograd.Function):
    """Zero-padded sum along the diagonals of two axes. It is linear and equals its adjoint."""

    @staticmethod
    def forward(ctx: Any, P: Tensor, radius: int, axis: int, other: int) -> Tensor:
        ctx.arguments = (radius, axis, other)
        return _along(P, radius, axis, other)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _along(gradient, *ctx.arguments), None, None, None


def _along(P: Tensor, radius: int, axis: int, other: int) -> Tensor:
    last = P.movedim((axis, other), (-2, -1))
    return _diagonal_sum(last, radius).movedim((-2, -1), (axis, other)).contiguous()


class _Halve(torch.autograd.Function):
    """Mean of pairs of neighbours along an axis. If the length is odd, the last one is left out."""

    @staticmethod
    def forward(ctx: Any, K: Tensor, axis: int) -> Tensor:
        ctx.shape, ctx.axis = K.shape, axis
        n = K.shape[axis] // 2
        evens, odds = (K.narrow(axis, i, 2 * n - 1) for i in (0, 1))
        index = (slice(None),) * axis + (slice(None, None, 2),)
        mean: Tensor = (evens[index] + odds[index]).mul_(0.5)
        return mean

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        spread = gradient.new_zeros(ctx.shape)
        n = gradient.shape[ctx.axis]
        half = gradient * 0.5
        for i in (0, 1):
            index = (slice(None),) * ctx.axis + (slice(i, 2 * n, 2),)
            spread[index] = half
        return spread, None


class _MeanSquare(torch.autograd.Function):
    """Mean of the squares. Such means are subtracted, so rows are added in float64."""

    @staticmethod
    def forward(ctx: Any, K: Tensor) -> Tensor:
        ctx.save_for_backward(K)
        return K.square().sum(-1).double().sum() / K.numel()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (K,) = ctx.saved_tensors
        scaled: Tensor = K * (2 * gradient / K.numel()).to(K.dtype)
        return scaled
