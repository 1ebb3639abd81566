"""Write one run's config.json."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.spec.load import checked
from sra.spec.registry import Registry
from sra.spec.run import RunSpec


def resolve_run(root: Path, preset: str, run: str, output: Path, expect: str | None = None) -> None:
    """Resolve `run` at `preset` and write it. `expect` is the fingerprint that the workflow planned with."""
    spec = Registry(root, preset).spec(run)
    if expect and spec.fingerprint != expect:
        raise InputError(f"run {run}: its configuration changed while the workflow was running; start snakemake again")
    write_json(output, {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})


def read_run(config: Path) -> RunSpec:
    """The run of a config.json. Raises InputError when the file was edited by hand."""
    content = read_json(config)
    fingerprint = content.pop("fingerprint", None) if isinstance(content, dict) else None
    spec = checked(content, RunSpec, str(config))
    if spec.fingerprint != fingerprint:
        raise InputError(f"{config}: was edited by hand; change config/experiments instead and delete this file")
    return spec
