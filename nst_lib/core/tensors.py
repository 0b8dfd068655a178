"""Files of tensors, as ``torch.save`` writes them."""

import os
import warnings
from typing import Any

import torch


def read(path: str | os.PathLike[str]) -> Any:
    """Return what a file holds, on the CPU; nothing in it is executed.

    Raises
    ------
    ValueError
        If it cannot be read, or is a file of another kind. The message is the reason alone.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a file of another kind raises nearly any of them
        raise ValueError("is not a file of tensors by torch.save") from error
