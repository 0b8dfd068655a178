import numpy as np
import pytest
import torch

from nst_lib import CQT, CWT
from nst_lib.core.filterbank import FilterBank, _plan

SR = 4000
BANKS = {
    "cqt": CQT(sr=SR, hop_length=16, n_bins=48, bins_per_octave=12, fmin=60).bank,
    "cqt, mirrored": CQT(
        sr=SR, hop_length=16, n_bins=48, bins_per_octave=12, fmin=60, pad_mode="reflect"
    ).bank,
    "cqt, residual": CQT(
        sr=SR, hop_length=16, n_bins=48, bins_per_octave=12, fmin=60, residual=True
    ).bank,
    "cwt": CWT(sr=SR, hop_length=16, n_bins=48, voices=12, fmin=60).bank,
    "cwt, mirrored": CWT(
        sr=SR, hop_length=4, n_bins=48, voices=12, fmin=60, pad_mode="reflect"
    ).bank,
    "cwt, residual": CWT(sr=SR, hop_length=4, n_bins=48, voices=12, fmin=60, residual=True).bank,
}
#: One sample, shorter than all filters, odd, and longer than all.
LENGTHS = (1, 37, 1001, 4000)


@pytest.fixture(params=BANKS)
def bank(request) -> FilterBank:
    return BANKS[request.param]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def in_band(y: torch.Tensor, bank: FilterBank) -> torch.Tensor:
    """Keep what lies between the outer centres, of the sound as the bank sees it."""
    seen = torch.cat([y, y[1:-1].flip(0)]) if bank.pad_mode == "reflect" else y
    spectrum = torch.fft.rfft(seen)
    freqs = torch.fft.rfftfreq(len(seen), 1 / bank.sr)
    spectrum[(freqs < bank.freqs[0]) | (freqs > bank.freqs[-1])] = 0
    return torch.fft.irfft(spectrum, n=len(seen))[: len(y)]


def decibels(signal: torch.Tensor, error: torch.Tensor) -> float:
    return float(20 * torch.log10(signal.norm() / error.norm()))


@pytest.mark.parametrize("length", LENGTHS)
def test_adjoint(bank, length):
    y = noise(length)
    coefficients = bank.analyse(y)
    assert coefficients.shape == (len(bank.freqs), bank.n_frames(length))
    other = torch.complex(noise(*coefficients.shape, seed=1), noise(*coefficients.shape, seed=2))
    there = (coefficients * other.conj()).sum().real
    back = (y * bank.adjoint(other, length=length)).sum()
    torch.testing.assert_close(there, back, rtol=1e-10, atol=1e-10)


def test_energy_is_the_gain_of_analysis_and_adjoint():
    bank = CQT(sr=SR, hop_length=4, n_bins=48, bins_per_octave=12, fmin=60).bank  # painless
    t = torch.arange(8000, dtype=torch.float64) / SR
    for pitch in (100.0, 400.0, 700.0):
        tone = torch.sin(2 * torch.pi * pitch * t) * torch.hann_window(8000, dtype=torch.float64)
        returned = bank.adjoint(bank.analyse(tone), length=8000)
        gain = float((returned @ tone) / (tone @ tone))
        assert bank.energy(pitch) == pytest.approx(gain, rel=2e-2)
    assert bank.energy([bank.freqs[-1] * 1.9]) == pytest.approx([0], abs=1e-3 * bank.energy(400.0))


def hann_filter(frequency: float, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """librosa's: a Hann window of N samples, its sum 1, times sqrt(N)."""
    N = SR / bandwidth
    n = np.arange(-int(N / 2), int(N / 2) + 1)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * n / N)
    return n, window * np.exp(2j * np.pi * frequency / SR * n) / window.sum() * np.sqrt(N)


def morlet(frequency: float, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """Torrence and Compo's, table 1, at a scale of s samples and with unit energy (equation 6)."""
    s = SR / (2 * np.pi * bandwidth)
    w0 = frequency / bandwidth
    n = np.arange(-int(6 * s), int(6 * s) + 1)
    return n, np.pi**-0.25 * np.exp(1j * w0 * n / s - (n / s) ** 2 / 2) / np.sqrt(s)


@pytest.mark.parametrize(
    ("name", "make", "tolerance"), [("cqt", hann_filter, 5e-3), ("cwt", morlet, 1e-5)]
)
@pytest.mark.parametrize("band", [0, 20, 47])
def test_coefficients_are_inner_products_with_the_filters(name, make, tolerance, band):
    bank = BANKS[name]
    y = noise(2500).numpy()
    ours = bank.analyse(torch.from_numpy(y))[band].numpy()
    n, h = make(bank.freqs[band], bank.bandwidths[band])
    padded = np.pad(y, len(n))
    expected = [
        (padded[frame * bank.hop + len(n) + n] * h.conj()).sum() for frame in range(len(ours))
    ]
    assert np.linalg.norm(ours - expected) < tolerance * np.linalg.norm(expected)


def test_beyond_the_ends_lies_the_mirror_image():
    bank, silent = BANKS["cqt, mirrored"], BANKS["cqt"]
    y = noise(1601)
    pad = 100 * bank.hop  # longer than the sound is mirrored more than once
    mirrored = torch.from_numpy(np.pad(y.numpy(), pad, mode="reflect"))
    expected = silent.analyse(mirrored)[:, 100 : 100 + bank.n_frames(1601)]
    torch.testing.assert_close(bank.analyse(y), expected, rtol=0, atol=2e-3)


def test_gradient(bank):
    y = noise(40).requires_grad_()
    few = FilterBank(
        sr=bank.sr,
        prototype=bank.prototype,
        hop=bank.hop,
        **{
            name: getattr(bank, name)[:: len(bank.freqs) // 4]
            for name in ("freqs", "bandwidths", "gains")
        },
        pad_mode=bank.pad_mode,
    )
    assert torch.autograd.gradcheck(few.analyse, y)


def test_batches(bank):
    y = noise(2, 3, 1001)
    coefficients = bank.analyse(y)
    torch.testing.assert_close(coefficients[1, 2], bank.analyse(y[1, 2]))
    for inverse in (bank.adjoint, bank.dual, bank.synthesise):
        rebuilt = inverse(coefficients, length=1001)
        assert rebuilt.shape == y.shape
        torch.testing.assert_close(
            rebuilt[1, 2], inverse(coefficients[1, 2], length=1001), rtol=1e-3, atol=1e-4
        )


def test_linear_and_deterministic(bank):
    a, b = noise(500).float(), noise(500, seed=1).float()
    torch.testing.assert_close(
        bank.analyse(2 * a - b), 2 * bank.analyse(a) - bank.analyse(b), rtol=1e-3, atol=1e-4
    )
    assert torch.equal(bank.analyse(a), bank.analyse(a))


@pytest.mark.parametrize("length", [3000, 4000, 5003])
def test_round_trip(bank, length):
    y = in_band(noise(length), bank)
    rebuilt = bank.synthesise(bank.analyse(y), length=length, n_iter=60, tolerance=1e-9)
    assert decibels(y, in_band(rebuilt - y, bank)) > 60


@pytest.mark.parametrize("name", ["cqt, residual", "cwt, residual"])
def test_with_the_residual_bands_nothing_is_lost(name):
    y = noise(4000)
    bank = BANKS[name]
    assert decibels(y, bank.synthesise(bank.analyse(y), length=4000) - y) > 60


@pytest.mark.parametrize("name", ["cqt", "cwt"])
def test_without_them_what_lies_outside_comes_back_weakened(name):
    bank = BANKS[name]
    t = torch.arange(4000, dtype=torch.float64) / SR
    high = torch.sin(2 * torch.pi * 1.5 * bank.freqs[-1] * t) * torch.hann_window(4000)
    assert bank.dual(bank.analyse(high), length=4000).norm() < 1e-3 * high.norm()
    assert bank.synthesise(bank.analyse(high), length=4000).norm() < high.norm()


def test_a_real_clip_to_60_db(dataset):
    y = torch.from_numpy(dataset.pairs()[0].content.load())
    bank = CQT().bank
    rebuilt = bank.synthesise(bank.analyse(y), length=len(y))
    wanted, error = in_band(y, bank), in_band(rebuilt - y, bank)
    assert decibels(wanted, error) > 60


@pytest.mark.parametrize("tolerance", [1e-5, 0.0])
@pytest.mark.parametrize("transform", [CQT(), CWT()])
def test_rounding_does_not_grow_where_no_band_is(dataset, transform, tolerance):
    y = torch.from_numpy(dataset.pairs()[1].content.load(duration=2.0))
    spectrum = torch.fft.rfft(y)
    freqs = torch.fft.rfftfreq(len(y), 1 / 22050)
    y = torch.fft.irfft(torch.where((freqs > 100) & (freqs < 7000), spectrum, 0), n=len(y))
    rebuilt = transform.bank.synthesise(transform.analyse(y), length=len(y), tolerance=tolerance)
    assert decibels(y, rebuilt - y) > 60


def test_least_squares_of_what_no_sound_has(bank):
    """What is missing at the least squares is orthogonal to the coefficients of all sounds."""
    shape = (len(bank.freqs), bank.n_frames(3000))
    wanted = torch.complex(noise(*shape), noise(*shape, seed=1))
    y = bank.synthesise(wanted, length=3000, n_iter=100, tolerance=1e-9)
    missing = in_band(bank.adjoint(bank.analyse(y) - wanted, length=3000), bank)
    assert missing.norm() < 3e-2 * bank.adjoint(wanted, length=3000).norm()


def test_silence_stays_silent(bank):
    silence = torch.zeros(1000)
    coefficients = bank.analyse(silence)
    assert not coefficients.any()
    assert not bank.synthesise(coefficients, length=1000).any()


def test_tables_are_made_once():
    settings = {"sr": SR, "hop_length": 16, "n_bins": 36, "bins_per_octave": 12, "fmin": 60}
    first, again = CQT(**settings).bank, CQT(**settings).bank
    arguments = (1000, torch.float32, torch.device("cpu"))
    assert _plan(first, *arguments) is _plan(again, *arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_on_cuda(bank):
    y = noise(2, 1001).float()
    coefficients = bank.analyse(y.cuda())
    torch.testing.assert_close(coefficients.cpu(), bank.analyse(y), rtol=1e-3, atol=1e-3)
    rebuilt = bank.synthesise(coefficients, length=1001)
    torch.testing.assert_close(
        rebuilt.cpu(), bank.synthesise(coefficients.cpu(), length=1001), rtol=1e-2, atol=1e-2
    )
