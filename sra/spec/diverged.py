"""The note that a training leaves behind when its loss is no longer finite (`runs/<run>/diverged.json`), so that a study can show it."""

from pathlib import Path

from pydantic import PositiveInt

from sra.core.files import read_json, write_json
from sra.spec.base import Strict
from sra.spec.load import checked
from sra.spec.run import RunSpec

NAME = "diverged.json"


class Diverged(Strict):
    """step: the first whose loss or gradient was not finite.  fingerprint: of the run as it was then."""

    run: str
    fingerprint: str
    step: PositiveInt


def write_diverged(config: Path, spec: RunSpec, step: int) -> None:
    """Beside the run's config.json."""
    note = Diverged(run=spec.run, fingerprint=spec.fingerprint, step=step)
    write_json(config.with_name(NAME), note.model_dump(mode="json"))


def forget_diverged(config: Path) -> None:
    """Once the training has come further."""
    config.with_name(NAME).unlink(missing_ok=True)


def diverged_at(file: Path, spec: RunSpec) -> int | None:
    """The step at which this very run diverged; None where it did not, or was another run then."""
    if not file.exists():
        return None
    note = checked(read_json(file), Diverged, str(file))
    return note.step if note.fingerprint == spec.fingerprint else None
