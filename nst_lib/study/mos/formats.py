"""Files of other listening tests, made into rows of ratings.

webMUSHRA (`mushra.csv`, `lms.csv`, `lss.csv`): a row has `trial_id`, a stimulus and its score.
Items are named trial/stimulus, with both as columns; the trial is the pair. Listeners are told
apart by `session_uuid`, or by whatever they were asked.

P.808 toolkit, ACR and DCR: a row is a session of a worker, `Answer.q1` ... the ratings of the clips
`Answer.q1_url` .... Sessions that were rejected are left out. The trapping clip (`Input.TP`) must
get `Input.TP_ANS`, the gold clip (`Input.gold_clip`) `Input.gold_clip_ans` or one beside it.
"""

import re
from typing import TYPE_CHECKING

from nst_lib.study.mos.ratings import ACR, RatingsError

if TYPE_CHECKING:
    import pandas as pd

_MUSHRA = {"rating_stimulus": "rating_score", "stimuli": "stimuli_rating"}
_SESSION = ("session_test_id", "trial_id")
_MUSHRA_SCALE = (0.0, 100.0)


def convert(table: "pd.DataFrame", source: str) -> tuple["pd.DataFrame", tuple[float, float]]:
    """Return a table in our columns, and the range of its ratings.

    Parameters
    ----------
    table : pd.DataFrame
        Of text, in any of the formats; the index is the row in the file.
    source : str
        Where it comes from.

    Raises
    ------
    RatingsError
        If a table in another format has nothing to rate or nobody who rated.
    """
    stimulus = next((name for name in _MUSHRA if name in table), None)
    if stimulus is not None and _MUSHRA[stimulus] in table and "trial_id" in table:
        scale = _MUSHRA_SCALE if stimulus == "rating_stimulus" else ACR
        return _webmushra(table, stimulus, source), scale
    names = {str(name).lower() for name in table}
    if {"workerid", "answer.q1_url"} <= names:
        return _p808(table.rename(columns=str.lower), source), ACR
    return table, ACR


def _webmushra(table: "pd.DataFrame", stimulus: str, source: str) -> "pd.DataFrame":
    import pandas as pd

    columns = list(table)
    first = columns.index("session_test_id") + 1 if "session_test_id" in columns else 0
    asked = columns[first : columns.index("trial_id")]
    who = ["session_uuid"] if "session_uuid" in table else asked
    if not who:
        raise RatingsError(
            f"{source}: nothing tells listeners apart; accepted: session_uuid, or columns with "
            "what they were asked, before trial_id"
        )
    listener = table[who].agg(" ".join, axis=1).str.strip()
    return pd.DataFrame(
        {
            "listener": listener,
            "item": table["trial_id"] + "/" + table[stimulus],
            "rating": table[_MUSHRA[stimulus]].str.strip(),
            "pair": table["trial_id"],
            "stimulus": table[stimulus],
        }
    )


def _p808(table: "pd.DataFrame", source: str) -> "pd.DataFrame":
    import pandas as pd

    found = (re.fullmatch(r"answer\.q(\d+)_url", str(name)) for name in table)
    numbers = sorted(int(m[1]) for m in found if m and f"answer.q{m[1]}" in table)
    if "assignmentstatus" in table:
        table = table[table["assignmentstatus"].str.lower() != "rejected"]
    rows = []
    for row, session in table.iterrows():
        traps = {
            session.get(url, ""): (session.get(answer, ""), margin)
            for url, answer, margin in (
                ("input.tp", "input.tp_ans", 0),
                ("input.gold_clip", "input.gold_clip_ans", 1),
            )
        }
        for number in numbers:
            url = session[f"answer.q{number}_url"]
            answer, margin = traps.get(url, ("", 0))
            lowest, highest = _around(answer, margin)
            rows.append(
                {
                    "row": row,
                    "listener": session["workerid"],
                    "item": url,
                    "rating": session[f"answer.q{number}"],
                    "lowest": lowest,
                    "highest": highest,
                }
            )
    if not rows:
        raise RatingsError(f"{source}: no sessions; accepted: one that was not rejected, or more")
    result = pd.DataFrame(rows).set_index("row")
    names = result["item"].str.rsplit("/", n=1).str[-1]
    if names.nunique() == result["item"].nunique():
        result["item"] = names
    seen = result.groupby(["listener", "item"], sort=False).cumcount() + 1
    return result.assign(presentation=seen)


def _around(answer: str, margin: int) -> tuple[float | None, float | None]:
    """Return what is accepted of a catch trial."""
    try:
        right = round(float(answer))
    except ValueError:
        return None, None
    return max(ACR[0], right - margin), min(ACR[1], right + margin)
