import math

import pytest
import torch
from torch.nn.functional import conv1d, conv2d

from nst_lib.core.parallel import ParallelCNN, SpectralConv2d, n_weights

WIDTHS = ((2,), (3,), (4,), (8,), (30,))
#: One for a single block, for blocks that fit, and for a last block that is cut off.
BOXES = ((31, 2), (11, 5), (3, 3), (1, 4), (27, 27))


def drawn(sizes, *, shape, filters, bound=None, seed=0):
    """Return the weights that a network draws, in order."""
    generator = torch.Generator().manual_seed(seed)
    weights = []
    for size in sizes:
        edge = bound or math.sqrt(6 / ((shape[0] + filters) * math.prod(size)))
        weight = torch.empty(filters, shape[0], *size)
        weights.append(weight.uniform_(-edge, edge, generator=generator))
    return weights


def test_filters_over_frames_are_plain_convolutions():
    network = ParallelCNN(WIDTHS, shape=(9,), filters=7)
    S = torch.rand(9, 50, generator=torch.Generator().manual_seed(1))
    maps = network(S)
    assert tuple(maps) == network.layer_names == tuple(f"relu{k}" for k in range(1, 6))
    for F, weight in zip(maps.values(), drawn(WIDTHS, shape=(9,), filters=7), strict=True):
        torch.testing.assert_close(F, conv1d(S, weight).relu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_freq", [31, 47, 64])
def test_filters_over_both_axes_are_plain_convolutions(n_freq):
    network = ParallelCNN(BOXES, shape=(2, n_freq), filters=5, bound=0.05)
    S = torch.randn(2, n_freq, 40, generator=torch.Generator().manual_seed(1))
    weights = drawn(BOXES, shape=(2, n_freq), filters=5, bound=0.05)
    for F, (height, width), weight in zip(network(S).values(), BOXES, weights, strict=True):
        assert F.shape == (5, n_freq - height + 1, 41 - width)
        torch.testing.assert_close(F, conv2d(S, weight).relu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(2, 2), (14, 3), (19, 4)])
def test_the_adjoint_of_a_2d_convolution(size):
    weight = torch.randn(3, 2, *size, dtype=torch.float64)
    layer = SpectralConv2d(weight, n_freq=40)
    x = torch.randn(2, 40, 9, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(layer(x), conv2d(x, weight).relu())
    some = torch.randn_like(layer(x).detach())
    ours, theirs = (
        torch.autograd.grad(y, x, some)[0] for y in (layer(x), conv2d(x, weight).relu())
    )
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda x: layer(x)[:, ::7, ::3], x)


@pytest.mark.parametrize(("sizes", "shape"), [(WIDTHS, (9,)), (BOXES, (2, 40))])
def test_layers_are_side_by_side(sizes, shape):
    network = ParallelCNN(sizes, shape=shape, filters=4)
    S = torch.rand(*shape, 40)
    before = network(S)
    with torch.no_grad():
        for tensor in (*network.layers["relu1"].parameters(), *network.layers["relu1"].buffers()):
            tensor.mul_(2)
    after = network(S)
    assert not torch.equal(before["relu1"], after["relu1"])
    for name in network.layer_names[1:]:
        assert torch.equal(before[name], after[name])
    only = network(S, ["relu3", "relu2"])
    assert list(only) == ["relu2", "relu3"]
    assert torch.equal(only["relu3"], after["relu3"])


def test_weights_are_drawn_and_stay():
    S = torch.rand(9, 40)
    network, again, other = (ParallelCNN(WIDTHS, shape=(9,), filters=4, seed=k) for k in (3, 3, 4))
    assert torch.equal(network(S)["relu5"], again(S)["relu5"])
    assert not torch.equal(network(S)["relu5"], other(S)["relu5"])
    assert not any(p.requires_grad for p in network.parameters())
    (weight,) = drawn([(16,)], shape=(100,), filters=60)
    assert float(weight.var()) == pytest.approx(2 / (16 * 160), rel=0.02), "Glorot and Bengio"


@pytest.mark.parametrize(
    ("sizes", "shape"), [(((2,), (30,)), (9,)), (((11, 5),), (2, 40)), (BOXES, (2, 64))]
)
def test_weights_are_counted(sizes, shape):
    network = ParallelCNN(sizes, shape=shape, filters=64)
    sizes_kept = [t.numel() for t in (*network.parameters(), *network.buffers())]
    counted = n_weights(sizes, shape=shape, filters=64)
    assert counted <= sum(sizes_kept) < 1.1 * counted, (
        "the rest: biases, and matrices of transforms"
    )


def test_bad_input():
    network = ParallelCNN(BOXES, shape=(2, 40), filters=2)
    with pytest.raises(ValueError, match=r"26 frames; accepted: 27 or more"):
        network(torch.rand(2, 40, 26))
    with pytest.raises(ValueError, match=r"frames of shape \(2, 39\); accepted: \(2, 40\)"):
        network(torch.rand(2, 39, 40))
    with pytest.raises(ValueError, match="unknown layer relu6; accepted: relu1, relu2"):
        network(torch.rand(2, 40, 40), ["relu6"])
    with pytest.raises(ValueError, match="30 frequency bins; accepted: 31 or more"):
        ParallelCNN(BOXES, shape=(2, 30), filters=2)

    message = (
        r"filters=1000000000: the weights take [\d.]+ GB and [\d.]+ GB are free; accepted: fewer"
    )
    with pytest.raises(ValueError, match=message):
        ParallelCNN(WIDTHS, shape=(9,), filters=10**9)
