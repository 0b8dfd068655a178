"""Random networks of one layer each, side by side: each sees the input itself.

Layout: input ``(freq, time)`` for filters over frames, with frequency bins as channels, or
``(planes, freq, time)`` for filters over frequency and time -> feature maps ``(filters, time)`` or
``(filters, freq, time)``. No padding, no bias, no pooling, ReLU; the weights are fixed.

Each size of filter uses the convolution that is fastest on a CPU. Over frames this is `nn.Conv1d`
up to a width of `NARROW`, and :class:`nst_lib.core.convolution.SpectralConv1d` for wider filters.
Over frequency and time it is :class:`SpectralConv2d`. At the sizes of H. Caracalla and A. Roebel it
is three times as fast as `nn.Conv2d`, forward and backward.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from nst_lib.base.validation import validate_memory
from nst_lib.core.convolution import SpectralConv1d, block_length
from nst_lib.core.network import validate_layers

#: Width in frames of the widest filter that is convolved directly.
NARROW = 4


class ParallelCNN(nn.Module):
    """Single layers of random filters, one layer for each size of filter; see the module.

    Parameters
    ----------
    sizes : sequence of (width,) or (height, width)
        Sizes of the filters: frames, or frequency bins and frames.
    shape : (freq,) or (planes, freq)
        Shape of the input without its last axis, the frames.
    filters : int > 0
        Number of filters of each size.
    bound : float > 0 or None
        Weights are drawn from U(+-bound). None is the bound of X. Glorot and Y. Bengio (2010),
        sqrt(6 / (fan_in + fan_out)).
    seed : int
        Seed of the random weights.

    Attributes
    ----------
    layer_names : tuple of str
        Names of the feature maps in the order of `sizes`: "relu1", "relu2", ...

    Raises
    ------
    ValueError
        If a filter is higher than the input, or the weights do not fit in memory.
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[int]],
        *,
        shape: Sequence[int],
        filters: int,
        bound: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sizes, self.shape = [tuple(size) for size in sizes], tuple(shape)
        highest = max(height for *height, _ in self.sizes)
        if highest > list(shape[1:]):
            raise ValueError(
                f"{shape[1]} frequency bins; accepted: {highest[0]} or more, the height of the "
                "highest filter"
            )
        needed = 4 * n_weights(sizes, shape=shape, filters=filters)
        validate_memory(needed, of=f"filters={filters}: the weights", accepted="fewer")
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.ModuleDict()
        for number, size in enumerate(self.sizes, start=1):
            fans = (shape[0] + filters) * math.prod(size)
            edge = math.sqrt(6 / fans) if bound is None else bound
            weight = torch.empty(filters, shape[0], *size).uniform_(
                -edge, edge, generator=generator
            )
            self.layers[f"relu{number}"] = _rectified(weight, self.shape)
        self.layer_names = tuple(self.layers)
        self.eval().requires_grad_(False)

    def forward(self, S: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the named feature maps.

        Parameters
        ----------
        S : Tensor, shape=(..., time)
            Input; the axes before time are those of `shape`.
        layers : iterable of str or None
            Names from `layer_names`; None returns all feature maps.

        Returns
        -------
        dict of str to Tensor
            Shapes ``(filters, time)`` or ``(filters, freq, time)``, with one position for each
            place of the filter within the input.

        Raises
        ------
        ValueError
            If a name is unknown, or `S` has another shape or fewer frames than the widest filter.
        """
        wanted = set(self.layer_names if layers is None else layers)
        validate_layers(wanted, self.layer_names)
        widest = max(size[-1] for size in self.sizes)
        if S.shape[:-1] != self.shape:
            raise ValueError(f"frames of shape {tuple(S.shape[:-1])}; accepted: {self.shape}")
        if S.shape[-1] < widest:
            raise ValueError(
                f"{S.shape[-1]} frames; accepted: {widest} or more, the width of the widest filter "
                "(use a longer sound or narrower filters)"
            )
        return {name: self.layers[name](S) for name in self.layer_names if name in wanted}


def n_weights(sizes: Sequence[Sequence[int]], *, shape: Sequence[int], filters: int) -> int:
    """Return how many numbers a :class:`ParallelCNN` stores as weights."""
    fan = filters * shape[0]
    kept = 0
    for *height, width in sizes:
        if height:
            kept += 4 * fan * width * (_block(shape[1], *height) // 2 + 1)
        else:
            kept += fan * (width if width <= NARROW else 2 * (block_length(width) // 2 + 1))
    return kept


def _rectified(weight: Tensor, shape: Sequence[int]) -> nn.Module:
    if weight.ndim == 4:
        return SpectralConv2d(weight, n_freq=shape[1])
    filters, fan, width = weight.shape
    conv: nn.Conv1d = skip_init(nn.Conv1d, fan, filters, width)  # type: ignore[no-untyped-call]
    conv.weight.data.copy_(weight)
    conv.get_parameter("bias").data.zero_()
    layer = conv if width <= NARROW else SpectralConv1d(conv)
    return nn.Sequential(nn.Unflatten(0, (1, -1)), layer, nn.ReLU(), nn.Flatten(0, 1))


def _block(n_freq: int, height: int) -> int:
    """Return the length of a block in bins: about 2.4 heights, so that all blocks are full."""
    rows = n_freq - height + 1
    n_blocks = max(1, round(rows / max(12, 1.4 * height)))
    return -(-rows // n_blocks) + height - 1


class SpectralConv2d(nn.Module):
    """A 2-D convolution with fixed weights and ReLU, overlap-save along frequency.

    First, all frames that a filter spans are stacked. What remains is a convolution along
    frequency. In blocks of bins, it is one matrix product for each point of a Fourier transform.
    The Fourier transforms are products with small matrices too, so that no data has to be
    rearranged.

    Parameters
    ----------
    weight : Tensor, shape=(filters, planes, height, width)
        The weights.
    n_freq : int > 0
        Number of bins of the input.
    """

    analysis: Tensor
    product: Tensor
    synthesis: Tensor

    def __init__(self, weight: Tensor, *, n_freq: int) -> None:
        super().__init__()
        self.width = weight.shape[-1]
        block = _block(n_freq, weight.shape[2])
        basis = torch.fft.rfft(torch.eye(block, dtype=torch.float64), dim=0)
        self.register_buffer("analysis", torch.view_as_real(basis).mT.flatten(0, 1).to(weight))
        units = torch.eye(len(basis), dtype=torch.complex128)
        waves = [torch.fft.irfft(unit * units, n=block, dim=0) for unit in (1, 1j)]
        synthesis = torch.stack(waves, dim=-1)[: block - weight.shape[2] + 1]
        self.register_buffer("synthesis", synthesis.flatten(1).to(weight))
        response = torch.fft.rfft(weight, n=block, dim=2).conj().permute(2, 0, 1, 3).flatten(2)
        upper = torch.cat([response.real, -response.imag], dim=2)
        lower = torch.cat([response.imag, response.real], dim=2)
        self.register_buffer("product", torch.cat([upper, lower], dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(planes, freq, time)``."""
        positions = x.shape[-1] - self.width + 1
        frames = x.unfold(-1, positions, 1).transpose(0, 1).flatten(1, 2)
        maps: Tensor = _OverlapSave.apply(frames, self.analysis, self.product, self.synthesis)  # type: ignore[no-untyped-call]
        return maps.transpose(0, 1)


class _OverlapSave(torch.autograd.Function):
    """Compute feature maps ``(freq, filters, time)`` of stacked frames ``(freq, rows, time)``."""

    @staticmethod
    def forward(
        ctx: Any, frames: Tensor, analysis: Tensor, product: Tensor, synthesis: Tensor
    ) -> Tensor:
        n_freq, _, positions = frames.shape
        (step, _), block = synthesis.shape, analysis.shape[1]
        filters = product.shape[1] // 2
        maps = frames.new_empty(n_freq - block + step, filters * positions)
        for first in range(0, len(maps), step):
            x = frames[first : first + block].flatten(1)
            X = (analysis[:, : len(x)] @ x).view(len(product), -1, positions)
            Y = torch.bmm(product, X).view(len(analysis), -1)
            rows = maps[first : first + step]
            torch.mm(synthesis[: len(rows)], Y, out=rows)
        maps = maps.relu_().view(len(maps), filters, positions)
        ctx.save_for_backward(maps, analysis, product, synthesis)
        ctx.shape = frames.shape
        return maps

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        maps, analysis, product, synthesis = ctx.saved_tensors
        total = gradient.new_zeros(ctx.shape).flatten(1)
        step, block = len(synthesis), analysis.shape[1]
        for first in range(0, len(maps), step):
            rows = slice(first, first + step)
            y = torch.ops.aten.threshold_backward(gradient[rows], maps[rows], 0).flatten(1)
            Y = (synthesis[: len(y)].mT @ y).view(len(product), -1, maps.shape[-1])
            X = torch.bmm(product.mT, Y).view(len(analysis), -1)
            x = total[first : first + block]
            x.addmm_(analysis[:, : len(x)].mT, X)
        return total.view(ctx.shape), None, None, None
