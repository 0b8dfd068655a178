import pytest
import torch

from nst_lib.core import landmarks
from nst_lib.core.kernel import InfiniteCNN
from nst_lib.core.landmarks import LandmarkCNN


def network(**settings) -> InfiniteCNN:
    shape = {"n_freq": 24, "n_frames": 66, "kernel": 5, "channels": 64}
    return InfiniteCNN(**(shape | settings)).double()


def spectrogram(seed: int, frames: int = 66) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 200 * torch.rand(24, frames, generator=generator, dtype=torch.float64).pow(6)


@pytest.mark.parametrize("pooling", ["average", "none"])
@pytest.mark.parametrize("frames", [65, 66])
def test_products_of_features_are_the_kernel_where_the_landmarks_span_the_sound(pooling, frames):
    net, S = network(pooling=pooling), spectrogram(0, frames)
    maps = LandmarkCNN(net, S, ("relu1", "relu2", "relu3"))(S)
    for name, layer in zip(net.relus, net(S, depth=3), strict=True):
        spanned = maps[name][:-1]
        kernel = spanned.mT @ spanned / net.channels
        torch.testing.assert_close(kernel, layer.own, rtol=0, atol=1e-4 * float(layer.own.max()))


def test_other_sounds_keep_less_energy_the_fewer_landmarks_there_are():
    net, S = network(), spectrogram(1)
    exact = net(S, depth=2)[1].own.diagonal()
    kept = []
    for count in (16, 32, 66):
        F = LandmarkCNN(net, spectrogram(2)[:, :count], ("relu2",))(S)["relu2"]
        kept.append(F[:-1].square().sum(0) / net.channels)
        assert (kept[-1] <= exact * (1 + 1e-9)).all()  # a projection loses energy
        whole = F.square().sum(0) / net.channels  # with the last feature, nothing is lost
        torch.testing.assert_close(whole, exact, rtol=2 * landmarks.LEAST_REST, atol=0)
    assert kept[0].sum() < kept[1].sum() < kept[2].sum()


def test_the_gradient_is_that_of_the_features():
    net, S = network(), spectrogram(3, 12)
    cnn = LandmarkCNN(net, spectrogram(4, 16), ("relu1", "relu3"))

    def features(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(cnn(x).values())

    assert torch.autograd.gradcheck(features, S.requires_grad_(), eps=1e-6, atol=1e-5)


def test_landmarks_are_spread_over_each_sound():
    long, short = torch.arange(1000.0)[None], -torch.ones(1, 10)
    z = landmarks.choose([long, short], count=256)
    assert z.shape == (1, 4 * landmarks.STRETCH + 10)
    assert z[0, 0] == 0
    assert z.max() == 999
    assert (z == -1).sum() == 10


@pytest.mark.parametrize(
    "settings", [{"orientation": "time"}, {"padding": "valid"}, {"pooling": "max"}]
)
def test_other_networks_are_refused(settings):
    with pytest.raises(ValueError, match="landmarks need orientation 'freq'"):
        LandmarkCNN(network(**settings), spectrogram(0), ("relu1",))
