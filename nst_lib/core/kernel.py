"""The random network in the limit of infinitely many channels: exact kernels instead of weights.

A Gram loss over random features is a distance between kernels. With C -> infinity channels,

    (1/C^2) ||G_s - G_x||^2  ->  mean(K_ss^2) - 2 mean(K_sx^2) + mean(K_xx^2),

where K_ab[t, t'] = E[relu(h_t(a)) relu(h_t'(b))] is a matrix over positions of the sounds a and b.
It follows layer by layer, without weights (R. M. Neal 1996; Y. Cho and L. K. Saul, "Kernel Methods
for Deep Learning", NIPS 2009, equation 4; R. Novak et al., ICLR 2019, for convolutions):

    conv   Q[t, t'] = v sum_d P[t + d, t' + d] + b       along the diagonals, zeros outside
    ReLU   K = sqrt(q q') (sin u + (pi - u) cos u) / (2 pi),  cos u = Q / sqrt(q q')
    pool   the mean over 2 x 2 blocks (average pooling), or the moments of maxima (max pooling)

P is A^T B over the channels of the first layer and the pooled K after it; q is the diagonal of a
sound's own Q; v and b are the variances of weights (times the channels that feed them) and biases.
The limit takes both as Gaussian; the study's biases are uniform, with the same variance. A content
term is the mean over positions of K_cc[t, t] - 2 K_cx[t, t] + K_xx[t, t].

Positions are frames (orientation "freq"), bins ("time") or both ("2d": the convolution then sums
along the diagonals of time and of frequency). The moments are in :mod:`nst_lib.core.moments`.
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

#: Batch norm in evaluation mode divides features by sqrt(1 + 1e-5), so kernels by 1 + 1e-5.
_BATCH_NORM = 1 + 1e-5
#: Most positions of a sound: a kernel of so many is 0.27 GB, and a loss holds a few dozen.
MAX_POSITIONS = 8192


class InfiniteCNN(nn.Module):
    """The limit of :class:`nst_lib.RandomCNN` as its channels grow.

    Parameters
    ----------
    n_freq, n_frames : int > 0
        Size of the spectrograms; see :class:`nst_lib.RandomCNN`.
    channels : int > 0
        Width of the finite network that this is the limit of. The variances of weights and biases
        behind the first layer depend on it, and nothing else does.
    orientation, stacks, kernel, padding, batch_norm, init
        As for :class:`nst_lib.RandomCNN`.
    pooling : {"max", "average", "none"}
        "max" is for orientations "freq" and "time".

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
                "pooling 'max' of orientation '2d' and infinite width has no closed form; "
                "accepted: average, none, or the finite engine"
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
        """Return :class:`KernelDistances` in this network; the arguments are those of its class."""
        return KernelDistances(self, **arguments)

    def arrange(self, S: Tensor) -> Tensor:
        """Bring a spectrogram ``(freq, time)`` to (channels, positions...).

        Raises
        ------
        ValueError
            If there are more than `MAX_POSITIONS`.
        """
        x = {"freq": S, "time": S.mT, "2d": S[None]}[self.orientation]
        positions = math.prod(x.shape[1:])
        if positions > MAX_POSITIONS:
            raise ValueError(
                f"{positions} positions for an infinitely wide network of orientation "
                f"{self.orientation!r}, which keeps a matrix of positions by positions; accepted: "
                f"{MAX_POSITIONS} or fewer (shorter sounds, a longer hop, fewer bins, or the "
                "finite engine)"
            )
        return x

    def multiply(self, x: Tensor, other: Tensor | None) -> Tensor:
        """Return P of the first layer, of x with itself (None) or of another sound with x.

        Shape ``(positions..., positions...)``.

        Raises
        ------
        ValueError
            If the other has another number of channels.
        """
        flat = x.flatten(1)
        if other is None:
            own: Tensor = _OwnProduct.apply(flat)  # type: ignore[no-untyped-call]
            return own.view(*x.shape[1:], *x.shape[1:])
        if len(other) != len(x):
            axis = "frames" if self.orientation == "time" else "bins"
            raise ValueError(
                f"sounds of {len(other)} and {len(x)} {axis}, which are channels; accepted: as many"
            )
        return (other.flatten(1).mT @ flat).view(*other.shape[1:], *x.shape[1:])

    def convolve(self, P: Tensor, stack: int) -> Tensor:
        """Return Q of a stack, counted from 0, from the kernel of its input."""
        weight, bias = self.variances[stack]
        axes = P.ndim // 2
        for axis in range(axes):
            P = _DiagonalSum.apply(P, self.radius, axis, axis + axes)  # type: ignore[no-untyped-call]
        for axis in range(P.ndim if self.edge else 0):
            left = P.shape[axis] - 2 * self.edge
            if left < 1:
                raise ValueError(
                    f"a convolution has {P.shape[axis]} positions left for filters of "
                    f"{2 * self.radius + 1}; accepted: fewer stacks or a larger spectrogram"
                )
            P = P.narrow(axis, self.edge, left)
        return (P * (weight / self.divisor)).add_(bias / self.divisor)

    def forward(self, S: Tensor, *others: "Sound", depth: int) -> list["Layer"]:
        """Return the kernels of a spectrogram with itself and with others, layer by layer.

        Parameters
        ----------
        S : Tensor, shape=(freq, time)
            A spectrogram x.
        others : Sound
            Sounds a whose K_ax is wanted, propagated at least as deep.
        depth : int > 0
            Number of stacks to go through.

        Returns
        -------
        list of Layer
            One for each ReLU.

        Raises
        ------
        ValueError
            If the spectrogram does not fit the network, or is too small to pool.
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
        """Return the kernel behind the pooling, of a sound a with x."""
        if self.pooling == "none":
            return K
        if min(K.shape) < 2:
            raise ValueError(
                f"pooling has {min(K.shape)} position left; accepted: fewer stacks or a larger "
                "spectrogram"
            )
        if a.pairs is not None and x.pairs is not None:
            return max_pooled(Q, a.pairs, x.pairs)
        for axis in range(K.ndim):
            K = _Halve.apply(K, axis)  # type: ignore[no-untyped-call]
        return K


@dataclass(frozen=True)
class Marginals:
    """What a sound's own Q in a layer says of the sound alone.

    Attributes
    ----------
    q : Tensor, shape=(positions,)
        The diagonal.
    pairs : Pairs or None
        Moments of neighbours, where max pooling follows.
    """

    q: Tensor
    pairs: Pairs | None

    @classmethod
    def of(cls, Q: Tensor, *, pairs: bool) -> "Marginals":
        """Return the marginals of Q, shape ``(positions..., positions...)``."""
        Q = _matrix(Q)
        return cls(q=Q.diagonal().clamp_min(LEAST_VARIANCE), pairs=Pairs.of(Q) if pairs else None)


@dataclass(frozen=True)
class Layer:
    """What a ReLU gives for a sound x: the marginals of Q_xx, K_xx, and K_ax for other sounds a."""

    marginals: Marginals
    own: Tensor
    cross: list[Tensor]


@dataclass(frozen=True)
class Sound:
    """A fixed sound: its spectrogram as the network takes it, and its marginals in each layer."""

    x: Tensor
    marginals: list[Marginals]


class KernelDistances(nn.Module):
    """:class:`nst_lib.core.losses.GramDistances` in the limit; the arguments are the same.

    Style and content layers are rectified maps (relu1, relu2, ...), which the study's are. The
    factors C of the normalisations are the width that the network is the limit of.
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
        channels = network.channels
        self.sounds: list[Sound] = []
        self.style_scales: dict[int, float] = {}
        self.content_scales: dict[int, float] = {}
        with torch.no_grad():
            styles = several(style)
            self.n_styles = len(styles)
            layers = [self._fix(S, *self.sounds) for S in styles]
            self.style_energy = [
                sum(_mean_square(x.own) + 2 * sum(map(_mean_square, x.cross)) for x in stack)
                / len(styles) ** 2
                for stack in zip(*layers, strict=True)
            ]
            for stack in self.style_stacks:
                scale = style_scale(
                    normalisation,
                    channels=channels,
                    positions=len(layers[0][stack].marginals.q),
                    energy=channels**2 * float(self.style_energy[stack]),
                )
                self.style_scales[stack] = channels**2 * scale
            self.content_energy: list[Tensor] = []
            if content is not None and self.content_stacks:
                self.content_energy = [_diagonal(layer.own) for layer in self._fix(content)]
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


def _matrix(K: Tensor) -> Tensor:
    """View a kernel as a matrix of positions by positions."""
    axes = K.ndim // 2
    return K.flatten(axes).flatten(0, axes - 1)


def _diagonal(K: Tensor) -> Tensor:
    return _matrix(K).diagonal()


def _mean_square(K: Tensor) -> Tensor:
    mean: Tensor = _MeanSquare.apply(K)  # type: ignore[no-untyped-call]
    return mean


class _OwnProduct(torch.autograd.Function):
    """x^T x; knowing that both factors are one saves a product in the gradient."""

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
    """Sum `2 radius + 1` neighbours along the diagonals of the last two axes, doubling windows."""
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
    """Zero-padded sum along the diagonals of two axes: linear, and its own adjoint."""

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
    """Mean of neighbours along an axis; an odd last one is left out."""

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
    """Mean of the squares. It cancels against others: the sum over rows is in float64."""

    @staticmethod
    def forward(ctx: Any, K: Tensor) -> Tensor:
        ctx.save_for_backward(K)
        return K.square().sum(-1).double().sum() / K.numel()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (K,) = ctx.saved_tensors
        scaled: Tensor = K * (2 * gradient / K.numel()).to(K.dtype)
        return scaled
