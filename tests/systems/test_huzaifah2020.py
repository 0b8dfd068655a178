"""Spectrograms of a fixed range, textures, trained weights."""

import json

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.nn.functional import conv1d

from nst_lib import RandomCNN, TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.system import preset
from nst_lib.systems.huzaifah2020 import BELONGS, NO_USE
from nst_lib.train.classifier import SETTINGS, Classifier, training_config
from nst_lib.train.trained import Fold, Trained

SMALL = {"channels": 24, "kernel": 5, "duration": 1.0, "steps": 12, "n_iter": 4}


@pytest.fixture(scope="session")
def config():
    return TransferConfig.from_preset("huzaifah2020", **SMALL)


@pytest.fixture(scope="session")
def texture():
    return TransferConfig.from_preset("huzaifah2020_texture", **SMALL)


@pytest.fixture(scope="session")
def spectrograms(pair, config):
    transform = config.make_transform()
    return [
        transform(torch.from_numpy(clip.load(duration=1.0))) for clip in (pair.style, pair.content)
    ]


@pytest.fixture
def losses_of(config, spectrograms):
    def losses_of(S, **overrides):
        settings = config.replace(**overrides)
        transform = settings.make_transform()
        style, content = spectrograms
        return settings.loss(transform, style=style, content=content)(S)

    return losses_of


def test_published_settings():
    config = preset("huzaifah2020").config
    transform = config.make_transform()
    assert (transform.n_freq, transform.n_frames(5 * 22050)) == (513, 431)
    assert (config.stacks, config.channels, config.kernel, config.pooling) == (3, 4096, 11, "max")
    assert (config.steps, config.n_iter, config.momentum, config.beta) == (500, 500, 0, 1e7)
    assert preset("huzaifah2020_texture").config.beta == 1e9


def test_loss_restated(config, spectrograms, losses_of):
    network = RandomCNN(channels=24, kernel=5, init="pytorch")

    def maps(S):
        x = torch.as_tensor(S / 7)[None]
        for stack in (1, 2, 3):
            conv = network.layers[f"conv{stack}"]
            x = conv1d(x, conv.weight, conv.bias, padding=2) / np.sqrt(1 + 1e-5)
            x = x.relu()
            yield x[0].double().numpy()
            x = torch.nn.functional.max_pool1d(x, 2)

    S = spectrograms[1].flip(1)
    S_s, S_c = ([*maps(one)] for one in spectrograms)
    F = [*maps(S)]
    gram = [M @ M.T / M.shape[1] for M in (F[0], S_s[0])]
    values = losses_of(S).values()
    assert values["style"] == pytest.approx(1e7 * np.mean((gram[0] - gram[1]) ** 2), rel=1e-4)
    assert values["content"] == pytest.approx(np.mean((F[2] - S_c[2]) ** 2), rel=1e-4)
    assert values["bound"] == 0
    assert values["total"] == pytest.approx(values["style"] + values["content"])


def test_bound_is_the_norm_of_what_leaves_the_range(spectrograms, losses_of):
    S = spectrograms[1].clone()
    S[3, 5], S[100, 20] = -0.7, 7 + 1.4
    expected = 1e-3 * np.hypot(0.1, 0.2)
    assert losses_of(S).values()["bound"] == pytest.approx(expected, rel=1e-4)
    assert losses_of(S, bound=2.0).values()["bound"] == pytest.approx(2000 * expected, rel=1e-4)
    S.requires_grad_()
    losses_of(S).bound.backward()
    assert set(map(tuple, S.grad.nonzero().tolist())) == {(3, 5), (100, 20)}
    inside = spectrograms[1].clone().requires_grad_()
    losses_of(inside).total.backward()
    assert inside.grad.isfinite().all(), "a norm has no slope of its own at 0"


def test_bound_adds_to_that_of_a_content_weight(spectrograms, losses_of):
    S = spectrograms[1].clone()
    S[3, 5] = -0.7
    acting = {"content_weight": 0.5}
    both, plain = (float(losses_of(S, bound=b, **acting).bound) for b in (1.0, 0.0))
    assert plain > 0
    assert both == pytest.approx(plain + 0.1, rel=1e-4)


@pytest.mark.parametrize("log_range", [7.0, 3.5])
def test_what_is_optimised_is_the_scaled_spectrogram(pair, config, log_range):
    result = transfer(pair.content, pair.style, config.replace(log_range=log_range, steps=2))
    moved = result.spectrograms["optimised"].astype(float) - result.spectrograms["content"]
    assert result.best_step == 1
    assert np.abs(moved).sum() == pytest.approx(log_range, rel=0.02), "1 in units of the range"


def test_what_is_below_0_is_clipped_before_the_inversion(pair, texture):
    result = transfer(None, pair.style, texture)
    assert result.spectrograms["optimised"].min() == 0
    study = TransferConfig.from_preset("milacic2020", **SMALL, start="noise", start_std=7e-3)
    assert transfer(None, pair.style, study).spectrograms["optimised"].min() < 0


@pytest.mark.parametrize(
    ("orientation", "engine"),
    [("freq", "finite"), ("time", "finite"), ("2d", "finite"), ("freq", "infinite")],
)
def test_orientations_and_engines(pair, config, orientation, engine):
    config = config.replace(
        orientation=orientation, engine=engine, channels=4, duration=0.5, line_search="strong_wolfe"
    )
    result = transfer(pair.content, pair.style, config)
    assert result.evaluations[result.best_step].total < 0.5 * result.evaluations[0].total


def test_a_texture_of_another_length_between_several_styles(dataset, texture):
    styles = [pair.style for pair in dataset.pairs()[:2]]
    config = texture.replace(texture_duration=1.7, line_search="strong_wolfe", steps=25)
    result = transfer(None, styles, config)
    assert result.audio.shape == (round(1.7 * 22050),)
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.losses["style"] < 0.5 * first.losses["style"]
    network = config.network(n_freq=513, n_frames=87)
    transform = config.make_transform()

    def gram(S):
        M = network(S / 7, ["relu1"])["relu1"].double()
        return M @ M.T / M.shape[1]

    targets = [gram(transform(torch.from_numpy(clip.load(duration=1.0)))) for clip in styles]
    apart = gram(torch.from_numpy(result.spectrograms["result"])) - sum(targets) / 2
    assert result.realised["style"] == pytest.approx(1e9 * float(apart.square().mean()), rel=1e-3)


def test_styles_on_the_command_line(nst, dataset, tmp_path):
    for name, clip in zip("AB", [pair.style for pair in dataset.pairs()[:2]], strict=True):
        sf.write(tmp_path / f"{name}.wav", clip.load(duration=1.0), 22050)
    options = ("--preset", "huzaifah2020_texture", "--channels", 8, "--steps", 3, "--set")
    options = (*options, "n_iter=2", "--set", "texture_duration=1.5", "--out", "C.wav")
    result = nst("transfer", "--style", "A.wav", "--style", "B.wav", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert sf.info(tmp_path / "C.wav").frames == 1.5 * 22050
    record = json.loads((tmp_path / "C.json").read_text())
    assert record["inputs"] == {"content": None, "style": ["A.wav", "B.wav"]}
    assert nst("transfer", "--style", "B.wav", *options).returncode == 0
    record = json.loads((tmp_path / "C.json").read_text())
    assert record["inputs"] == {"content": None, "style": "B.wav"}
    result = nst("transfer", "--style", "A.wav", "--style", "B.wav", *options[:-1], "B.wav")
    assert result.stderr == "nst: B.wav: is an input, and would be replaced: choose another name\n"


@pytest.fixture(scope="module", params=["freq", "time", "2d"])
def trained(request):
    """A classifier as if it had been trained: other weights, and statistics of its own."""
    config = training_config(
        channels=6, kernel=5, stacks=3, seed=9, duration=1.0, orientation=request.param
    )
    classifier = Classifier(config, n_freq=513, n_frames=87, n_classes=2)
    generator = torch.Generator().manual_seed(0)
    for norm in (classifier.network.layers[f"bn{n}"] for n in (1, 2, 3)):
        norm.running_mean.normal_(0, 0.1, generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
    fold = Fold(fold=5, held_out=["a", "b"], epochs=[], confusion=[[1, 0], [1, 0]])
    return Trained(
        config=config, classes=("a", "b"), folds=[fold], dealt=False, classifier=classifier.eval()
    )


@pytest.fixture
def weights(trained, tmp_path):
    trained.write(tmp_path / "trained.pt")
    return str(tmp_path / "trained.pt")


def test_trained_weights_are_those_of_the_transfer(trained, weights, spectrograms):
    names = ("channels", "kernel", "duration", "orientation")
    settings = {name: getattr(trained.config, name) for name in names}
    style, content = spectrograms
    features = {}
    for name in (weights, None):
        config = TransferConfig.from_preset("huzaifah2020", weights=name, **settings)
        loss = config.loss(config.make_transform(), style=style, content=content)
        features[name] = loss.loss.terms.distances.network(content / config.log_range, ["pool3"])[
            "pool3"
        ]
    expected = trained.classifier.features(content[None]).reshape(features[weights].shape)
    assert torch.equal(features[weights], expected)
    assert not torch.allclose(features[None], expected, rtol=0.1)


def test_trained_weights_change_the_sound(trained, weights, pair):
    settings = {"channels": 6, "kernel": 5, "orientation": trained.config.orientation}
    config = TransferConfig.from_preset("huzaifah2020", **SMALL | settings)
    random, learned = (
        transfer(pair.content, pair.style, config.replace(weights=name)) for name in (None, weights)
    )
    assert random.audio.tobytes() != learned.audio.tobytes()
    assert learned.evaluations[learned.best_step].total < learned.evaluations[0].total


def test_weights_of_another_network_are_refused(trained, weights, pair):
    accepted = {"channels": 6, "kernel": 5, "duration": 1.0}
    orientation = trained.config.orientation
    config = TransferConfig.from_preset(
        "huzaifah2020", weights=weights, orientation=orientation, **accepted
    )

    def refusal(**overrides):
        with pytest.raises(ConfigError) as error:
            config.replace(**overrides).network(n_freq=513, n_frames=87)
        return str(error.value).removeprefix(f"weights={weights!r} ")

    assert refusal(channels=8) == "was trained with channels=6: use --set channels=6"
    assert refusal(stacks=4, kernel=3) == (
        "was trained with stacks=3, kernel=5: use --set stacks=3 --set kernel=5"
    )
    assert refusal(n_fft=2048).startswith("was trained with n_fft=1024:")
    assert refusal(hop_length=None).startswith("was trained with hop_length=256:")
    other = {"freq": "2d", "time": "freq", "2d": "time"}[orientation]
    assert f": use --set orientation={orientation}" in refusal(orientation=other)
    if orientation == "time":
        assert refusal(duration=2.0) == "was trained with duration=1.0: use --set duration=1.0"
    else:
        assert config.replace(duration=2.0).network(n_freq=513, n_frames=173)
    assert refusal(level="rms", pad_mode="constant") == (
        "was trained with level=off, pad_mode=reflect: use --set level=off --set pad_mode=reflect"
    )
    no_use = {"n_bins": 99, "fmin": 50, "w0": 20, "scale": 30, "level_target": -30}
    assert config.replace(**no_use).network(n_freq=513, n_frames=87)
    assert {*BELONGS} <= set(SETTINGS)


@pytest.mark.parametrize("transform", ["stft", "cqt", "cwt"])
def test_settings_that_a_transform_has_no_use_for(pair, transform):
    config = training_config(duration=1.0, transform=transform, n_bins=60, bins_per_octave=12)
    config = config.replace(hop_length=64)
    other = {"n_fft": 512, "n_bins": 72, "bins_per_octave": 10, "fmin": 40.0, "residual": True}
    other |= {"w0": 8.0, "scale": 30.0, "pad_mode": "constant"}
    y = torch.from_numpy(pair.style.load(duration=1.0))
    S = config.make_transform()(y)
    same = {
        name
        for name, value in other.items()
        if torch.equal(config.replace(**{name: value}).make_transform()(y), S)
    }
    assert same == NO_USE[transform]


def test_a_spectrogram_of_bands(tmp_path):
    config = training_config(channels=2, stacks=1, kernel=3, transform="cwt", n_bins=8, w0=9.0)
    classifier = Classifier(config, n_freq=8, n_frames=9, n_classes=2)
    made = Trained(
        config=config,
        classes=("a", "b"),
        folds=[Fold(fold=1, held_out=["a"], epochs=[], confusion=[[1, 0], [0, 0]])],
        dealt=False,
        classifier=classifier,
    )
    made.write(tmp_path / "t.pt")
    config = config.replace(weights=str(tmp_path / "t.pt"))
    assert config.replace(n_fft=2048).network(n_freq=8, n_frames=9)
    with pytest.raises(
        ConfigError, match=r"was trained with w0=9.0, scale=1.0: use --set w0=9.0 --set "
    ):
        config.replace(w0=None, scale=30.0).network(n_freq=8, n_frames=9)
    with pytest.raises(
        ConfigError, match=r"was trained with transform=cwt, n_bins=8, w0=9.0: use --set t"
    ):
        config.replace(transform="stft", n_bins=9, w0=None).network(n_freq=8, n_frames=9)


def test_sounds_of_another_length(trained, weights):
    settings = {"channels": 6, "kernel": 5, "duration": 1.0}
    settings["orientation"] = trained.config.orientation
    config = TransferConfig.from_preset("huzaifah2020", weights=weights, **settings)
    if config.orientation != "time":
        assert config.network(n_freq=513, n_frames=90)
        return
    message = "trained.pt' was trained on sounds of 87 frames, not 90: use recordings as long as in"
    with pytest.raises(ConfigError, match=message):
        config.network(n_freq=513, n_frames=90)


def test_a_checkpoint_is_of_the_weights_as_they_were(trained, weights, pair, tmp_path):
    settings = {"channels": 6, "kernel": 5, "orientation": trained.config.orientation, "steps": 2}
    settings |= {"weights": weights, "domain": "hybrid"}
    config = TransferConfig.from_preset("huzaifah2020", **SMALL | settings)
    saved = {"checkpoint": tmp_path / "run.ckpt"}
    first, again = (transfer(pair.content, pair.style, config, **saved) for _ in range(2))
    assert again.evaluations[0] == first.evaluations[0], "its seconds too"
    changed = torch.load(weights)
    changed["network"]["layers.conv1.bias"] += 1
    torch.save(changed, weights)
    with pytest.raises(
        ValueError, match=r"belongs to another transfer \(settings, weights or record"
    ):
        transfer(pair.content, pair.style, config, **saved)
    (tmp_path / "trained.pt").unlink()
    with pytest.raises(ConfigError, match=r"trained.pt': cannot be read \(No such file"):
        transfer(pair.content, pair.style, config, **saved)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("settings", [1], "holds something else"),
        ("settings", {}, "does not give its sr"),
        ("kernel", torch.ones(2), "does not give its kernel"),
        ("network", torch.ones(2), "holds something else"),
        ("network", {}, r"has no layers\.conv1\.weight of torch\.float32"),
        ("layers.conv1.bias", torch.ones(6).int(), r"has no layers\.conv1\.bias of torch\.float32"),
        ("layers.conv1.bias", torch.ones(5), r"layers\.conv1\.bias has shape \(5,\) instead of"),
        ("layers.conv1.bias", torch.full((6,), torch.inf), r"layers\.conv1\.bias is not finite"),
    ],
)
def test_damaged_weights(trained, weights, name, value, message):
    saved = torch.load(weights)
    parts = (saved, saved["settings"], saved["network"])
    next(part for part in parts if name in part)[name] = value
    torch.save(saved, weights)
    message = rf"trained.pt': {message}.*; accepted: a file that `nst train` wrote$"
    with pytest.raises(ConfigError, match=message):
        trained.config.replace(weights=weights).network(n_freq=513, n_frames=87)


def test_bad_weights(config, make_wav, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "bad.pt"
    config = config.replace(weights="~/bad.pt")
    with pytest.raises(
        ConfigError, match=r"bad.pt': cannot be read \(No such file or dir.*\); acc"
    ):
        config.network(n_freq=513, n_frames=87)
    for write in (lambda: path.write_text("not one"), lambda: make_wav().rename(path)):
        write()
        with pytest.raises(
            ConfigError, match=r"bad.pt': is not a file of tensors that torch.save wrote;"
        ):
            config.network(n_freq=513, n_frames=87)
    torch.save([torch.zeros(3)], path)
    with pytest.raises(ConfigError, match=r"bad.pt': holds something else; accepted: a file that"):
        config.network(n_freq=513, n_frames=87)
    with pytest.raises(ConfigError, match="engine='infinite' with trained weights; accepted: fin"):
        config.replace(engine="infinite")
    with pytest.raises(ConfigError, match="convolution='fft' with trained weights; accepted: dir"):
        config.replace(convolution="fft")
    assert config.replace(weights=None).replace(convolution="fft").convolution == "fft"


def test_convolution_by_fft(config, losses_of, spectrograms):
    direct, fft = (
        losses_of(spectrograms[0], convolution=convolution).values()
        for convolution in ("direct", "fft")
    )
    assert fft["content"] == pytest.approx(direct["content"], rel=1e-4)
