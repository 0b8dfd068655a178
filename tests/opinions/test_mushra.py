"""Pages of MUSHRA: hidden references, anchors, and who is left out (ITU-R BS.1534-3)."""

import re

import pandas as pd
import pytest

from nst_lib.opinions.analysis import ALL, SCREENED, UNBIASED, analyse
from nst_lib.opinions.reading import check, read
from nst_lib.opinions.screening import Rules, misrated
from nst_lib.opinions.summary import summary
from nst_lib.opinions.tables import RatingsError

LISTENERS, PAIRS = ("ann", "bob", "cid", "dan", "eve"), tuple("ABCDEFG")


def refused(text: str):
    """Expect RatingsError that has this text in it."""
    return pytest.raises(RatingsError, match=re.escape(text))


def pages(changes: dict[tuple[str, str, str], float] | None = None) -> pd.DataFrame:
    """Return pages as our survey exports them; changes: listener, pair, sound -> rating."""
    sounds = {"reference": 98, "anchor 3.5 kHz": 12, "anchor 7 kHz": 40, "max": 70, "average": 55}
    rows = []
    for i, who in enumerate(LISTENERS):
        for j, pair in enumerate(PAIRS):
            for name, rating in sounds.items():
                role = "trial" if name in ("max", "average") else name.split()[0]
                spread = (3 * i + 5 * j + len(name)) % 7 - 3 if role != "reference" else 0
                rows.append(
                    {
                        "listener": who,
                        "item": f"{name} {pair}",
                        "rating": (changes or {}).get((who, pair, name), rating + spread),
                        "question": "quality",
                        "scale": "0,100",
                        "pair": pair,
                        "role": role,
                        "pooling": name if role == "trial" else "",
                    }
                )
    return pd.DataFrame(rows)


def excluded(changes: dict[tuple[str, str, str], float], **rules: float) -> dict[str, str]:
    table = check(pages(changes)).of("quality")
    return Rules(min_correlation=-1, min_sd=0, **rules).excluded(table)


class TestRoles:
    def test_hidden_sounds_are_in_the_table_and_in_no_test(self, write):
        path = write(pages().to_csv(index=False))
        ratings = read(path)
        assert ratings.scale == (0, 100)
        assert set(ratings.opinions["role"]) == {"trial"}
        opinions = analyse(ratings, ["pooling"], n_boot=100)
        found = opinions.analyses["quality"][ALL]
        assert found.conditions["pooling"].tolist() == ["average", "max"]
        assert found.conditions["ratings"].tolist() == [35, 35]
        assert found.hidden["condition"].tolist() == ["anchor 3.5 kHz", "anchor 7 kHz", "reference"]
        assert found.hidden["mos"][2] == 98
        assert found.hidden["pairs"].tolist() == [7, 7, 7]
        assert found.as_dict()["hidden reference and anchors"][2]["mos"] == 98
        assert opinions.analyses["quality"][UNBIASED].hidden.empty
        text = summary(opinions)
        assert "hidden reference and anchors, which are in no test" in text
        assert "98.00 (98.00 to 98.00)" in text

    def test_without_roles_nothing_is_hidden(self):
        table = pages()
        table = table[table["role"] == "trial"].drop(columns="role")
        found = analyse(check(table), ["pooling"], n_boot=0).analyses["quality"][ALL]
        assert found.hidden.empty
        assert found.as_dict()["hidden reference and anchors"] == []

    def test_wrong_role(self):
        table = pages()
        table.loc[3, "role"] = "system"
        with refused("row 3, column role: 'system'; accepted: trial, reference, anchor"):
            check(table)

    def test_no_trials(self):
        table = pages()
        with refused("no rating has the role trial; accepted: one or more"):
            check(table[table["role"] != "trial"])


class TestScreening:
    """Of seven pages, one is 14 % and allowed, two are 29 %."""

    def test_reference_below_90(self):
        once = {("ann", "A", "reference"): 89.9}
        assert excluded(once) == {}
        twice = {**once, ("ann", "B", "reference"): 0}
        assert excluded(twice) == {
            "ann": "the hidden reference is rated below 90 on 2 of 7 pages, 15% allowed"
        }
        assert excluded(dict.fromkeys(twice, 90)) == {}
        assert excluded(twice, max_reference=0.3) == {}

    def test_anchor_above_90(self):
        twice = {("bob", "A", "anchor 7 kHz"): 91, ("bob", "B", "anchor 7 kHz"): 100}
        assert excluded(twice) == {
            "bob": "the mid-range anchor is rated above 90 on 2 of 7 pages, 15% allowed"
        }
        assert excluded(twice, max_anchor=0.3) == {}
        low = {(who, pair, "anchor 3.5 kHz"): 95 for who, pair, _ in twice}
        assert excluded(low) == {}

    def test_pages_whose_anchor_seems_good_to_more_than_a_quarter_do_not_count(self):
        """Two of five listeners on the page A."""
        pairs = {("bob", "A", "anchor 7 kHz"): 91, ("bob", "B", "anchor 7 kHz"): 100}
        both = {**pairs, ("cid", "A", "anchor 7 kHz"): 95}
        assert excluded(both, max_anchor=0.17) == {}
        wrong = misrated(check(pages(both)).of("quality"), reference=False)
        assert "anchor 7 kHz A" not in set(wrong["item"])
        assert wrong["wrong"].sum() == 1

    def test_screened_variant(self):
        changes = {("ann", pair, "reference"): 20 for pair in "ABC"}
        opinions = analyse(check(pages(changes)), ["pooling"], rules=Rules(min_sd=0), n_boot=0)
        variants = opinions.analyses["quality"]
        assert variants[SCREENED].hidden["mos"].tolist()[2] == 98
        assert variants[ALL].hidden["mos"].tolist()[2] < 98

    def test_webmushra(self, write):
        """Names of its stimuli: reference, anchor35, anchor70."""
        table = pages({("ann", pair, "reference"): 20 for pair in "AB"})
        names = table["item"].str.rsplit(" ", n=1).str[0]
        wide = pd.DataFrame(
            {
                "session_test_id": "music",
                "email": table["listener"],
                "session_uuid": table["listener"],
                "trial_id": table["pair"],
                "rating_stimulus": names.replace(
                    {"anchor 3.5 kHz": "anchor35", "anchor 7 kHz": "anchor70"}
                ),
                "rating_score": table["rating"],
            }
        )
        ratings = read(write(wide.to_csv(index=False), "mushra.csv"))
        assert Rules(min_sd=0, min_correlation=-1).excluded(ratings) == {
            "ann": "the hidden reference is rated below 90 on 2 of 7 pages, 15% allowed"
        }
        found = analyse(ratings, ["stimulus"], n_boot=0).analyses[""][ALL]
        assert found.conditions["stimulus"].tolist() == ["average", "max"]
        assert found.hidden["condition"].tolist() == ["anchor35", "anchor70", "reference"]


class TestScales:
    def two(self) -> pd.DataFrame:
        rows = [
            (who, item, question, scale, rating, pooling)
            for who in ("ann", "bob")
            for question, scale, ratings in (("style", "1,5", (2, 5)), ("noise", "0,100", (80, 7)))
            for item, rating, pooling in zip(("x", "y"), ratings, ("max", "average"), strict=True)
        ]
        columns = ["listener", "item", "question", "scale", "rating", "pooling"]
        return pd.DataFrame(rows, columns=columns)

    def test_each_question_has_its_range(self, write):
        ratings = read(write(self.two().to_csv(index=False)))
        assert ratings.of("style").scale == (1, 5)
        assert ratings.of("noise").scale == (0, 100)
        assert ratings.factors == ["pooling"]
        opinions = analyse(ratings, ["pooling"], n_boot=0)
        assert "rated from 1 to 5 and 0 to 100" in summary(opinions)

    def test_ratings_are_checked_against_the_range_of_their_question(self):
        table = self.two()
        table.loc[1, "rating"] = 80
        with refused("row 1, column rating: '80'; accepted: a number from 1 to 5"):
            check(table)

    def test_range_must_be_the_same_for_a_question(self):
        table = self.two()
        table.loc[1, "scale"] = "1,7"
        with refused("row 1, column scale: '1,7'; the question has '1,5' before"):
            check(table)
        with refused("column scale: '5,1'; the lower end first"):
            check(self.two().replace({"scale": {"1,5": "5,1"}}))

    def test_given_range_comes_first(self, write):
        table = self.two()[["listener", "item", "rating", "scale"]].iloc[:2]
        assert read(write(table.to_csv(index=False)), scale=(0, 10)).scale == (0, 10)

    def test_scale_may_be_a_factor(self):
        table = self.two().assign(scale=["major", "minor"] * 4)
        table = table[table["question"] == "style"]
        ratings = check(table)
        assert "scale" in ratings.factors
        ratings.validate_factors(["scale"])
