import numpy as np
import pytest
import torch

from nst_lib.core import blocks
from nst_lib.core.blocks import BlockTerms, Parts, Samples
from nst_lib.core.content import correlation_term
from nst_lib.core.gains import Gains
from nst_lib.core.losses import GramDistances
from nst_lib.core.network import RandomCNN
from nst_lib.core.objective import Terms, TradeOff
from nst_lib.core.optimise import Stopped, minimise
from nst_lib.core.transforms import STFT

SR, N_FFT = 4000, 256
LAYERS = ("relu1", "relu2")


def sound(seed: int, seconds: float) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SR)) / SR
    swell = (0.1 + np.abs(np.sin(2 * np.pi * (0.7 + 0.1 * seed) * t))) * np.exp(t / 3)
    return torch.from_numpy(swell * rng.standard_normal(len(t)) * 0.1)


@pytest.fixture(scope="module")
def network() -> RandomCNN:
    frames = {"n_freq": 1 + N_FFT // 2, "n_frames": 500}
    return RandomCNN(**frames, channels=24, kernel=5, stacks=2, batch_norm=False).double()


@pytest.fixture(scope="module")
def transform() -> STFT:
    return STFT(sr=SR, n_fft=N_FFT, pad_mode="reflect")


@pytest.fixture
def terms(network, transform, monkeypatch):
    monkeypatch.setattr(blocks, "FRAMES", 64)
    monkeypatch.setattr(blocks.blocks, "__kwdefaults__", {"length": 64})

    def make(seconds: float = 9.3, *, workers: int = 1) -> BlockTerms:
        return BlockTerms(
            network,
            channels=24,
            margin=6,
            style=[transform(sound(1, 3.1)), transform(sound(2, 2.0))],
            content=sound(3, seconds),
            transform=transform,
            style_layers=LAYERS,
            onset=True,
            normalisation="code",
            workers=workers,
        )

    return make


@pytest.fixture
def whole(network, transform):
    def make(seconds: float = 9.3) -> Terms:
        styles, content = [transform(sound(1, 3.1)), transform(sound(2, 2.0))], sound(3, seconds)
        S = transform(content)
        distances = GramDistances(
            network, style=styles, content=S, style_layers=LAYERS, content_layers=()
        )
        correlations = {"onset": correlation_term("onset", S, transform)}
        return Terms(distances, correlations, style=styles, content=S)

    return make


@pytest.mark.parametrize("seconds", [9.3, 2.1, 8.192, 8.2])
def test_loss_and_gradient_are_those_of_the_whole_sound(terms, whole, transform, seconds):
    y = sound(4, seconds)
    found = []
    for objective in (terms(seconds), whole(seconds)):
        loss = TradeOff(objective, content_weight=0.2, balanced=True)
        w = y.clone().requires_grad_()
        losses = loss(Parts(w, Samples()) if isinstance(objective, BlockTerms) else transform(w))
        losses.total.backward()
        found.append((losses.values(), w.grad))
    (ours, our_slope), (theirs, their_slope) = found
    for name in ("style", "content", "total"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-7), name
    torch.testing.assert_close(our_slope, their_slope, rtol=0, atol=1e-6 * float(their_slope.max()))


def test_gains_are_those_of_the_whole_sound(terms, transform):
    y = sound(4, 9.3)
    shape = Gains(y, sr=SR)
    gains = 0.3 * torch.randn(shape.unchanged().shape, dtype=y.dtype)
    torch.testing.assert_close(shape.long(gains), shape(gains))
    loss = TradeOff(terms(), content_weight=0.2)
    slopes = []
    for parts in (lambda g: Parts(g, shape), lambda g: Parts(shape(g), Samples())):
        g = gains.clone().requires_grad_()
        loss(parts(g)).total.backward()
        slopes.append(g.grad)
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-12)


def test_the_number_of_threads_changes_nothing(terms):
    w = [sound(4, 9.3).requires_grad_() for _ in range(2)]
    values = []
    for x, workers in zip(w, (1, 3), strict=True):
        losses = TradeOff(terms(workers=workers), content_weight=0.2)(Parts(x, Samples()))
        losses.total.backward()
        values.append(losses.values())
    assert values[0] == values[1]
    assert torch.equal(w[0].grad, w[1].grad)


def test_progress_counts_the_blocks_of_both_passes(terms):
    objective, seen = terms(workers=2), []
    objective.on_block = lambda done, of: seen.append((done, of))
    x = sound(4, 9.3).requires_grad_()
    TradeOff(objective, content_weight=0.2)(Parts(x, Samples())).total.backward()
    n = len(objective.blocks)
    assert n > 3
    once = [(k, n) for k in range(1, n + 1)]
    assert [one for one in seen if one][-2 * n :] == once + once


@pytest.mark.parametrize("after", [2, 12])
def test_a_minimisation_stops_in_the_middle_of_an_evaluation(terms, after):
    objective = terms()
    loss = TradeOff(objective, content_weight=0.2)
    calls = iter(range(after))

    def on_block(done: int, of: int) -> None:
        if next(calls, None) is None:
            raise Stopped

    objective.on_block = on_block
    start = sound(4, 9.3)
    optimised = minimise(lambda w: loss(Parts(w, Samples())), start, steps=5, domain="waveform")
    assert optimised.outcome == "stopped"
    assert len(optimised.evaluations) <= 1
    assert torch.equal(optimised.x, start)


def test_blocks_cover_all_frames_once():
    for frames in (1, 63, 64, 65, 200):
        found = blocks.blocks(frames, margin=8, length=64)
        covered = [frame for block in found for frame in range(block.first, block.last)]
        assert covered == list(range(frames))
        assert all(block.begin == max(block.first - 8, 0) for block in found)
        assert found[-1].end == frames
