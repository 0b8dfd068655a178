import hashlib
import http.server
import json
import threading
from functools import partial

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.nn import functional

from nst_lib import TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.core.objective import TradeOff
from nst_lib.sound.datasets import open_dataset
from nst_lib.systems import gatys2016
from nst_lib.systems.gatys2016 import CONVOLUTIONS, LAYERS, LEAST, SHAPES, VGG19, read_weights

# Configuration E of K. Simonyan and A. Zisserman, 2015: channels of the convolutions, M for a pool.
VGG_E = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"]


@pytest.fixture(scope="session")
def state():
    """Random weights that keep a signal's size; filter 3 of the first layer never fires."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, shape in SHAPES.items():
        std = (2 / (9 * shape[1])) ** 0.5 if len(shape) == 4 else 0.01
        made[name] = std * torch.randn(shape, generator=generator)
    made["features.0.bias"][3] = -1e3
    return made


@pytest.fixture(scope="session")
def weights(state, tmp_path_factory):
    """A file as PyTorch's: not a zip archive, and with the classifier."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    classifier = {"classifier.0.weight": torch.zeros(2, 3)}
    torch.save({**state, **classifier}, path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def config(weights):
    return TransferConfig.from_preset("gatys2016", weights=str(weights))


@pytest.fixture
def sounds(rng):
    """A style and a content of different lengths, as log-magnitudes."""
    return [torch.from_numpy(7 * rng.random((40, n), dtype="float32") ** 2) for n in (48, 32)]


def restated(state, S, *, pool):
    """Every map of VGG-19, by the position of its layer in PyTorch's list."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = ((torch.stack([S, S, S], dim=-1) / 7 - mean) / std).movedim(-1, 0)[None]
    maps, position = [], 0
    for channels in VGG_E:
        if channels == "M":
            x, position = pool(x, 2), position + 1
        else:
            weight, bias = (state[f"features.{position}.{part}"] for part in ("weight", "bias"))
            x, position = functional.conv2d(x, weight, bias, padding=1).clamp_min(0), position + 2
            assert x.shape[1] == channels
        maps.append(x[0])
    return maps


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [("average", functional.avg_pool2d), ("max", functional.max_pool2d)],
)
def test_features_equal_a_plain_restatement(state, sounds, pooling, pool):
    network = VGG19(state, pooling=pooling)
    maps = network(sounds[0])
    assert tuple(maps) == LAYERS
    for F, expected in zip(maps.values(), restated(state, sounds[0], pool=pool), strict=True):
        torch.testing.assert_close(F, expected)
    batch = network(torch.stack([sounds[1], sounds[1]])[:, None], ["conv2_1"])["conv2_1"]
    torch.testing.assert_close(batch[1, 0], network(sounds[1], ["conv2_1"])["conv2_1"])


def test_architecture(config):
    network = config.network(n_freq=64, n_frames=48)
    assert (len(CONVOLUTIONS), len(LAYERS) - len(CONVOLUTIONS)) == (16, 5)
    with torch.no_grad():
        maps = network(torch.zeros(64, 48))
    assert {name: tuple(maps[name].shape) for name in (*config.style_layers, "pool5")} == {
        "conv1_1": (64, 64, 48),
        "conv2_1": (128, 32, 24),
        "conv3_1": (256, 16, 12),
        "conv4_1": (512, 8, 6),
        "conv5_1": (512, 4, 3),
        "pool5": (512, 2, 1),
    }
    published = 20_024_384  # of torchvision's vgg19().features
    assert config.n_weights(n_freq=64, n_frames=48) == published
    assert sum(parameter.numel() for parameter in network.parameters()) == published
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_stops_at_the_deepest_layer_needed(state, sounds):
    network = VGG19(state)
    ran = []
    for name, layer in network.layers.items():
        layer.register_forward_hook(lambda *_args, name=name: ran.append(name))
    network(sounds[0], ["conv2_1", "pool1"])
    assert ran == ["conv1_1", "conv1_2", "pool1", "conv2_1"]
    ran.clear()
    network.rescale(sounds, ["conv1_2"])
    assert ran == ["conv1_1", "conv1_1", "conv1_2", "conv1_2"]
    assert network(sounds[0], []) == {}


def test_losses_are_the_equations_of_the_paper(config, state, sounds):
    a, p = (S.double() for S in sounds)
    x = p.flip(1).requires_grad_()
    config = config.replace(rescale=False)
    losses = config.loss(config.make_transform(), style=a, content=p)(x)
    double = {name: value.double() for name, value in state.items()}

    def maps(S):
        found = dict(zip(LAYERS, restated(double, S, pool=functional.avg_pool2d), strict=True))
        return {name: F.flatten(1) for name, F in found.items()}

    of_a, of_p, of_x = maps(a), maps(p), maps(x)
    # The paper resizes the style to the content; with other lengths, sums become means.
    content = 0.5 * (of_x["conv4_2"] - of_p["conv4_2"]).square().sum()
    style = 0
    for name in ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"):
        F, F_a = of_x[name], of_a[name]
        N, M, M_a = *F.shape, F_a.shape[1]
        G, A = F @ F.T, F_a @ F_a.T * (M / M_a)
        E = (G - A).square().sum() / (4 * N**2 * M**2)
        means = torch.nn.functional.mse_loss(G / M, A / M)
        torch.testing.assert_close(E, means / 4)
        style = style + E / 5
    total = 1e-3 * content + style
    torch.testing.assert_close(losses.content, 1e-3 * content)
    torch.testing.assert_close(losses.style, style)
    gradient, expected = (torch.autograd.grad(loss, x)[0] for loss in (losses.total, total))
    torch.testing.assert_close(gradient, expected)


def test_rescaled_filters_have_a_mean_activation_of_1(config, sounds):
    style, content = sounds
    plain = config.network(n_freq=40, n_frames=32)
    network = config.loss(
        config.make_transform(), style=style, content=content
    ).terms.distances.network
    for name in ("conv1_1", "conv1_2", "conv2_1", "conv3_4", "conv4_2", "conv5_1"):
        F, F_plain = (
            torch.cat([n(S, [name])[name].flatten(1) for S in sounds], dim=1)
            for n in (network, plain)
        )
        mean = F_plain.mean(1, keepdim=True)
        floored = mean.clamp_min(LEAST * mean.mean())
        torch.testing.assert_close(F * floored, F_plain, atol=1e-4, rtol=1e-3)
        hardly = mean < floored
        assert hardly.sum() < 0.1 * len(mean)
        means = F.mean(1)[~hardly[:, 0]]
        torch.testing.assert_close(means, torch.ones_like(means), atol=1e-3, rtol=0)


@pytest.mark.long
def test_filters_that_hardly_fire_do_not_make_it_diverge():
    pair = open_dataset("synthetic").pairs(seed=0)[1]
    config = TransferConfig.from_preset(
        "gatys2016",
        weights="random",
        style_layers=["conv1_1", "conv2_1"],
        content_layers=["conv2_1"],
        duration=2,
        hop_length=512,
        steps=8,
        n_iter=1,
    )
    result = transfer(pair.content, pair.style, config)
    assert result.outcome == "finished"
    assert result.evaluations[result.best_step].total < 0.9 * result.evaluations[0].total


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_rescaling_leaves_what_lies_deeper(state, sounds, pooling):
    plain, network = (VGG19(state, pooling=pooling) for _ in range(2))
    network.rescale(sounds, ["conv3_2"])
    for name in ("conv3_3", "pool5"):
        expected = plain(sounds[0], [name])[name]
        torch.testing.assert_close(network(sounds[0], [name])[name], expected, atol=1e-4, rtol=1e-3)


def test_rescaling_is_a_setting(config, sounds):
    style, content = sounds
    config = config.replace(style_layers=["conv1_1", "conv1_2"], content_layers=[])
    for rescale, mean in ((False, pytest.approx(0.4, abs=0.3)), (True, pytest.approx(63 / 64))):
        loss = config.replace(rescale=rescale).loss(
            config.make_transform(), style=style, content=content
        )
        maps = [loss.terms.distances.network(S, ["conv1_1"])["conv1_1"] for S in sounds]
        assert torch.cat(maps, dim=-1).mean().item() == mean
        assert loss(style).total.item() == pytest.approx(0, abs=1e-6)


def test_the_other_settings_of_the_loss_act(config, sounds):
    style, content = sounds

    def make(config, style):
        return config.loss(config.make_transform(), style=style, content=content)

    weighed = make(config.replace(content_weight=0.3, layer_weights="balanced"), style)
    assert isinstance(weighed, TradeOff)
    at_content = weighed(content)
    assert at_content.content.item() == 0
    assert at_content.style.item() == pytest.approx(0.7)
    assert set(at_content.terms) == {
        *(f"style {name}" for name in config.style_layers),
        "content conv4_2",
    }
    half = config.replace(style_layers=["conv1_1"], content_layers=[])
    both, one, other = (make(half, s)(content).style for s in (sounds, style, content))
    assert other < both < one
    texture = half.loss(half.make_transform(), style=style, content=None)
    assert texture(style).total.item() == pytest.approx(0, abs=1e-6)


def test_settings():
    config = TransferConfig.from_preset("gatys2016")
    assert (config.weights, config.pooling, config.start) == (None, "average", "noise")
    assert config.beta == 1 / 5
    assert TransferConfig.from_json(config.to_json()) == config
    assert "kernel" not in config.to_dict()
    assert config.describe()["pooling"].endswith("[average | max]")
    for setting, message in (
        ({"channels": 8}, "gatys2016 has no setting 'channels'; `nst presets gatys2016`"),
        ({"pooling": "none"}, r"pooling='none'; accepted: a word \[average | max\]"),
        (
            {"style_layers": "relu1"},
            "style_layers: unknown layer relu1; accepted: conv1_1, conv1_2",
        ),
        ({"weights": 3}, "weights=3; accepted: a word or null"),
        ({"rescale": 1}, "rescale=1; accepted: true or false"),
    ):
        with pytest.raises(ConfigError, match=message):
            config.replace(**setting)
    with pytest.raises(ValueError, match="pooling 'none'; accepted: average, max"):
        VGG19({}, pooling="none")


def test_bad_inputs(state):
    network = VGG19(state)
    with pytest.raises(ValueError, match=r"pool4 needs 2 positions, .* leaves only 1: use layers"):
        network(torch.zeros(8, 80), ["conv5_1"])
    with pytest.raises(ValueError, match="unknown layer conv9_1; accepted: conv1_1, conv1_2"):
        network(torch.zeros(8, 8), ["conv9_1"])


def saved(content):
    return partial(torch.save, content)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, r"cannot be read \(No such file or directory\)"),
        (lambda path: path.mkdir(), r"cannot be read \(Is a directory\)"),
        (lambda path: path.touch(), "is not a file of tensors that torch.save wrote"),
        (lambda path: path.write_text("weights, two\nlines"), "is not a file of tensors"),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut"), "is not a file of tensors"),
        (lambda path: np.savez(path.open("wb"), a=np.zeros(3)), "is not a file of tensors"),
        (saved(torch.nn.Linear(2, 2)), "is not a file of tensors that torch.save wrote"),
        (saved([torch.zeros(2)]), "holds a list, not a state dict"),
        (saved({"state_dict": {}}), "has no features.0.weight"),
        (saved({"features.0.weight": 3}), "features.0.weight is not a tensor of floating-point"),
        (
            saved({"features.0.weight": torch.zeros(64, 3, 3, 3, dtype=torch.int8)}),
            "features.0.weight is not a tensor of floating-point numbers",
        ),
        (
            saved({"features.0.weight": torch.zeros(64, 1, 3, 3)}),
            r"features.0.weight has shape \(64, 1, 3, 3\) instead of \(64, 3, 3, 3\)",
        ),
        (
            saved({"features.0.weight": torch.full((64, 3, 3, 3), torch.nan)}),
            "features.0.weight is not finite",
        ),
        (saved({"features.0.weight": torch.zeros(64, 3, 3, 3)}), "has no features.0.bias"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_bad_weights_are_refused(tmp_path, write, message):
    path = tmp_path / "bad.pth"
    write(path)
    with pytest.raises(ConfigError, match=rf"^weights='.*bad.pth': {message}") as caught:
        read_weights(str(path))
    assert str(caught.value).endswith(
        "accepted: a file or URL of a state dict of PyTorch's VGG-19, random, or null"
    )


@pytest.fixture
def server(weights, tmp_path, monkeypatch):
    """The weights at a URL, under names with the right hash, a wrong one and none."""
    served = tmp_path / "served"
    served.mkdir()
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    for name in (f"vgg19-{digest}.pth", "vgg19-00000000.pth", "vgg19.pth"):
        (served / name).symlink_to(weights)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = partial(Handler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        http_server.url = f"http://127.0.0.1:{http_server.server_port}"
        http_server.good = f"vgg19-{digest}.pth"
        http_server.served = served
        yield http_server
        http_server.shutdown()


def test_weights_from_a_url(server, state, tmp_path, monkeypatch, capfd):
    for name in (server.good, "vgg19.pth"):
        for _ in range(2):
            fetched = read_weights(f"{server.url}/{name}")
            (server.served / name).unlink(missing_ok=True)  # the second time it is in the cache
        assert fetched.keys() == state.keys()
        assert torch.equal(fetched["features.34.weight"], state["features.34.weight"])
    cache = tmp_path / "hub" / "hub" / "checkpoints"
    assert {path.name[-9:] for path in cache.iterdir()} == {"vgg19.pth", server.good[-9:]}
    with pytest.raises(ConfigError, match=r"cannot be fetched \(invalid hash value .*00000000"):
        read_weights(f"{server.url}/vgg19-00000000.pth")
    with pytest.raises(ConfigError, match=r"cannot be fetched \(File not found\)"):
        read_weights(f"{server.url}/vgg16.pth")
    with pytest.raises(ConfigError, match=r"^weights='gopher://x/y': cannot be fetched \(unknown"):
        read_weights("gopher://x/y")
    monkeypatch.setattr(gatys2016, "URL", "http://127.0.0.1:9/vgg19-dcbb9e9d.pth")
    message = r"^weights='http://127.0.0.1:9/vgg19-dcbb9e9d.pth': cannot be fetched \(.*refused"
    with pytest.raises(ConfigError, match=message):
        read_weights()
    assert len(list(cache.iterdir())) == 2, "nothing half-fetched"
    assert capfd.readouterr() == ("", "")


def test_transfer_of_recordings(dataset, config):
    pair = dataset.pairs()[0]
    config = config.replace(
        **{"duration": 0.5, "hop_length": 512, "steps": 12, "n_iter": 2, "alpha": 0.0},
        rescale=False,
        style_layers=["conv1_1", "conv2_1"],
        content_layers=["conv2_2"],
    )
    result = transfer(pair.content, pair.style, config)
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.total < 0.5 * first.total
    assert best.losses["style"] < 0.5 * first.losses["style"]
    assert {"style conv1_1", "style conv2_1", "content conv2_2"} <= first.losses.keys()
    assert result.audio.shape == (11025,)
    assert result.audio.std() > 1e-4


def test_command_line(nst, weights, tmp_path, dataset):
    pair = dataset.pairs()[0]
    for name, clip in (("A.wav", pair.content), ("B.wav", pair.style)):
        sf.write(tmp_path / name, clip.load(sr=22050, duration=0.5), 22050)
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav")
    small = ("duration=0.5", "hop_length=512", "n_iter=2", "style_layers=conv1_1")
    settings = [word for setting in small for word in ("--set", setting)]
    run = partial(
        nst, "transfer", "--preset", "gatys2016", *arguments, *settings, "--steps", 2, "--set"
    )
    result = run(f"weights={weights}", "--set", "content_layers=conv1_2")
    assert (result.returncode, result.stderr) == (0, "")
    record = json.loads((tmp_path / "C.json").read_text())
    assert record["config"]["weights"] == str(weights)
    assert TransferConfig.from_dict(record["config"]).pooling == "average"
    (tmp_path / "C.wav").unlink()
    result = run("weights=A.wav")
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "nst: weights='A.wav': is not a file of tensors that torch.save wrote; acc"
    )
    assert not (tmp_path / "C.wav").exists()


def test_drawn_weights_keep_the_size_of_a_signal(sounds):
    drawn = gatys2016.draw_weights(3)
    assert {name: tuple(value.shape) for name, value in drawn.items()} == gatys2016.SHAPES
    assert drawn["features.2.weight"].std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.02)
    again, other = gatys2016.draw_weights(3), gatys2016.draw_weights(4)
    assert torch.equal(drawn["features.0.weight"], again["features.0.weight"])
    assert not torch.equal(drawn["features.0.weight"], other["features.0.weight"])
    config = TransferConfig.from_preset("gatys2016", weights="random", seed=3)
    network = config.network(n_freq=40, n_frames=48)
    maps = network(sounds[0], ["conv1_2", "conv4_4"])
    ratio = maps["conv4_4"].square().mean() / maps["conv1_2"].square().mean()
    assert 0.05 < float(ratio) < 5
