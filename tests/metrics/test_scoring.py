import numpy as np
import pytest

from nst_lib import metrics
from nst_lib.metrics import FAMILIES
from nst_lib.metrics.ear import installed
from nst_lib.metrics.scoring import _towards
from nst_lib.sound.audio import AudioError
from tests.metrics.sounds import SR, comb, envelopes, low_passed, noise, shuffled


class TestScores:
    def test_of_the_content_itself(self, dataset):
        for pair in dataset.pairs()[:3]:
            content, style = pair.content.load(), pair.style.load()
            scores = metrics.scores(content, content=content, style=style, sr=SR)
            assert scores.timbre == pytest.approx(0, abs=1e-6)
            assert scores.families == pytest.approx(dict.fromkeys(FAMILIES, 0), abs=1e-6)
            assert scores.texture == pytest.approx(0, abs=1e-6)
            assert scores.rhythm == pytest.approx(1, abs=1e-6)
            assert scores.noise <= 0

    def test_of_the_style_itself(self, pair):
        content, style = pair
        scores = metrics.scores(style, content=content, style=style, sr=SR)
        assert scores.timbre == pytest.approx(1)
        assert scores.families == pytest.approx(dict.fromkeys(FAMILIES, 1))
        assert scores.texture == pytest.approx(1)
        assert scores.noise <= 0

    def test_are_flat_in_a_table(self, pair):
        content, style = pair
        scores = metrics.scores(shuffled(content), content=content, style=style, sr=SR)
        table = scores.to_dict()
        assert list(table) == [
            "timbre",
            "texture",
            "rhythm",
            "noise",
            *(["ear", "ear content"] if installed() else []),
            *(f"texture {family}" for family in FAMILIES),
        ]
        assert table["texture"] == pytest.approx(np.mean(list(scores.families.values())))
        assert table["rhythm"] == scores.rhythm

    def test_between_a_sound_and_itself_are_no_number(self, pair):
        content, style = pair
        scores = metrics.scores(style, content=content, style=content, sr=SR)
        assert np.isnan([scores.timbre, scores.texture, *scores.families.values()]).all()
        assert scores.rhythm < 0.5

    def test_read_in_one_line(self):
        scores = metrics.Scores(timbre=0.912, texture=0.5, rhythm=-0.2, noise=1.26, families={})
        assert str(scores) == "timbre 0.91, texture 0.50, rhythm -0.20, noise +1.3 dB"

    @pytest.mark.parametrize("gain", [1e-4, 30.0])
    @pytest.mark.parametrize("scaled", ["result", "content", "style"])
    def test_do_not_depend_on_level(self, pair, scaled, gain):
        content, style = pair
        sounds = {"result": shuffled(content), "content": content, "style": style}
        before = metrics.scores(sounds.pop("result"), **sounds, sr=SR)
        sounds = {"result": shuffled(content), "content": content, "style": style}
        sounds[scaled] = gain * sounds[scaled]
        after = metrics.scores(sounds.pop("result"), **sounds, sr=SR)
        assert after.to_dict() == pytest.approx(before.to_dict(), abs=1e-4)

    def test_of_what_is_shuffled(self, dataset):
        for pair in dataset.pairs()[:3]:
            inputs = {"content": pair.content.load(), "style": pair.style.load()}
            of_style = metrics.scores(shuffled(inputs["style"]), **inputs, sr=SR)
            assert of_style.timbre > 0.95
            assert of_style.texture > 0.75
            of_content = metrics.scores(shuffled(inputs["content"]), **inputs, sr=SR)
            assert of_content.timbre < 0.1
            assert of_content.rhythm < 0.5

    def test_timbre_falls_with_the_cut_off(self, dataset):
        for pair in dataset.pairs()[:2]:
            inputs = {"content": pair.content.load(), "style": pair.style.load()}
            timbre = [
                metrics.scores(low_passed(inputs["style"], hz), **inputs, sr=SR).timbre
                for hz in (6000, 3000, 1500, 700)
            ]
            assert (np.diff(timbre) < -0.05).all()
            assert timbre[0] < 1

    def test_halfway_in_every_band_is_halfway_in_timbre(self):
        low, high = comb(), noise()
        a, b = (metrics.timbre(envelopes(y)) for y in (low, high))
        towards = [_towards(a + share * (b - a), a, b) for share in (0, 0.5, 1, 2)]
        assert towards == pytest.approx([0, 0.5, 1, 0])


@pytest.mark.parametrize("name", ["result", "content", "style"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (noise()[:1023], r"1023 samples .* 1024 samples: choose a longer recording$"),
        (np.zeros(SR), "is digital silence$"),
        (np.where(np.arange(SR) == 99, np.nan, noise(seconds=1.0)), "holds NaN or Inf samples$"),
        (np.zeros((2, SR)), "is digital silence$"),
        (np.ones((9, SR)), r"has shape \(9, 22050\); accepted: "),
    ],
)
def test_unusable_sounds_are_refused(name, bad, reason):
    sounds = {"result": noise(0), "content": noise(1), "style": noise(2), name: bad}
    with pytest.raises(AudioError, match=f"^{name}: .*{reason}") as caught:
        metrics.scores(sounds.pop("result"), **sounds, sr=SR)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sr", [8000, 22050, 48000])
def test_shortest_sounds_are_scored(sr):
    sounds = [noise(seed)[: metrics.MIN_SAMPLES] for seed in range(3)]
    scores = metrics.scores(sounds[0], content=sounds[1], style=sounds[2], sr=sr)
    assert np.isfinite(list(scores.to_dict().values())).all()
