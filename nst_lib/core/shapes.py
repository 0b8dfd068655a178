"""A check of the shape of spectrograms and coefficients."""

from torch import Tensor


def validate_shape(x: Tensor, shape: tuple[int, int], *, length: int) -> None:
    """Raise ValueError unless `x` has as many rows and frames as a sound of `length` samples."""
    if x.shape[-2:] != shape:
        raise ValueError(
            f"{'coefficients' if x.is_complex() else 'spectrogram'} of shape {tuple(x.shape)}; "
            f"accepted: (..., {shape[0]}, {shape[1]}) for {length} samples"
        )
