"""Convert results of the P.808 toolkit (B. Naderi and R. Cutler, 2020).

Its tests are ACR, DCR, CCR, P.835 and P.804.

The columns are those that its pages and `create_input.py` write and `result_parser.py` reads; upper
and lower case do not matter. A row is a session of a worker, and clip N has these columns:

    Answer.QN_URL         the clip; in DCR and CCR the processed one
    Answer.qN             its rating: ACR and DCR 1 to 5; CCR -3 to 3, for the processed clip
                          compared with the reference (the page corrects the sign if the reference
                          came second)
    Answer.qN_sig ...     its ratings if there are several scales, as in P.835; each is a question
    Input.QN_P, .QN_R     DCR, CCR: the processed clip and its reference; the reference is the pair
    Input.TP, .TP_ANS     the trapping clip and its right answer. In DCR and CCR, the trapping clip
                          is a reference that is compared with itself, and the right answers are 4
                          and 5, or -1 to 1
    Input.gold_clips, .gold_clips_ans    the gold clip and its answer; one more or less is right too
    Input.gold_url, .gold_sig_ans ...    the same for each scale, also in Base64; _2 for a second

Trapping and gold clips become catch trials. If there are several scales, the overall scale is
judged, or every scale if every scale has its right answer. Each question then gets the first wrong
answer, or the first answer if all are right. A session is left out if it was rejected, if its
trapping or gold clip was not rated, or if its setup failed: the worker told apart fewer than two of
four pairs of clips, or gave a wrong sum (if `Input.math_ans` has the right one). Answers in
training, setup and qualification are no opinions. The toolkit's own result,
`all_votes_per_clip.csv`, is read too.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nst_lib.opinions.ratings import ACR
from nst_lib.opinions.tables import RatingsError, Text

if TYPE_CHECKING:
    import pandas as pd

#: Range of P.800's comparison category rating.
CCR = (-3.0, 3.0)
#: Ending of a column -> question; first those of P.835, then those of P.804 and P.831.
QUESTIONS = {
    "sig": "signal",
    "bak": "background",
    "ovrl": "overall",
    "noise": "noise",
    "col": "coloration",
    "disc": "discontinuity",
    "loud": "loudness",
    "reverb": "reverberation",
    "echo": "echo",
    "other": "other",
}
_OVERALL = ("", "ovrl", "echo")
_VOTES = {"workerid": "listener", "short_file_name": "item", "vote": "rating"}
_Session = dict[str, str]


def convert(text: Text) -> tuple["pd.DataFrame", tuple[float, float]] | None:
    """Return a table with our columns and the range of its ratings; None for other tables.

    Raises
    ------
    RatingsError
        If no rating is left.
    """
    import pandas as pd

    frame = text.frame.rename(columns=lambda name: name.lower().replace("_slide", ""))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    if {*_VOTES, "question_type"} <= set(frame):
        return _votes(frame)
    found = (re.fullmatch(r"answer\.q(\d+)_url", str(name)) for name in frame)
    clips = sorted(int(m[1]) for m in found if m)
    if "workerid" not in frame or not clips:
        return None
    scales = [s for s in ("", *QUESTIONS) if any(_rating(n, s) in frame for n in clips)]
    paired = any(re.fullmatch(r"input\.q\d+_r", str(name)) for name in frame)
    rated = [name for n in clips if (name := _rating(n, "")) in frame]
    numbers = frame[rated].apply(pd.to_numeric, errors="coerce")
    signed = paired and bool((numbers <= 0).any(axis=None))
    test = _Test(clips, scales[:1] if "" in scales else scales, paired, CCR if signed else ACR)
    text.notes.append(f"results of the P.808 toolkit: {test.method}")
    return _table(frame, test, text), test.scale


class _Check(NamedTuple):
    """Range of the right answers to one question about a catch trial."""

    question: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class _Test:
    """What the test asked: numbers of clips, endings of columns, references or not, and scale."""

    clips: list[int]
    questions: list[str]
    paired: bool
    scale: tuple[float, float]

    @property
    def method(self) -> str:
        if self.questions != [""]:
            return "P.835" if set(self.questions) <= {"sig", "bak", "ovrl"} else "several scales"
        return "CCR" if self.scale == CCR else "DCR" if self.paired else "ACR"

    @property
    def overall(self) -> str:
        return next((name for name in self.questions if name in _OVERALL), self.questions[0])


def _votes(frame: "pd.DataFrame") -> tuple["pd.DataFrame", tuple[float, float]]:
    """Convert the toolkit's own long table, which has only the sessions that it used."""
    scale = CCR if (frame["question_type"] == "CMOS").all() else ACR
    known = ("hitid", "assignment_id", "assignmentstatus", "file", "unknown")
    long = frame.drop(columns=[name for name in known if name in frame])
    return _presented(long.rename(columns={**_VOTES, "question_type": "question"})), scale


def _table(frame: "pd.DataFrame", test: _Test, text: Text) -> "pd.DataFrame":
    """Return the ratings of all usable sessions; notes say how many others there are."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    lost: Counter[str] = Counter()
    missing = 0
    names = [str(name) for name in frame]
    for row, *cells in frame.itertuples(name=None):
        session = dict(zip(names, cells, strict=True))
        checks = _checks(session, test)
        if fault := _fault(session, test, checks):
            lost[fault] += 1
            continue
        for one in _ratings(session, test, checks):
            if one["rating"]:
                rows.append({"row": row, **one})
            else:
                missing += 1
    for fault, count in lost.items():
        text.notes.append(f"{count} of {len(frame)} sessions left out: {fault}")
    if missing:
        text.notes.append(f"{missing} of {missing + len(rows)} ratings left out: not given")
    if not rows:
        reasons = "; ".join(text.notes[1:]) or "the file has no sessions"
        raise RatingsError(f"{text.source}: no ratings are left: {reasons}")
    result = pd.DataFrame(rows).set_index("row")
    result["item"] = _short(result["item"])
    if test.paired:
        result["pair"] = _short(result["pair"])
        if result.loc[result["lowest"].isna(), "pair"].nunique() < 2:
            result = result.drop(columns="pair")
    return _presented(result)


def _fault(session: _Session, test: _Test, checks: dict[str, list[_Check]]) -> str:
    """Return why the toolkit does not use a session; empty if it does."""
    if session.get("assignmentstatus", "").lower() == "rejected" or session.get("reject"):
        return "rejected"
    clips = {session[f"answer.q{n}_url"]: n for n in test.clips}
    for url, accepted in checks.items():
        if not all(session.get(_rating(clips.get(url, 0), one.question)) for one in accepted):
            return "no rating of the trapping or gold clip"
    return "setup failed" if _setup_failed(session) else ""


def _setup_failed(session: _Session) -> bool:
    """Return whether a setup was shown and failed; its clips' names begin with the SNR in dB."""
    total, given = session.get("input.math_ans", ""), session.get("answer.math", "")
    if total and given and _number(total) != sum(int(digit) for digit in re.findall(r"\d", given)):
        return True
    right = []
    for k in range(1, 5):
        a, b = (session.get(f"input.cmp{k}_{one}", "").rsplit("/", 1)[-1][:2] for one in "ab")
        answer = session.get(f"answer.cmp{k}", "")
        if a.isdigit() and b.isdigit() and answer:
            right.append(answer == ("a" if a > b else "b" if b > a else "o"))
    return len(right) == 4 and sum(right) < 2


def _ratings(
    session: _Session, test: _Test, checks: dict[str, list[_Check]]
) -> Iterator[dict[str, Any]]:
    """Yield one row for each clip and question."""
    references = {
        url: session.get(f"{name[:-1]}r", "")
        for name, url in session.items()
        if re.fullmatch(r"input\.q\d+_p", name)
    }
    for n in test.clips:
        url = session[f"answer.q{n}_url"]
        given = {name: session.get(_rating(n, name), "") for name in test.questions}
        silent = session.get(f"answer.is_silent_q{n}", "").lower() in ("1", "true", "on", "yes")
        if not url or (silent and url not in checks):
            continue
        judged = _judged(given, checks.get(url, []))
        for name, rating in given.items():
            row: dict[str, Any] = {"listener": session["workerid"], "item": url}
            row |= {"rating": given[judged.question] if judged else rating}
            row |= {"lowest": judged and judged.lowest, "highest": judged and judged.highest}
            row |= {"question": QUESTIONS[name]} if name else {}
            yield row | ({"pair": references.get(url) or url} if test.paired else {})


def _checks(session: _Session, test: _Test) -> dict[str, list[_Check]]:
    """Return the right answers to the trapping and gold clips of a session, by URL."""
    found = {}
    if trap := session.get("input.tp"):
        if test.paired:
            limits = (-1.0, 1.0) if test.scale == CCR else (4.0, 5.0)
        else:
            limits = _around(_number(session.get("input.tp_ans", "")), 0, test.scale)
        every = session.get("input.gold_url") and not session.get("input.gold_clips")
        judged = test.questions if every else [test.overall]
        found[trap] = [_Check(name, *limits) for name in judged]
    for end in ("", "_2"):
        gold = session.get(f"input.gold_clips{end}") or session.get(f"input.gold_url{end}")
        if not gold:
            continue
        answers = {
            name: _number(session.get(f"input.gold_{name}_ans{end}", "")) for name in test.questions
        }
        if all(answer is None for answer in answers.values()):
            answers = {test.overall: _number(session.get(f"input.gold_clips_ans{end}", ""))}
        found[gold] = [_Check(name, *_around(a, 1, test.scale)) for name, a in answers.items()]
    return found


def _judged(given: _Session, checks: list[_Check]) -> _Check | None:
    """Return the first check that failed, or the first check; None if there are no checks."""
    for check in checks:
        number = _number(given[check.question])
        if number is None or not check.lowest <= number <= check.highest:
            return check
    return checks[0] if checks else None


def _around(answer: int | None, margin: int, scale: tuple[float, float]) -> tuple[float, float]:
    """Return the range around a right answer; the whole scale if the answer is not known."""
    if answer is None:
        return scale
    return max(scale[0], answer - margin), min(scale[1], answer + margin)


def _number(text: str) -> int | None:
    """Read a whole number, which may be the end of "url_number" in Base64."""
    try:
        return round(float(text))
    except (ValueError, OverflowError):
        pass
    try:
        return int(base64.b64decode(text, validate=True).decode().rpartition("_")[2])
    except ValueError:
        return None


def _rating(clip: int, question: str) -> str:
    return f"answer.q{clip}_{question}" if question else f"answer.q{clip}"


def _short(urls: "pd.Series[str]") -> "pd.Series[str]":
    """Return the names of files if all are different, else the URLs."""
    names = urls.str.split("?", n=1).str[0].str.rsplit("/", n=1).str[-1]
    return names if names.nunique() == urls.nunique() else urls


def _presented(table: "pd.DataFrame") -> "pd.DataFrame":
    """Add the column `presentation`: it counts a listener's ratings of the same item."""
    key = [name for name in ("listener", "item", "question") if name in table]
    return table.assign(presentation=table.groupby(key, sort=False).cumcount() + 1)
