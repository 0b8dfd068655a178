"""Orders of a listening test: what is balanced, exactly."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from nst_lib.survey.order import Place, arrange, row, rows

SIZES = (2, 3, 4, 5, 8, 9, 20, 21)


def square(n: int, *, seed: int = 0) -> np.ndarray:
    return np.array([row(n, r, seed=seed) for r in range(rows(n))])


@pytest.mark.parametrize("n", SIZES)
def test_each_item_is_once_in_each_place_over_n_participants(n):
    for participants in np.split(square(n), rows(n) // n):
        for place in participants.T:
            assert sorted(place) == list(range(n))
        for order in participants:
            assert sorted(order) == list(range(n))


@pytest.mark.parametrize("n", SIZES)
def test_each_item_follows_each_other_equally_often(n):
    followed = Counter(pair for order in square(n).tolist() for pair in pairwise(order))
    assert len(followed) == n * (n - 1)
    assert set(followed.values()) == {rows(n) // n}


@pytest.mark.parametrize("n", [9, 20])
@pytest.mark.parametrize("heard", [2, 5, 8])
def test_first_places_are_balanced(n, heard):
    orders = [arrange(n, r, seed=3, heard=heard) for r in range(n)]
    assert {len(order) for order in orders} == {heard}
    counts = Counter(place.index for order in orders for place in order)
    assert set(counts.values()) == {heard}
    assert len(counts) == n


@pytest.mark.parametrize("n", [20, 61, 100])
def test_a_few_participants_with_part_of_the_items_have_nearly_all_between_them(n):
    heard = n // 4
    orders = [arrange(n, r, seed=0, heard=heard) for r in range(8)]
    counts = Counter(place.index for order in orders for place in order)
    assert len(counts) == n
    assert max(counts.values()) <= 3  # two on average


def test_order_depends_on_seed_and_row_alone():
    options = {"repeats": 2, "catches": 2}
    assert arrange(20, 7, seed=1, **options) == arrange(20, 7, seed=1, **options)
    assert arrange(20, 7, seed=1, **options) == arrange(20, 27, seed=1, **options)
    assert row(20, 7, seed=1) != row(20, 7, seed=2)
    assert row(20, 7, seed=1) != row(20, 8, seed=1)


LAYOUTS = [
    (2, 0, 0),
    (2, 1, 1),
    (2, 2, 2),
    (5, 5, 1),
    (6, 1, 2),
    (20, 2, 2),
    (20, 5, 3),
    (21, 9, 4),
]


@pytest.mark.parametrize(("n", "repeats", "catches"), LAYOUTS)
def test_repeats_come_a_third_of_the_list_later(n, repeats, catches):
    for r in range(rows(n)):
        order = arrange(n, r, seed=4, repeats=repeats, catches=catches)
        assert len(order) == len(set(order)) == n + repeats + catches
        again = [place for place in order if place.presentation == 2]
        assert len(again) == repeats
        for place in again:
            assert not place.catch
            distance = order.index(place) - order.index(Place(place.index))
            assert distance >= len(order) / 3


@pytest.mark.parametrize(("n", "repeats", "catches"), LAYOUTS)
def test_repeats_take_nothing_from_the_balance(n, repeats, catches):
    orders = [arrange(n, r, seed=4, repeats=repeats, catches=catches) for r in range(n)]
    assert [[p.index for p in o if not p.catch and p.presentation == 1] for o in orders] == [
        row(n, r, seed=4) for r in range(n)
    ]
    repeated = Counter(p.index for o in orders for p in o if p.presentation == 2)
    assert set(repeated.values()) <= {repeats}
    assert sum(repeated.values()) == n * repeats


@pytest.mark.parametrize("catches", [1, 2, 3, 5])
def test_catch_trials_are_spread_and_take_turns(catches):
    places: dict[int, Counter[int]] = {}
    for r in range(20):
        order = arrange(20, r, seed=0, repeats=2, catches=catches)
        found = [k for k, place in enumerate(order) if place.catch]
        assert min(found) > 0
        assert max(found) < len(order) - 1
        gaps = np.diff([-1, *found, len(order)])
        assert gaps.max() - gaps.min() <= 1
        assert sorted(order[k].index for k in found) == list(range(catches))
        for k in found:
            places.setdefault(order[k].index, Counter())[k] += 1
    counts = {count for where in places.values() for count in where.values()}
    assert max(counts) - min(counts) <= 1


def test_more_repeats_than_items():
    with pytest.raises(ValueError, match="repeats=5; accepted: 0 to 4"):
        arrange(8, 0, seed=0, heard=4, repeats=5)
