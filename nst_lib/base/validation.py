"""Checks of arguments: a ValueError says what was given and what is accepted."""

import difflib
from collections.abc import Iterable, Sequence

import psutil
from torch import Tensor


def hint(name: str, known: Iterable[str]) -> str:
    """Return what to say of an unknown name: the nearest of those known, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"accepted: {', '.join(names)}"


def validate_choice(**choices: tuple[str, Sequence[str]]) -> None:
    """Raise ValueError unless every value, given as (value, accepted), is accepted."""
    for name, (value, accepted) in choices.items():
        if value not in accepted:
            raise ValueError(f"{name} {value!r}; accepted: {', '.join(accepted)}")


def validate_positive(**values: float) -> None:
    """Raise ValueError unless every value is more than 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} {value!r}; accepted: more than 0")


def validate_memory(needed: int, *, of: str, accepted: str) -> None:
    """Raise ValueError unless as many bytes are free."""
    free = psutil.virtual_memory().available
    if needed > free:
        sizes = f"{needed / 1e9:.1f} GB and {free / 1e9:.1f} GB"
        raise ValueError(f"{of} take {sizes} are free; accepted: {accepted}")


def validate_shape(x: Tensor, shape: tuple[int, int], *, length: int) -> None:
    """Raise ValueError unless `x` has as many rows and frames as a sound of `length` samples."""
    if x.shape[-2:] != shape:
        raise ValueError(
            f"{'coefficients' if x.is_complex() else 'spectrogram'} of shape {tuple(x.shape)}; "
            f"accepted: (..., {shape[0]}, {shape[1]}) for {length} samples"
        )
