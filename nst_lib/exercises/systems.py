"""Checks of the answers to the exercises of lesson 15, systems."""

import math

import pandas as pd

from nst_lib.exercises.verdict import UnclearError, Verdict, choice, exercise, right, wrong
from nst_lib.result import TransferResult

#: Exercise 2: how many times as long as the style the texture is.
LONGER = 3
#: Exercise 3: a system that copies less of the style counts.
COPY = 0.2
#: Exercise 4: a system with less of the style's timbre counts.
TIMBRE = 0.1


@exercise
def key_factor(answer: object) -> Verdict:
    """Check exercise 1: a transfer of `grinstein2018` that starts from noise.

    Parameters
    ----------
    answer : TransferResult
        What `transfer` returned.
    """
    result = _result(answer, "grinstein2018")
    if result.config.start != "noise":
        return wrong(
            f"This transfer starts from `{result.config.start}`. Change that with `replace`."
        )
    if result.content is None or result.scores is None:
        return wrong("This is a texture without a content. Pass the content of the pair, too.")
    return right(
        f"The rhythm is {result.scores.rhythm:.2f}; chance alone gives up to about 0.3. The loss "
        "does not contain the content, so from noise this system makes a texture of the style. "
        "What it keeps of the content when it starts there is what it has not yet changed."
    )


@exercise
def long_texture(answer: object) -> Verdict:
    """Check exercise 2: a texture that is three times as long as the style.

    Parameters
    ----------
    answer : TransferResult
        What `transfer` returned.
    """
    result = _result(answer, "grinstein2018_texture")
    if result.content is not None:
        return wrong("This is a transfer with a content. Pass `None` in its place.")
    times = result.audio.shape[-1] / result.style.shape[-1]
    if not math.isclose(times, LONGER, rel_tol=0.01):
        return wrong(
            f"The texture is {times:.2g} times as long as the style. `texture_duration` is in "
            "seconds, and `duration` is that of the recording."
        )
    return right(
        "Statistics over time are means, and a mean does not depend on the length of the sound. A "
        "Gram matrix that is a mean does not, either."
    )


@exercise
def best_texture(answer: object, *, full: pd.DataFrame) -> Verdict:
    """Check exercise 3: the best texture of the systems that hardly copy the style.

    Parameters
    ----------
    answer : str
        The name of a preset.
    full : pd.DataFrame
        The table of systems at published settings.
    """
    found = choice(answer, list(full.index))
    counted = full[full["copies style"] < COPY]
    if found == counted["texture"].idxmax():
        return right(
            "The first places of the column are copies or optimise the score itself. Without "
            "them, the order is another one. A number in a table needs the other columns."
        )
    row = full.loc[found]
    if found not in counted.index:
        return wrong(
            f"{found} has a texture of {row['texture']:.2f}, and it copies "
            f"{row['copies style']:.0%} of the style."
        )
    return wrong(f"{found} has a texture of {row['texture']:.2f}; another one has more.")


@exercise
def own_measure(answer: object, *, full: pd.DataFrame) -> Verdict:
    """Check exercise 4: the largest fall of the loss without the style's timbre.

    Parameters
    ----------
    answer : str
        The name of a preset.
    full : pd.DataFrame
        The table of systems at published settings.
    """
    found = choice(answer, list(full.index))
    counted = full[full["timbre"] < TIMBRE].dropna(subset=["loss / start"])
    if found == counted["loss / start"].idxmin():
        return right(
            "The optimiser has done its work, and the timbre is still as far from the style as the "
            "content's. What it made small is not what you hear: most of this loss comes from "
            "something else than the timbre."
        )
    row = full.loc[found].to_dict()
    if not row["timbre"] < TIMBRE:
        return wrong(f"{found} has a timbre of {row['timbre']:.2f}.")
    if pd.isna(row["loss / start"]):
        return wrong(f"{found} has no loss.")
    return wrong(
        f"The loss of {found} falls to {row['loss / start']:.2g} of its start. Another one falls "
        "further: is a smaller ratio a larger or a smaller reduction?"
    )


def _result(answer: object, preset: str) -> TransferResult:
    """Return the result of a transfer with the settings of a preset."""
    if not isinstance(answer, TransferResult):
        raise UnclearError("The answer is the whole result, as `transfer(...)` returns it.")
    if answer.config.preset != preset:
        raise UnclearError(f"This was made with `{answer.config.preset}`, not with `{preset}`.")
    return answer
