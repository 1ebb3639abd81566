"""What is no number among those that a network computed."""

from torch import Tensor


def first_broken_row(values: Tensor) -> int | None:
    """The first row of values (B, ...) with NaN or infinity in it."""
    broken = ~values.isfinite().flatten(1).all(1)
    return int(broken.nonzero()[0]) if broken.any() else None
