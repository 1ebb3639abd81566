"""Take over results that were copied here: check each against its receipt, then have what is whole count as finished. Nothing is trained.

Say what you would say to snakemake: its targets, none for everything, and KEY=VALUE as behind its --config. The same words belong to both.

Example: sra adopt
Example: sra adopt study_methods preset=fashion_cpu
Example: sra adopt preset=paper paths='{imagenet: /data/imagenet}'
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from sra.core.errors import InputError
from sra.core.units import several
from sra.deposit.adopted import check, take_over
from sra.deposit.held import House
from sra.plan.workflow import checked_plan
from sra.spec.load import read_yaml


def adopt(
    words: Annotated[list[str] | None, typer.Argument(help="targets, and KEY=VALUE of config/config.yaml")] = None,
    preset: Annotated[str | None, typer.Option(help="the same as preset=...")] = None,
) -> None:
    """Raises InputError where there is no result to take over."""
    given = [*([f"preset={preset}"] if preset else []), *(word for word in words or () if "=" in word)]
    root = Path.cwd()
    context = checked_plan(root, {**(read_yaml(root / "config" / "config.yaml") or {}), **dict(map(_choice, given))})
    house = House(context)
    if not house.files:
        raise InputError(f"results/{context.preset}: nothing to take over; copy it and results/shared here first, or build it: snakemake --cores 2")
    unfit = check(house)
    for one in unfit:
        print(f"left out: {one}", file=sys.stderr)
    take_over(house, unfit, [word for word in words or () if "=" not in word], given)
    more = f"; {several(len(unfit), 'file')} left out: snakemake makes {'it' if len(unfit) == 1 else 'them'} again" if unfit else ""
    print(f"{several(len(house.files) - len(unfit), 'file')} taken over as finished{more}")


def _choice(word: str) -> tuple[str, object]:
    key, _, value = word.partition("=")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"{word}: not valid YAML behind the sign; quote it as one word, such as seeds='[0, 1]'") from None
