"""Arguments and options that several groups of commands take."""

from pathlib import Path
from typing import Annotated

import typer

from sra.core.errors import InputError, unknown
from sra.core.files import check_writable


def writable(path: Path | None) -> Path | None:
    """Of what a command writes: refused before the work starts where it could not be written in the end."""
    if path:
        check_writable(path)
    return path


Output = Annotated[Path, typer.Option(dir_okay=False, callback=writable, help="file to write")]
Device = Annotated[str, typer.Option(envvar="SRA_DEVICE", help="auto, cpu or cuda")]
Config = Annotated[Path, typer.Argument(help="the run's config.json")]
Weights = Annotated[str, typer.Option(help="trained, or released: only runs from released checkpoints are shown")]
SeedList = Annotated[str | None, typer.Option(help="of several trainings, such as 0,1,2; default: each run's own")]
SamplingSeedList = Annotated[str | None, typer.Option(help="of several sample sets of each training, such as 0,1; default: each sampler's own")]
Preset = Annotated[str, typer.Option(help="a file in config/presets")]


def chosen_weights(weights: str) -> str:
    if weights not in ("trained", "released"):
        raise unknown("weights", weights, ("trained", "released"))
    return weights


def chosen_seeds(training: str | None, sampling: str | None):
    """`Seeds` of the two options."""
    from sra.spec.load import checked
    from sra.spec.seeds import Seeds

    given = {"training": _listed(training, "--seeds"), "sampling": _listed(sampling, "--sampling-seeds")}
    return checked(given, Seeds, "--seeds and --sampling-seeds")


def shown_registry(preset: str, weights: str, seeds: str | None, sampling_seeds: str | None):
    """`Catalogue` of the working folder, as the options would have it shown. Raises InputError for an unknown preset."""
    from sra.content.catalogue import Catalogue

    registry = Catalogue(Path.cwd(), preset, chosen_weights(weights) == "released", chosen_seeds(seeds, sampling_seeds))
    _ = registry.preset
    return registry


def _listed(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    if not all(part.strip().isascii() and part.strip().isdigit() for part in text.split(",")):
        raise InputError(f"{option} {text!r}: expected whole numbers with commas between them, such as 0,1,2")
    return [int(part) for part in text.split(",")]
