import math

import numpy as np
import pytest
import torch

from nst_lib import RandomCNN
from nst_lib.core.network import layer_names, n_weights, variances

SMALL = {"n_freq": 12, "n_frames": 40, "channels": 16, "kernel": 5}


@pytest.fixture
def S(rng) -> torch.Tensor:
    return torch.from_numpy(rng.random((12, 40), dtype="float32"))


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        ("freq", {"relu1": (16, 40), "pool1": (16, 20), "relu2": (16, 20), "pool2": (16, 10)}),
        ("time", {"relu1": (16, 12), "pool1": (16, 6), "relu2": (16, 6), "pool2": (16, 3)}),
        (
            "2d",
            {
                "relu1": (16, 12, 40),
                "pool1": (16, 6, 20),
                "relu2": (16, 6, 20),
                "pool2": (16, 3, 10),
            },
        ),
    ],
)
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_shapes(S, orientation, expected, pooling):
    network = RandomCNN(orientation=orientation, stacks=2, pooling=pooling, **SMALL)
    maps = network(S, expected)
    assert {name: tuple(F.shape) for name, F in maps.items()} == expected
    batch = network(S.expand(2, 3, 12, 40), ["pool2"])["pool2"]
    torch.testing.assert_close(batch[1, 2], maps["pool2"])


def test_layer_names():
    assert layer_names(stacks=2) == (
        *("conv1", "bn1", "relu1", "pool1"),
        *("conv2", "bn2", "relu2", "pool2"),
    )
    assert layer_names(stacks=1, batch_norm=False) == ("conv1", "relu1", "pool1")


def test_stops_at_the_deepest_layer_needed(S):
    network = RandomCNN(stacks=3, **SMALL)
    ran = []
    for name, layer in network.layers.items():
        layer.register_forward_hook(lambda *_args, name=name: ran.append(name))
    network(S, ["relu2", "conv1"])
    assert ran == ["conv1", "bn1", "relu1", "pool1", "conv2", "bn2", "relu2"]


def test_layers_are_what_they_are_called(S):
    network = RandomCNN(stacks=1, pooling="max", **SMALL)
    maps = network(S)
    conv = network.layers["conv1"]
    padded = torch.nn.functional.pad(S, (2, 2))
    expected = torch.stack(
        [(conv.weight * padded[:, t : t + 5]).sum((1, 2)) + conv.bias for t in range(40)], dim=1
    )
    torch.testing.assert_close(maps["conv1"], expected)
    torch.testing.assert_close(maps["bn1"], maps["conv1"] / math.sqrt(1 + 1e-5))
    torch.testing.assert_close(maps["relu1"], maps["bn1"].clamp_min(0))
    torch.testing.assert_close(maps["pool1"], maps["relu1"].unflatten(1, (20, 2)).amax(2))
    average = RandomCNN(stacks=1, pooling="average", **SMALL)(S)
    torch.testing.assert_close(average["pool1"], average["relu1"].unflatten(1, (20, 2)).mean(2))


def test_seed_decides_the_weights(S):
    def features(seed):
        return RandomCNN(stacks=2, seed=seed, **SMALL)(S, ["relu2"])["relu2"]

    assert torch.equal(features(1), features(1))
    assert not torch.equal(features(1), features(2))


def test_global_seed_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    RandomCNN(**SMALL)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("init", ["milacic2020", "pytorch"])
def test_initialisation(init):
    network = RandomCNN(n_freq=64, channels=256, kernel=11, stacks=2, init=init)
    for name, fan_in in (("conv1", 64 * 11), ("conv2", 256 * 11)):
        weight, bias = network.layers[name].weight, network.layers[name].bias
        bound = 1 / math.sqrt(fan_in)
        std = 1e-3 if init == "milacic2020" else bound / math.sqrt(3)
        assert weight.std().item() == pytest.approx(std, rel=0.01)
        assert bias.abs().max().item() <= bound
        assert bias.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    if init == "milacic2020":
        assert weight.abs().max() > 4e-3, "a normal draw has tails"
    else:
        assert weight.abs().max() <= bound


def test_the_draw_of_ulyanov_and_lebedev():
    # 1025 bins, 4096 filters over 11 frames: 0.00843, by the formula of their code.
    variance, biases = variances("ulyanov2016", fan=1025, channels=4096, taps=11)
    assert math.sqrt(variance) == pytest.approx(0.00843, abs=5e-6)
    assert biases == 0
    network = RandomCNN(n_freq=64, channels=256, stacks=1, init="ulyanov2016")
    weight, bias = network.layers["conv1"].weight, network.layers["conv1"].bias
    assert weight.std().item() == pytest.approx(math.sqrt(4 / ((64 + 256) * 11)), rel=0.01)
    assert not bias.any()


@pytest.mark.parametrize("convolution", ["direct", "fft"])
@pytest.mark.parametrize("orientation", ["freq", "time"])
def test_valid_padding_leaves_the_middle(S, orientation, convolution):
    settings = {**SMALL, "stacks": 2, "pooling": "none", "orientation": orientation}
    same, valid = (
        RandomCNN(padding=padding, convolution=convolution, **settings)(S)
        for padding in ("same", "valid")
    )
    torch.testing.assert_close(valid["relu1"], same["relu1"][..., 2:-2])
    torch.testing.assert_close(valid["relu2"], same["relu2"][..., 4:-4])


def test_valid_padding_in_two_dimensions(S):
    network = RandomCNN(padding="valid", orientation="2d", stacks=1, **SMALL)
    assert network(S, ["relu1"])["relu1"].shape == (16, 8, 36)
    with pytest.raises(ValueError, match=r"conv1 needs 5 positions, .* leaves only 4: use"):
        network(S[:4], ["relu1"])


def test_published_bias_bounds():
    # The study's biases lie within +-0.0133 in layer 1 and +-0.0047 in the others.
    assert 1 / math.sqrt(513 * 11) == pytest.approx(0.0133, abs=5e-5)
    assert 1 / math.sqrt(4096 * 11) == pytest.approx(0.0047, abs=5e-5)


def test_weights_are_fixed_and_counted():
    network = RandomCNN(n_freq=20, channels=8, kernel=3, stacks=3)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    counted = sum(layer.weight.numel() for name, layer in network.layers.items() if "conv" in name)
    assert n_weights(fan=20, stacks=3, channels=8, kernel=3, dimensions=1) == counted
    study = n_weights(fan=513, stacks=3, channels=4096, kernel=11, dimensions=1)
    assert 4 * study / 1e9 == pytest.approx(1.57, abs=0.005)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "median"}, "pooling 'median'; accepted: max, average"),
        ({"orientation": "depth"}, "orientation 'depth'; accepted: freq, time, 2d"),
        ({"init": "xavier"}, "init 'xavier'; accepted: milacic2020, pytorch"),
        ({"channels": 0}, "channels 0; accepted: 1 or more"),
        ({"kernel": 4}, "kernel 4; accepted: odd numbers"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        RandomCNN(**settings)


def test_bad_inputs(S):
    network = RandomCNN(stacks=2, **SMALL)
    with pytest.raises(
        ValueError, match="unknown layer relu9; accepted: conv1, bn1, relu1, pool1, conv2"
    ):
        network(S, ["relu9"])
    with pytest.raises(ValueError, match=r"13 bins, .*; accepted: 12 bins$"):
        network(torch.zeros(13, 40))
    with pytest.raises(ValueError, match=r"39 frames, but the network was built for 40: "):
        RandomCNN(orientation="time", **SMALL)(S[:, 1:])
    with pytest.raises(ValueError, match=r"pool2 needs 2 positions, .* leaves only 1: use"):
        network(S[:, :3])


def test_numpy_and_torch_agree_on_a_frame_shift(S):
    F = RandomCNN(stacks=1, **SMALL)(S, ["relu1"])["relu1"].numpy()
    shifted = RandomCNN(stacks=1, **SMALL)(S.roll(3, 1), ["relu1"])["relu1"].numpy()
    np.testing.assert_allclose(shifted[:, 6:36], F[:, 3:33], rtol=1e-4, atol=1e-7)
