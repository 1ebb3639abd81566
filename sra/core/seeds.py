"""Randomness as a function of its purpose: no generator state is stored anywhere, so work can stop, move and be split freely."""

from hashlib import blake2b


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, for example `derive_seed(0, "noise", step)`.

    Different purposes give unrelated streams, however close their numbers are; the same purpose always gives the same one.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1
