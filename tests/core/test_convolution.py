import pytest
import torch
from torch import nn

from nst_lib import RandomCNN, TransferConfig
from nst_lib.config import ConfigError
from nst_lib.core.convolution import SpectralConv1d, UnfoldedConv1d


def reference(kernel: int, dtype=torch.float64) -> nn.Conv1d:
    torch.manual_seed(0)
    return nn.Conv1d(7, 300, kernel, padding=kernel // 2, dtype=dtype).requires_grad_(False)


@pytest.mark.parametrize("kernel", [1, 3, 11, 33])
@pytest.mark.parametrize("positions", [1, 21, 22, 23, 100])
def test_spectral_convolution_is_the_direct_one(rng, kernel, positions):
    conv = reference(kernel)
    x = torch.from_numpy(rng.standard_normal((2, 7, positions))).requires_grad_()
    expected, got = conv(x), SpectralConv1d(conv)(x)
    torch.testing.assert_close(got, expected)
    weights = torch.from_numpy(rng.standard_normal(tuple(expected.shape)))
    gradients = [torch.autograd.grad(y, x, weights)[0] for y in (expected, got)]
    torch.testing.assert_close(gradients[1], gradients[0])


def test_spectral_convolution_in_float32(rng):
    conv = reference(11, torch.float32)
    x = torch.from_numpy(rng.standard_normal((1, 7, 200)).astype("float32"))
    expected = conv(x)
    assert (SpectralConv1d(conv)(x) - expected).abs().max() < 3e-6 * expected.abs().max()


@pytest.mark.parametrize("kernel", [1, 5])
def test_unfolded_convolution_is_the_direct_one(rng, kernel):
    conv = reference(kernel)
    unfolded = UnfoldedConv1d(7, 300, kernel, padding=kernel // 2, dtype=torch.float64)
    unfolded.load_state_dict(conv.state_dict())
    x = torch.from_numpy(rng.standard_normal((2, 7, 30)))
    torch.testing.assert_close(unfolded(x), conv(x))


@pytest.mark.parametrize("orientation", ["freq", "time"])
def test_network_is_the_same_either_way(rng, orientation):
    S = torch.from_numpy(rng.random((20, 50)).astype("float32"))
    settings = {"n_freq": 20, "n_frames": 50, "orientation": orientation, "channels": 24}
    direct, fft = (RandomCNN(**settings, convolution=name)(S) for name in ("direct", "fft"))
    for name, F in direct.items():
        assert (fft[name] - F).abs().max() < 1e-5 * F.abs().max(), name


def test_2d_is_refused():
    with pytest.raises(
        ValueError, match="convolution 'fft' is not available for orientation '2d'; acc"
    ):
        RandomCNN(orientation="2d", channels=2, convolution="fft")
    with pytest.raises(ConfigError, match="convolution='fft' with orientation='2d'"):
        TransferConfig(orientation="2d", convolution="fft")
