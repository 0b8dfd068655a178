"""Convert results of webMUSHRA.

The columns are those that its `service/write.php` (2022) writes: the session, the listener's
answers to the questionnaire, `session_uuid` in mushra.csv, `trial_id`, and

    mushra.csv        rating_stimulus, rating_score from 0 to 100
    bs1116.csv        rating_non_reference, and the scores of the stimulus and of the hidden
                      reference, 1 to 5
    lms.csv, lss.csv  stimuli, stimuli_rating; stimuli_rating1, ... if a page has several scales

An item is named trial/stimulus; the trial is the pair, and the stimulus is a column too. Listeners
are told apart by `session_uuid`, or by their answers to the questionnaire. Each scale is a
question. Ratings of BS.1116 are difference grades from -4 to 4: the score of the stimulus - the
score of the hidden reference, as ITU-R BS.1116 analyses it. Ratings that were not given ("NA") are
left out.
"""

import re
from typing import TYPE_CHECKING

from nst_lib.opinions.ratings import ANCHOR, REFERENCE, TRIAL
from nst_lib.opinions.tables import RatingsError, Text

if TYPE_CHECKING:
    import pandas as pd

_UNRATED = "NA"
_FILES = "accepted: mushra.csv, bs1116.csv, lms.csv, lss.csv"


def convert(text: Text) -> tuple["pd.DataFrame", tuple[float, float]] | None:
    """Return a table with our columns and the range of its ratings; None for other tables.

    Raises
    ------
    RatingsError
        If a table of webMUSHRA has no ratings, or if its listeners cannot be told apart.
    """
    frame = text.frame
    if "trial_id" not in frame:
        return None
    likert = [name for name in map(str, frame) if re.fullmatch(r"stimuli_rating\d*", name)]
    if {"rating_stimulus", "rating_score"} <= set(frame):
        long = _long(text, "rating_stimulus", ["rating_score"])
        what, scale = "MUSHRA", (0.0, 100.0)
        role = long["stimulus"].map(_role)
        if (role != TRIAL).any():
            long["role"] = role
    elif {"rating_non_reference", "rating_reference_score"} <= set(frame):
        long = _long(text, "rating_non_reference", ["rating_non_reference_score"])
        long["rating"] = _difference(text, long["rating"])
        what, scale = "BS.1116, difference grades", (-4.0, 4.0)
    elif likert and "stimuli" in frame:
        long = _long(text, "stimuli", likert)
        what, scale = "Likert scales", (1.0, 5.0)
    elif "session_test_id" in frame:
        last = list(map(str, frame.loc[:, "trial_id":]))[1:4]
        raise RatingsError(
            f"{text.source}: this file of webMUSHRA has {', '.join(last)} and no ratings; {_FILES}"
        )
    else:
        return None
    text.notes.append(f"results of webMUSHRA: {what}")
    rated = long["rating"].str.upper() != _UNRATED
    if not rated.all():
        text.notes.append(f"{(~rated).sum()} of {len(long)} ratings left out: not given")
    return long[rated], scale


def _role(stimulus: str) -> str:
    """Return the role of a stimulus of a MUSHRA page, by the name that webMUSHRA gives to it."""
    if stimulus == REFERENCE:
        return REFERENCE
    return ANCHOR if re.fullmatch(r"anchor\d*", stimulus) else TRIAL


def _long(text: Text, stimulus: str, ratings: list[str]) -> "pd.DataFrame":
    """Return a row for each rating."""
    import pandas as pd

    frame = text.frame
    columns = [str(name) for name in frame]
    first = columns.index("session_test_id") + 1 if "session_test_id" in columns else 0
    asked = columns[first : columns.index("trial_id")]
    who = ["session_uuid"] if "session_uuid" in frame else asked
    if not who:
        raise RatingsError(
            f"{text.source}: no column tells the listeners apart; add session_uuid, or columns of "
            "the questionnaire before trial_id"
        )
    long = pd.DataFrame(
        {
            "listener": frame[who].agg(" ".join, axis=1).str.strip(),
            "item": frame["trial_id"] + "/" + frame[stimulus],
            "pair": frame["trial_id"],
            "stimulus": frame[stimulus],
        }
    )
    if len(ratings) == 1:
        return long.assign(rating=frame[ratings[0]])
    return pd.concat([long.assign(question=name, rating=frame[name]) for name in ratings])


def _difference(text: Text, rating: "pd.Series[str]") -> "pd.Series[str]":
    """Return the scores minus those of the hidden reference, as text."""
    import pandas as pd

    reference = text.frame["rating_reference_score"]
    pair = [pd.to_numeric(text.decimals(one), errors="coerce") for one in (rating, reference)]
    wrong = ~(pair[0].between(1, 5) & pair[1].between(1, 5))
    if wrong.any():
        row = wrong.index[wrong][0]
        raise RatingsError(
            f"{text.source}: row {row}, scores {rating[row]!r} and {reference[row]!r}; accepted: "
            "numbers from 1 to 5"
        )
    return (pair[0] - pair[1]).round(10).astype(str)
