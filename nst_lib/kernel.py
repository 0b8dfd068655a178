"""The random network in the limit of infinitely many channels: exact kernels instead of weights.

A Gram loss over random features is a distance between kernels. With C -> infinity channels,

    (1/C^2) ||G_s - G_x||^2  ->  mean(K_ss^2) - 2 mean(K_sx^2) + mean(K_xx^2),

where K_ab[t, t'] = E[relu(h_t(a)) relu(h_t'(b))] is a matrix over positions of the sounds a and b.
It follows layer by layer, without weights (R. M. Neal 1996; Y. Cho and L. K. Saul, "Kernel Methods
for Deep Learning", NIPS 2009, equation 4; R. Novak et al., ICLR 2019, for convolutions):

    conv   Q[t, t'] = v sum_d P[t + d, t' + d] + b       along the diagonals, zeros outside
    ReLU   K = sqrt(q q') (sin u + (pi - u) cos u) / (2 pi),  cos u = Q / sqrt(q q')
    pool   the mean over 2 x 2 blocks (average pooling)

P is A^T B over frequency bins in the first layer and the pooled K after it; q is the diagonal of a
sound's own Q; v and b are the variances of weights (times the channels that feed them) and biases.
The limit takes both as Gaussian; the study's biases are uniform, with the same variance. A content
term is the mean over positions of K_cc[t, t] - 2 K_cx[t, t] + K_xx[t, t].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nst_lib.losses import Losses, validate_normalisation
from nst_lib.network import STUDY_STD, validate_layers

#: Batch norm in evaluation mode divides features by sqrt(1 + 1e-5), so kernels by 1 + 1e-5.
_BATCH_NORM = 1 + 1e-5


class InfiniteCNN(nn.Module):
    """The limit of :class:`nst_lib.RandomCNN` as its channels grow.

    Parameters
    ----------
    n_freq : int > 0
        Frequency bins of the spectrograms.
    stacks, kernel, batch_norm, init
        As for :class:`nst_lib.RandomCNN`.
    channels : int > 0
        Width of the finite network that this is the limit of. The variances of weights and biases
        behind the first layer depend on it, and nothing else does.
    orientation : {"freq"}
        Other orientations have no engine yet.
    pooling : {"average"}
        Max pooling has no closed form.

    Raises
    ------
    ValueError
        If orientation or pooling is another.
    """

    def __init__(
        self,
        *,
        n_freq: int = 513,
        stacks: int = 3,
        channels: int = 4096,
        kernel: int = 11,
        batch_norm: bool = True,
        init: str = "milacic2020",
        orientation: str = "freq",
        pooling: str = "average",
    ) -> None:
        super().__init__()
        if orientation != "freq":
            raise ValueError(f"orientation {orientation!r} of infinite width; accepted: freq")
        if pooling != "average":
            raise ValueError(f"pooling {pooling!r} of infinite width; accepted: average")
        self.channels = channels
        self.radius = kernel // 2
        self.relus = tuple(f"relu{stack}" for stack in range(1, stacks + 1))
        self.divisor = _BATCH_NORM if batch_norm else 1.0
        self.variances: list[tuple[float, float]] = []
        for stack in range(stacks):
            fan_in = (channels if stack else n_freq) * kernel
            bias = 1 / (3 * fan_in)
            weight = STUDY_STD**2 if init == "milacic2020" else bias
            self.variances.append((weight * (channels if stack else 1), bias))

    def convolve(self, P: Tensor, stack: int) -> Tensor:
        """Return Q of a stack, counted from 0, from the kernel of its input."""
        weight, bias = self.variances[stack]
        summed: Tensor = _DiagonalSum.apply(P, self.radius)  # type: ignore[no-untyped-call]
        return (weight * summed + bias) / self.divisor

    def rectify(self, Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
        """Return K from Q and the diagonals of the two sounds' own Q."""
        K: Tensor = _ArcCosine.apply(Q, q_a, q_b)  # type: ignore[no-untyped-call]
        return K

    def pool(self, K: Tensor) -> Tensor:
        """Return the kernel after average pooling by 2."""
        return nn.functional.avg_pool2d(K[None], 2)[0]

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
        """
        P = [S.mT @ S, *(other.S.mT @ S for other in others)]
        layers: list[Layer] = []
        for stack in range(depth):
            Q = [self.convolve(kernel, stack) for kernel in P]
            q = Q[0].diagonal()
            diagonals = [q, *(other.q[stack] for other in others)]
            K = [self.rectify(Q_ax, q_a, q) for Q_ax, q_a in zip(Q, diagonals, strict=True)]
            layers.append(Layer(q=q, own=K[0], cross=K[1:]))
            if stack < depth - 1:
                P = [self.pool(kernel) for kernel in K]
        return layers


@dataclass(frozen=True)
class Layer:
    """What a ReLU gives for a sound x: the diagonal of Q_xx, K_xx, and K_ax for other sounds a."""

    q: Tensor
    own: Tensor
    cross: list[Tensor]


@dataclass(frozen=True)
class Sound:
    """A fixed sound: its spectrogram, and the diagonal of its Q in each layer."""

    S: Tensor
    q: list[Tensor]


class KernelLoss(nn.Module):
    """:class:`nst_lib.losses.TransferLoss` in the limit; the arguments are the same.

    Style and content layers are rectified maps (relu1, relu2, ...), which the study's are. The
    factor C of the normalisation "report" is the width that the network is the limit of.
    """

    def __init__(
        self,
        network: InfiniteCNN,
        *,
        style: Tensor,
        content: Tensor | None,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        alpha: float = 1.0,
        beta: float = 1e8,
        normalisation: str = "code",
    ) -> None:
        super().__init__()
        validate_normalisation(normalisation)
        for names in (style_layers, content_layers):
            validate_layers(names, network.relus)
        self.network = network
        self.style_stacks = sorted(network.relus.index(name) for name in style_layers)
        self.content_stacks = sorted(network.relus.index(name) for name in content_layers)
        if content is None:
            self.content_stacks = []
        if not self.style_stacks and not self.content_stacks:
            raise ValueError("nothing to match; accepted: a style layer, or content and its layer")
        self.depth = 1 + max(self.style_stacks + self.content_stacks)
        report = normalisation == "report"
        self.beta = beta * (network.channels if report else 1)
        self.alpha = alpha
        self.report = report
        with torch.no_grad():
            own = network(style, depth=self.depth)
            self.style = Sound(S=style, q=[layer.q.clone() for layer in own])
            self.style_energy = [_mean_square(layer.own) for layer in own]
            self.content, self.content_energy = None, []
            if content is not None and self.content_stacks:
                own = network(content, depth=self.depth)
                self.content = Sound(S=content, q=[layer.q.clone() for layer in own])
                self.content_energy = [layer.own.diagonal().clone() for layer in own]

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        others = [self.style] if self.content is None else [self.style, self.content]
        layers = self.network(S, *others, depth=self.depth)
        style = {}
        for stack in self.style_stacks:
            K_xx, K_sx = layers[stack].own, layers[stack].cross[0]
            distance = self.style_energy[stack] - 2 * _mean_square(K_sx) + _mean_square(K_xx)
            style[f"style relu{stack + 1}"] = self.beta * distance
        content = {}
        for stack in self.content_stacks:
            k_xx, k_cx = layers[stack].own.diagonal(), layers[stack].cross[1].diagonal()
            distances = self.content_energy[stack] - 2 * k_cx + k_xx
            scale = self.alpha * (len(distances) if self.report else 1)
            content[f"content relu{stack + 1}"] = scale * distances.double().mean()
        return Losses.of(style, content, zero=S.new_zeros(()))


def _mean_square(K: Tensor) -> Tensor:
    """Mean of the squares; it cancels against others, so it is in float64."""
    return K.double().square().mean()


def _diagonal_sum(P: Tensor, radius: int) -> Tensor:
    """Sum `2 radius + 1` neighbours along the diagonals, by doubling windows."""
    rows, columns = P.shape
    window = nn.functional.pad(P, (radius, radius, radius, radius))
    total = window[:rows, :columns].clone()
    offset, length, left = 1, 1, radius
    while left:
        window = window[:-length, :-length] + window[length:, length:]
        length *= 2
        if left & 1:
            total += window[offset : offset + rows, offset : offset + columns]
            offset += length
        left >>= 1
    return total


class _DiagonalSum(torch.autograd.Function):
    """Zero-padded sum along diagonals: linear, and its own adjoint."""

    @staticmethod
    def forward(ctx: Any, P: Tensor, radius: int) -> Tensor:
        ctx.radius = radius
        return _diagonal_sum(P, radius)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _diagonal_sum(gradient, ctx.radius), None


class _ArcCosine(torch.autograd.Function):
    """Cho and Saul's arc-cosine kernel; autograd's own gradient is infinite where u = 0."""

    @staticmethod
    def forward(ctx: Any, Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
        norm = q_a.sqrt()[:, None] * q_b.sqrt()
        cosine = (Q / norm).clamp_(-1, 1)
        sine = norm.mul_((1 - cosine.square()).clamp_min_(0).sqrt_())
        angle = math.pi - cosine.acos_()
        ctx.save_for_backward(angle, sine, q_a, q_b)
        return torch.addcmul(sine, angle, Q).mul_(1 / (2 * math.pi))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        angle, sine, q_a, q_b = ctx.saved_tensors
        weighted = gradient * sine
        return (
            gradient * angle / (2 * math.pi),
            weighted.sum(1) / (4 * math.pi * q_a),
            weighted.sum(0) / (4 * math.pi * q_b),
        )
