import json

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from torch.nn.functional import batch_norm, conv2d, max_pool2d, relu

from nst_lib import TransferConfig, metrics, transfer
from nst_lib.metrics import aisfx, weights
from nst_lib.metrics.ear import ORIGIN, SAME_CATEGORY, Ear, EarError, installed
from nst_lib.sound.audio import AudioError
from tests.conftest import ROOT
from tests.metrics.sounds import SR, noise, time

#: Every 64th of 512 numbers for each block of :func:`waves`, computed with the program and the
#: weights of the package aisfx 0.1.2 (its EmbeddingNet and its blocking), on 26 November 2026.
AISFX = [
    [5.753977, 24.543939, 6.120977, 0.356560, 19.579725, 16.116142, 0.396016, 5.260939],
    [10.638410, 33.969398, 4.091029, 0.406099, 28.054998, 13.079380, 0.225690, 0.877135],
    [9.543796, 33.859985, 3.711026, 1.898677, 25.767324, 10.791160, 0.218800, 0.375019],
]


def waves() -> torch.Tensor:
    """Return features ``(230, 96)`` that are easy to compute anywhere."""
    t, band = np.arange(230)[:, None], np.arange(96)
    return torch.from_numpy((0.5 + 0.5 * np.sin(t * (band + 1) / 50)).astype(np.float32))


class TestNetwork:
    def test_agrees_with_the_authors_program(self, ear):
        with torch.inference_mode():
            response = ear.network(aisfx.blocks(waves()))
        np.testing.assert_allclose(response[:, ::64], AISFX, rtol=1e-4)

    def test_is_what_its_description_says(self, ear):
        state = ear.network.state_dict()
        with torch.inference_mode():
            X = aisfx.blocks(waves())
            response = ear.network(X)
            X = X[:, None]
            for n in range(1, 5):
                for k in (1, 2):
                    at = f"conv_block{n}"
                    X = conv2d(X, state[f"{at}.conv{k}.weight"], padding=1)
                    names = ("running_mean", "running_var", "weight", "bias")
                    X = batch_norm(X, *(state[f"{at}.bn{k}.{name}"] for name in names))
                    X = relu(X)
                X = max_pool2d(X, 2) if n < 4 else X
        torch.testing.assert_close(response, X.mean(-1).amax(-1), rtol=1e-4, atol=1e-4)


class TestFeatures:
    def test_are_those_of_scipy(self):
        y = noise(seconds=1.0).astype(np.float32)
        window = scipy.signal.get_window("hann", 2048)
        transform = scipy.signal.ShortTimeFFT(window, 1024, 44100)
        power = np.abs(transform.stft(y, p0=0, p1=1 + len(y) // 1024)) ** 2
        expected = np.log10(1 + 1e4 * aisfx.mel_filters().numpy() @ power).T / 9.457798957824707
        np.testing.assert_allclose(aisfx.features(y, sr=44100), expected, rtol=1e-3, atol=1e-5)

    def test_bands_are_nearly_librosas(self):
        # librosa's triangles have straight sides over Hz, and Essentia's over mel.
        theirs = librosa.filters.mel(sr=44100, n_fft=2048, n_mels=96, htk=True, norm=1.0)
        np.testing.assert_allclose(aisfx.mel_filters(), theirs, atol=0.004)

    def test_the_rate_hardly_matters(self):
        y = 0.1 * np.sin(2 * np.pi * 1000 * time(2.0)).astype(np.float32)
        twice = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(2 * len(y)) / (2 * SR))
        a = aisfx.features(y, sr=SR)
        b = aisfx.features(twice.astype(np.float32), sr=2 * SR)
        assert float((a - b)[3:-3].abs().max()) < 0.01

    @pytest.mark.parametrize(("frames", "n"), [(3, 1), (100, 1), (149, 1), (150, 2), (216, 3)])
    def test_blocks_overlap_and_the_last_is_whole(self, frames, n):
        X = torch.arange(frames * 96.0).reshape(frames, 96)
        cut = aisfx.blocks(X)
        assert cut.shape == (n, 100, 96)
        for k, block in enumerate(cut):
            part = X[50 * k : 50 * k + 100]
            torch.testing.assert_close(block[: len(part)], part)
            assert not block[len(part) :].any()


class TestEar:
    def test_equal_sounds_have_1(self, ear, pair):
        assert ear.cosine(pair[0], pair[0], sr=SR) == pytest.approx(1)

    def test_is_symmetric(self, ear, pair):
        assert ear.cosine(*pair, sr=SR) == pytest.approx(ear.cosine(*pair[::-1], sr=SR))

    @pytest.mark.parametrize("gain", [1e-3, 0.5, 30.0])
    def test_does_not_depend_on_level(self, ear, pair, gain):
        louder = (gain * pair[0]).astype(np.float32)
        np.testing.assert_allclose(ear.embed(louder, sr=SR), ear.embed(pair[0], sr=SR), atol=1e-4)

    def test_embedding_has_length_1_and_is_read_only(self, ear, pair):
        embedding = ear.embed(pair[0], sr=SR)
        assert embedding.shape == (512,)
        assert np.linalg.norm(embedding) == pytest.approx(1)
        with pytest.raises(ValueError, match="read-only"):
            embedding[0] = 0

    def test_long_sounds_go_in_parts(self, ear, pair):
        y = np.tile(pair[0], 10)  # 12 blocks go through the network at once
        rms = np.sqrt(np.mean(np.square(y, dtype=np.float64)))
        X = aisfx.blocks(aisfx.features((y * 10 ** (-35 / 20) / rms).astype(np.float32), sr=SR))
        assert len(X) > 12
        with torch.inference_mode():
            together = ear.network(X).mean(0)
        np.testing.assert_allclose(ear.respond(y, sr=SR), together, rtol=1e-3, atol=1e-3)

    def test_the_shortest_sounds_are_heard(self, ear):
        y = noise()[: metrics.MIN_SAMPLES]
        assert ear.cosine(y, y, sr=SR) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("bad", "reason"), [(np.zeros(SR), "digital silence"), (np.full(SR, np.nan), "NaN")]
    )
    def test_unusable_sounds_are_refused(self, ear, bad, reason):
        with pytest.raises(AudioError, match=reason):
            ear.embed(bad, sr=SR)

    def test_draws_no_random_numbers(self, ear):
        torch.manual_seed(0)
        expected = torch.rand(1)
        torch.manual_seed(0)
        Ear(weights.find())
        assert torch.rand(1) == expected


@pytest.mark.long
class TestRecordings:
    def test_origin_is_their_mean(self, responses):
        np.testing.assert_allclose(responses.mean(0), ORIGIN, rtol=1e-3, atol=1e-3)

    def test_embedding_is_the_response_without_the_origin(self, ear, recordings, embeddings):
        np.testing.assert_allclose(ear.embed(recordings[7].load(), sr=SR), embeddings[7], atol=1e-5)

    def test_threshold_is_the_measured_mean(self):
        measured = json.loads((ROOT / "benchmarks" / "ear.json").read_text())["22050 Hz"]
        assert measured["same category"] == pytest.approx(SAME_CATEGORY, abs=0.01)

    def test_a_clip_is_nearer_to_its_own_category(self, recordings, embeddings):
        # Measured: .91 of the comparisons. By chance it would be half of them.
        labels = np.array([clip.category for clip in recordings])
        same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
        C, other = embeddings @ embeddings.T, labels[:, None] != labels
        assert (C[same][:, None] > C[other]).mean() > 0.8
        assert C[same].mean() == pytest.approx(SAME_CATEGORY, abs=0.02)
        assert abs(C[other].mean()) < 0.1


class TestScores:
    def test_of_the_style_and_of_the_content_itself(self, ear, pair):
        content, style = pair
        of_style = metrics.scores(style, content=content, style=style, sr=SR)
        of_content = metrics.scores(content, content=content, style=style, sr=SR)
        assert of_style.ear == pytest.approx(1)
        assert of_content.ear_content == pytest.approx(1)
        assert of_style.ear_content == pytest.approx(of_content.ear)
        assert of_style.to_dict()["ear content"] == of_style.ear_content

    def test_without_the_ear_are_absent(self, pair, tmp_path, monkeypatch):
        monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
        assert installed() is None
        found = metrics.scores(pair[1], content=pair[0], style=pair[1], sr=SR)
        assert (found.ear, found.ear_content, found.recognised()) == (None, None, "")
        assert not {"ear", "ear content"} & set(found.to_dict())
        assert "ear" not in str(found)

    @pytest.mark.parametrize(
        ("style", "content", "words"),
        [
            (0.9, 0.1, "hears the style"),
            (0.1, 0.9, "hears the content"),
            (0.6, 0.5, "hears both recordings, the style more"),
            (0.5, 0.6, "hears both recordings, the content more"),
            (0.2, -0.1, "hears neither recording clearly"),
        ],
    )
    def test_say_in_words_what_is_recognised(self, style, content, words):
        scores = metrics.Scores(
            timbre=1, texture=1, rhythm=1, noise=0, families={}, ear=style, ear_content=content
        )
        assert scores.recognised() == f"the trained ear {words}"
        assert str(scores).endswith(f", ear {style:.2f} (the content: {content:.2f})")


def test_another_file_is_refused_before_the_work(pair, tmp_path, monkeypatch):
    (tmp_path / weights.FILE).write_bytes(b"not the weights")
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    config = TransferConfig.from_preset(steps=0, duration=1.0)
    with pytest.raises(EarError, match=r"\.pth: is damaged .* run `nst data ear` to replace it"):
        transfer(*pair, config, callback=lambda _: pytest.fail("an evaluation"))
