"""Write one run's config.json."""

from pathlib import Path

from sra.core.errors import InputError
from sra.spec.registry import Registry
from sra.spec.run import write_run


def resolve_run(root: Path, preset: str, run: str, output: Path, expect: str | None = None) -> None:
    """Resolve `run` at `preset` and write it. `expect` is the fingerprint that the workflow planned with."""
    spec = Registry(root, preset).spec(run)
    if expect and spec.fingerprint != expect:
        raise InputError(f"run {run}: its configuration changed while the workflow was running; start snakemake again")
    write_run(output, spec)
