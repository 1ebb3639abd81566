"""A task: what one rule would make, or all shards of one, with its work and the space it takes.

Tasks are equal when they are the same work, so what many tables share counts once.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from sra.forecast.rates import Work

Stage = Literal["data", "training", "sampling", "scoring"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True)
class Task:
    """at_once: devices that can share it.  kept, temporary: bytes on disk afterwards, and only meanwhile."""

    stage: Stage
    name: str
    work: tuple[Work, ...] = ()
    jobs: int = 1
    at_once: int = 1
    kept: int = 0
    temporary: int = 0
    run: str = ""  # of training
    first_step: int = 0
    last_step: int = 0
    until: str = ""  # the point that it ends at
    images: int = 0  # drawn
    sets: int = 0  # scored

    @property
    def steps(self) -> int:
        return self.last_step - self.first_step


Chain = tuple[Task, ...]  # in the order in which they must be done
