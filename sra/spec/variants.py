"""Runs that differ from one of `config/experiments` in one number: trials of a study's tuning, named like seeds and trained like any other run.

`sit_b2_sra__weight_x4` is `sit_b2_sra` with four times its weight, `sit_b2__rate_d2` the baseline at half the learning rate. What is published
keeps its plain name, so a trial of the published value is that run itself. A seed comes last: `sit_b2_sra__weight_x4__s100`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

Changed = Literal["weight", "rate"]
FACTORS: dict[str, float] = {"d4": 0.25, "d2": 0.5, "x2": 2.0, "x4": 4.0}


def _has_a_name(factor: float) -> float:
    if factor != 1 and factor not in FACTORS.values():
        raise ValueError(f"{factor:g} has no name; choose among 1, {', '.join(f'{known:g}' for known in FACTORS.values())}")
    return factor


Factor = Annotated[float, AfterValidator(_has_a_name)]

NAMED = re.compile(r"(?P<run>.+)__(?P<what>weight|rate)_(?P<factor>[dx]\d+)")


@dataclass(frozen=True)
class Variant:
    """what: the alignment's weight or weights, or the learning rate.  factor: times what is published."""

    what: Changed
    factor: float


def varied(run: str, what: Changed, factor: float) -> str:
    """The name of the run with that number times `factor`; its plain name where that is 1."""
    if factor == 1:
        return run
    return f"{run}__{what}_{next(name for name, known in FACTORS.items() if known == factor)}"


def split_variant(run: str) -> tuple[str, Variant | None]:
    """`sit_b2_sra__weight_x4` -> ("sit_b2_sra", four times the weight), `sit_b2_sra` -> ("sit_b2_sra", None). Names without their seed."""
    found = NAMED.fullmatch(run)
    if not found or found["factor"] not in FACTORS:
        return run, None
    return found["run"], Variant(found["what"], FACTORS[found["factor"]])
