"""The small files of a preset's results that are worth committing: what every number rests on, and nothing that is drawn from it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.spec.layout import Shared

# Of a preset's folder. Curves are kept of the last milestone alone, which has those before it.
PATTERNS = ("scores/**/*.json", "runs/*/config.json", "runs/*/diverged.json", "costs/*.json", "probes/**/*.json", "studies/**/*.json")
STANDINS = "standins"  # receipts of the networks that stand for downloaded ones


def keep(registry: Catalogue, kept_in: Path) -> list[Path]:
    """Copy them to `kept_in/<preset>`, from the root, and return their places there; what is there already and is no longer here stays.

    Raises InputError where there is no score.
    """
    here = registry.root / registry.results.folder
    there = registry.root / kept_in / registry.preset_id
    files = dict(_files(registry, here))
    if not any(place.parts[0] == "scores" for place in files):
        raise InputError(f"{registry.results.folder}/scores: there is no score to keep; run the workflow first")
    for place, source in files.items():
        (there / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, there / place)
    return [there / place for place in sorted(files)]


def _files(registry: Catalogue, here: Path) -> Iterator[tuple[Path, Path]]:
    """Place in the kept folder and source of each."""
    for pattern in PATTERNS:
        for path in here.glob(pattern):
            yield path.relative_to(here), path
    for run in here.glob("runs/*"):
        curves = [run / "curve" / f"{name}.jsonl" for name in _by_step(registry)]
        if done := [curve for curve in curves if curve.exists()]:
            yield done[-1].relative_to(here), done[-1]
    shared = Shared(registry.preset.dataset)
    for kind, name in _networks(registry):
        for path in (registry.root / shared.model(kind, name)).glob("*.receipt.json"):
            yield Path(STANDINS, f"{name}.json"), path


def _by_step(registry: Catalogue) -> list[str]:
    milestones = registry.preset.milestones
    return sorted(milestones, key=milestones.__getitem__)


def _networks(registry: Catalogue) -> list[tuple[str, str]]:
    preset = registry.preset
    extractors = filter(None, [preset.extractor, preset.second_extractor])
    return [("vae", preset.vae), *(("encoder", name) for name in preset.encoders.values()), *(("extractor", name) for name in extractors)]
