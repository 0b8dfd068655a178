"""Convolutions with fixed weights. At the study's sizes they are faster on a CPU than PyTorch's.

Layout: ``(batch, channels, positions)``, with zero padding on both sides as in `nn.Conv1d`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

CONVOLUTIONS = ("direct", "fft")
#: Length of the blocks that are transformed. Each block gives `BLOCK` - kernel + 1 positions.
#: Longer blocks need fewer multiplications, and more memory for the spectra of the weights.
BLOCK = 32


def block_length(kernel: int) -> int:
    """Return the length of the blocks: `BLOCK`, but at least the length of two kernels."""
    return max(BLOCK, 2 * kernel)


class UnfoldedConv1d(nn.Conv1d):
    """A convolution as one matrix product.

    With an odd number of input channels, as in the first layer, PyTorch's convolution takes twice
    as long on a CPU (513 bins, 4096 channels: 1.5 s against 0.8 s, forward and backward, 2 cores).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(batch, channels, positions)``."""
        kernel, around = self.kernel_size[0], int(self.padding[0])
        padded = pad(x, (around, around))
        frames = padded.unfold(2, kernel, 1).transpose(2, 3).flatten(1, 2)
        weight = self.weight.flatten(1).expand(len(x), -1, -1)
        bias = self.get_parameter("bias")[:, None].expand(len(x), -1, 1)
        return torch.baddbmm(bias, weight, frames)


class SpectralConv1d(nn.Module):
    """A convolution in blocks; each block is a product in the frequency domain (overlap-save).

    The result equals that of the direct sum up to rounding. For a kernel of 11 it takes 3.5 times
    fewer multiplications. It stores the spectra of the weights instead of the weights, which takes
    3.1 times the memory.

    Parameters
    ----------
    conv : Conv1d
        The convolution whose weights and biases are copied. They stay fixed.
    """

    spectrum: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.kernel: int = conv.kernel_size[0]
        self.padding = int(conv.padding[0])
        self.block = block_length(self.kernel)
        channels, fan, _ = conv.weight.shape
        spectrum = torch.empty(self.block // 2 + 1, channels, fan, 2, dtype=conv.weight.dtype)
        with torch.no_grad():
            for first in range(0, channels, 256):
                rows = slice(first, first + 256)
                part = torch.fft.rfft(conv.weight[rows], n=self.block).conj().resolve_conj()
                spectrum[:, rows] = torch.view_as_real(part.permute(2, 0, 1))
        self.register_buffer("spectrum", spectrum)
        self.register_buffer("bias", conv.get_parameter("bias").detach())

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(batch, channels, positions)``."""
        batch, _, length = x.shape
        positions = length + 2 * self.padding - self.kernel + 1
        step = self.block - self.kernel + 1
        blocks = -(-positions // step)
        around = self.padding
        padded = pad(x, (around, (blocks - 1) * step + self.block - length - around))
        X = torch.fft.rfft(padded.unfold(2, self.block, step))
        X = X.permute(3, 1, 0, 2).flatten(2)
        Y: Tensor = _FixedProduct.apply(torch.view_as_complex(self.spectrum), X)  # type: ignore[no-untyped-call]
        y: Tensor = torch.fft.irfft(Y.permute(1, 2, 0), n=self.block)[..., :step]
        y = y.reshape(len(self.bias), batch, -1)[..., :positions].transpose(0, 1)
        return y.add(self.bias[:, None])


class _FixedProduct(torch.autograd.Function):
    """Batched product with a constant. Its gradient makes no conjugate copy of the constant."""

    @staticmethod
    def forward(ctx: Any, W: Tensor, X: Tensor) -> Tensor:
        ctx.save_for_backward(W)
        return W @ X

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        (W,) = ctx.saved_tensors
        return None, (W.mT @ gradient.conj().resolve_conj()).conj().resolve_conj()
