"""Several seeds of one run, so that a number has a spread. Training and sampling seeds are chosen, named and counted apart.

A run trained from another seed than its own is a run of its own, `sit_b2_sra__s1`; a sampler that draws from another seed than its own is a sampler
of its own, `sde250__s1`. What has its own seed keeps its plain name, so asking for more seeds later repeats nothing.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import NonNegativeInt, field_validator

from sra.spec.base import Strict

Listed = TypeVar("Listed", list[int], tuple[int, ...])
NAMED = re.compile(r"(?P<name>.+)__s(?P<seed>0|[1-9]\d*)")


def each_once(seeds: Listed) -> Listed:
    """The same seeds. Raises ValueError where one is given twice, and where there is none."""
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"a seed is given twice in {list(seeds)}; name each once")
    if not seeds:
        raise ValueError("expected at least one seed, such as [0, 1, 2], or null for each run's own")
    return seeds


class Seeds(Strict):
    """training, sampling: seeds of every run and of every sampler; None leaves each its own.  own: of runs that have another than 0."""

    training: tuple[NonNegativeInt, ...] | None = None
    sampling: tuple[NonNegativeInt, ...] | None = None
    own: Mapping[str, int] = {}

    @field_validator("training", "sampling")
    @classmethod
    def _each_once(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return None if seeds is None else each_once(seeds)

    def of_run(self, name: str) -> int:
        """The training seed of a run that is trained here: that which its name ends in, or its own."""
        run, seed = split_seed(name)
        return self.own.get(run, 0) if seed is None else seed


def seeded(name: str, seed: int, own: int) -> str:
    """The name of a run or sampler with that seed, of which `own` goes without saying."""
    return name if seed == own else f"{name}__s{seed}"


def own_first(seed: int | None) -> int:
    """Key that sorts seeds as `split_seed` gives them: its own, then the others in rising order."""
    return -1 if seed is None else seed


def split_seed(name: str) -> tuple[str, int | None]:
    """`sde250__s1` -> ("sde250", 1), `sde250` -> ("sde250", None)."""
    found = NAMED.fullmatch(name)
    return (found["name"], int(found["seed"])) if found else (name, None)
