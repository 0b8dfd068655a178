"""Files of tensors that ``torch.save`` writes."""

import os
import warnings
from typing import Any

import torch


def read(path: str | os.PathLike[str]) -> Any:
    """Return the content of a file, on the CPU. No code in the file is executed.

    Raises
    ------
    ValueError
        If the file cannot be read or is of another kind. The message gives only the reason.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a file of another kind raises nearly any of them
        raise ValueError("is not a file of tensors that torch.save wrote") from error
