"""Write one run's config.json: everything its training depends on.

Example: sra resolve sit_b2_sra --preset digits --output config.json
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Output, Preset
from sra.core.errors import InputError
from sra.spec.registry import Registry
from sra.spec.run import write_run


def resolve(run: str, preset: Preset, output: Output, expect: Annotated[str | None, typer.Option(help="fingerprint")] = None) -> None:
    """expect: the fingerprint that the workflow planned with."""
    spec = Registry(Path.cwd(), preset).spec(run)
    if expect and spec.fingerprint != expect:
        raise InputError(f"run {run}: its configuration changed while the workflow was running; start snakemake again")
    write_run(output, spec)
