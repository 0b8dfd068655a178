import json

import numpy as np
import pytest

from nst_lib.metrics.categories import Categories
from nst_lib.sound.datasets import Synthetic
from tests.conftest import ROOT
from tests.metrics.sounds import SR


@pytest.fixture(scope="module")
def simulated(ear) -> Categories:
    dataset = Synthetic(takes=2)
    names = ("frog", "hand_saw", "snoring")
    return Categories.of([clip for clip in dataset if clip.category in names], ear=ear)


def test_clips_of_one_recipe_are_recognised(simulated):
    assert simulated.own_ranks() == [1] * 6


def test_the_style_is_first_for_the_style_itself(simulated):
    frog, _, saw, *_ = simulated.clips
    assert (frog.category, saw.category) == ("frog", "hand_saw")
    style, content = simulated.ranks(frog.load(), style=frog, content=saw)
    assert style == 1
    assert content in (2, 3)
    assert simulated.ranks(saw.load(), style=frog, content=saw)[1] == 1


def test_means_hold_no_clip_that_the_sound_is_made_of(simulated):
    for k, clip in enumerate(simulated.clips):
        others = [n for n in range(len(simulated.clips)) if n != k]
        kept = tuple(simulated.clips[n] for n in others)
        smaller = Categories(simulated.ear, kept, simulated.embeddings[others], SR)
        for embedding in simulated.embeddings:
            order = simulated.order(embedding, without=(clip,))
            assert order == smaller.order(embedding, without=())


def test_a_category_without_another_clip_is_refused(simulated):
    frog, _, *others = simulated.clips
    few = Categories(simulated.ear, (frog, *others), simulated.embeddings[[0, 2, 3, 4, 5]], SR)
    with pytest.raises(ValueError, match=r"no other clip of its category 'frog'"):
        few.ranks(frog.load(), style=frog, content=others[0])


def test_one_category_is_refused(ear):
    clips = Synthetic(takes=2).clips(category="frog")
    with pytest.raises(ValueError, match="1 categories; accepted: 2 or more"):
        Categories.of(clips, ear=ear)


@pytest.mark.long
class TestRecordings:
    @pytest.fixture
    def real(self, ear, recordings, embeddings) -> Categories:
        return Categories(ear, tuple(recordings), embeddings, SR)

    def test_accuracy_is_the_published_one(self, real):
        published = json.loads((ROOT / "benchmarks" / "ear.json").read_text())["22050 Hz"]
        ranks = np.array(real.own_ranks())
        assert len(ranks) == published["ranked"]
        assert (ranks == 1).mean() == pytest.approx(published["first"], abs=0.03)
        assert (ranks == 1).mean() > 10 / 25, "ten times chance"

    def test_clips_of_one_source_are_left_out_together(self, real):
        a, b = (next(c for c in real.clips if c.name == f"4-102844-{take}-49") for take in "AB")
        embedding = real.embeddings[real.clips.index(a)]
        assert real.order(embedding, without=(a,)) == real.order(embedding, without=(a, b))
        assert a.category in real.order(embedding, without=(a,))


def test_clips_are_embedded_one_by_one(ear, simulated):
    seen = []
    clips = simulated.clips[::2]
    again = Categories.of(clips, ear=ear, callback=lambda *state: seen.append(state))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_array_equal(again.embeddings, simulated.embeddings[::2])
