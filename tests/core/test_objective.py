import numpy as np
import pytest
import torch

from nst_lib import STFT, RandomCNN, TransferConfig, transfer
from nst_lib.core.kernel import InfiniteCNN
from nst_lib.core.objective import TradeOff, WeightedSum, published_weight, transfer_loss

NETWORKS = {
    "finite": lambda: RandomCNN(n_freq=24, stacks=2, channels=64, kernel=3).double(),
    "infinite": lambda: InfiniteCNN(n_freq=24, stacks=2, channels=64, kernel=3),
}
LAYERS = {"style_layers": ("relu1", "relu2"), "content_layers": ("relu1", "relu2")}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


@pytest.fixture
def sounds(rng) -> tuple[torch.Tensor, ...]:
    """A style, a content and a candidate, of 40, 50 and 50 frames."""
    return tuple(torch.from_numpy(3 * rng.random((24, n)) ** 2) for n in (40, 50, 50))


def objective(network, sounds, **settings) -> WeightedSum | TradeOff:
    style, content, _ = sounds
    return transfer_loss(network, style=style, content=content, **{**LAYERS, **settings})


def test_published_terms_add_up(network, sounds):
    values = objective(network, sounds, alpha=2.0, beta=3.0)(sounds[2]).values()
    assert values["style"] == pytest.approx(values["style relu1"] + values["style relu2"])
    assert values["content"] == pytest.approx(values["content relu1"] + values["content relu2"])
    assert values["total"] == pytest.approx(values["style"] + values["content"])


def test_balanced_layers_have_equal_shares_at_the_content(network, sounds):
    published = objective(network, sounds)(sounds[1]).values()
    balanced = objective(network, sounds, layer_weights="balanced")(sounds[1]).values()
    assert published["style relu2"] < 0.1 * published["style relu1"], "as the study found"
    assert balanced["style relu2"] == pytest.approx(balanced["style relu1"], rel=1e-6)
    assert balanced["style"] == pytest.approx(published["style"], rel=1e-6)


def test_balanced_without_a_content_is_by_silence(network, sounds):
    loss = transfer_loss(network, style=sounds[0], content=None, **LAYERS, layer_weights="balanced")
    values = loss(torch.zeros_like(sounds[0])).values()
    assert values["style relu2"] == pytest.approx(values["style relu1"], rel=1e-6)


def test_content_weight_spans_style_and_content(network, sounds):
    for weight in (0.0, 0.3, 1.0):
        loss = objective(network, sounds, content_weight=weight)
        at_content, at_style = loss(sounds[1]), loss(sounds[0][:, :40].repeat(1, 2)[:, :50])
        assert at_content.style.item() == pytest.approx(1 - weight, abs=1e-4)
        assert abs(at_content.content.item()) < 1e-9
        assert at_style.style.item() < 0.9 * (1 - weight) + 1e-9


def test_a_sound_that_is_its_own_style_has_nothing_to_gain(network, sounds):
    loss = transfer_loss(network, style=sounds[1], content=sounds[1], **LAYERS, content_weight=0.5)
    x = sounds[1].clone().requires_grad_()
    total = loss(x).total
    assert total.item() < 1e-3
    (gradient,) = torch.autograd.grad(total, x)
    assert gradient.isfinite().all()


def test_mapping_to_alpha_and_beta(network, sounds):
    # With the weight that alpha and beta amount to, both objectives have one gradient's direction.
    alpha, beta = 5.0, 2.0
    x = sounds[2].clone().requires_grad_()
    published = objective(network, sounds, alpha=alpha, beta=beta, content_layers=("relu2",))
    losses = published(x)
    (expected,) = torch.autograd.grad(losses.total, x)
    style_only = objective(network, sounds, content_weight=0.0, alpha=alpha, beta=beta)
    relative = sum(v for k, v in style_only(x).values().items() if k.startswith("style relu"))
    acting = objective(network, sounds, content_weight=0.5, content_layers=("relu2",))
    weight = published_weight(acting.terms, alpha=alpha, beta=beta, relative_style_loss=relative)
    assert 0 < weight < 1
    same = objective(network, sounds, content_weight=weight, content_layers=("relu2",))
    (gradient,) = torch.autograd.grad(same(x).total, x)
    one, other = gradient / gradient.norm(), expected / expected.norm()
    assert (one * other).sum().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.long
def test_content_weight_moves_from_style_to_content(dataset):
    pair = dataset.pairs()[0]
    scores = []
    for weight in (0.0, 0.03, 0.2, 0.5, 0.8, 0.95, 1.0):
        config = TransferConfig.from_preset(
            "fast", content_weight=weight, duration=2.0, steps=60, n_iter=8
        )
        scores.append(transfer(pair.content, pair.style, config).scores)
    timbre, rhythm = (np.array([getattr(s, name) for s in scores]) for name in ("timbre", "rhythm"))
    assert np.all(np.diff(timbre) < 0.1), timbre
    assert np.all(np.diff(rhythm) > -0.1), rhythm
    assert timbre[0] > 0.8
    assert timbre[-1] == pytest.approx(0, abs=0.1)
    assert rhythm[-1] > 0.95
    assert np.abs(np.diff(timbre)).max() < 0.7, "no jump"


def test_leaving_the_range_of_the_sounds_costs(network, sounds):
    loss = objective(network, sounds, content_weight=0.1)
    assert loss(sounds[1]).bound.item() == 0
    highest = max(S.max().item() for S in sounds[:2])
    loud = sounds[1].clone()
    loud[3, 7] = highest + 2
    loud[4, 7] = -1
    expected = (2**2 + 1**2) / loud.numel() / sounds[0].square().mean().item()
    losses = loss(loud)
    assert losses.bound.item() == pytest.approx(expected)
    assert losses.values()["bound"] == pytest.approx(expected)
    assert losses.total.item() == pytest.approx((losses.style + losses.content).item() + expected)
    assert objective(network, sounds)(loud).bound is None, "not in the published objective"


def test_correlations_need_no_features(sounds):
    transform = STFT(sr=1000, n_fft=46, hop_length=20)
    loss = objective(
        NETWORKS["infinite"](),
        sounds,
        content_terms=("onset", "spectrogram"),
        content_weight=0.5,
        transform=transform,
    )
    losses = loss(sounds[2])
    assert set(losses.terms) == {
        *("style relu1", "style relu2", "content onset", "content spectrogram"),
    }
    mean = (losses.terms["content onset"] + losses.terms["content spectrogram"]) / 2
    assert losses.content.item() == pytest.approx(0.5 * mean.item())


def test_unknown_names_are_refused(network, sounds):
    with pytest.raises(ValueError, match="layer_weights 'equal'; accepted: published, balanced"):
        objective(network, sounds, layer_weights="equal")
    with pytest.raises(ValueError, match="content_terms 'pitch'; accepted: features, onset"):
        objective(network, sounds, content_terms=("pitch",))
    with pytest.raises(ValueError, match="content_terms 'onset' needs a transform"):
        objective(network, sounds, content_terms=("onset",))
    with pytest.raises(ValueError, match="nothing to match"):
        objective(network, sounds, style_layers=(), content_terms=())
