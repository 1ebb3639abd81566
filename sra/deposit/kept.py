"""The small files of a preset's results that are worth committing: what every number rests on, and the few images that figures show."""

import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath

from sra.content.catalogue import Catalogue
from sra.content.figures import GridFigure
from sra.content.required import packs_of_figure
from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.core.receipts import read_receipt, receipt_path, write_receipt
from sra.reporting.figures.grids import shown_classes
from sra.reporting.read.packs import SamplePack
from sra.spec.layout import Results, Shared
from sra.spec.scale import Preset
from sra.spec.score import PACKED

# Of a preset's folder. Curves are kept of the last milestone alone, which has those before it.
PATTERNS = ("scores/**/*.json", "runs/*/config.json", "runs/*/diverged.json", "costs/*.json", "probes/**/*.json", "studies/**/*.json")
STANDINS = "standins"  # receipts of the networks that stand for downloaded ones


def keep(registry: Catalogue, kept_in: Path) -> list[Path]:
    """Copy them to `kept_in/<preset>`, from the root, and return their places there; what is there already and is no longer here stays, but for
    curves that a longer one contains.

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
    for curve in (there / place for place in files if place.parent.name == "curve"):
        for shorter in set(curve.parent.iterdir()) - {curve}:
            shorter.unlink()
    return [*(there / place for place in sorted(files)), *_cut_packs(registry, kept_in)]


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


def _cut_packs(registry: Catalogue, kept_in: Path) -> Iterator[Path]:
    """Write the sample packs behind the preset's grids, cut after the last image that one shows, each with a receipt that names the whole."""
    kept, grids = Results(registry.preset_id, PurePosixPath(kept_in.as_posix())), {}
    for figure in map(registry.figures.__getitem__, registry.shown_figures):
        for item in packs_of_figure(figure, registry) if isinstance(figure, GridFigure) else []:
            grids.setdefault(item, []).append(figure)
    for item, figures in grids.items():
        whole, cut = (registry.root / results.samples(item.run, item.score) for results in (registry.results, kept))
        if not whole.exists():
            continue
        pack, receipt = SamplePack(whole), read_receipt(whole, PACKED)
        count = max(_shown(figure, pack, registry.preset) for figure in figures)
        cut.parent.mkdir(parents=True, exist_ok=True)
        write_npz(cut, {"arr_0": pack.first(count), "labels": pack.asked[:count]})
        write_receipt(cut, PACKED, hashes={"samples": receipt["sha256"]}, **receipt["facts"] | {"count": count, "cut_from": len(pack)})
        yield from (cut, receipt_path(cut))


def _shown(figure: GridFigure, pack: SamplePack, preset: Preset) -> int:
    """How many images from the pack's first to the last that the figure shows."""
    places = (pack.first_of(label, figure.per_class) for label in shown_classes(figure, preset))
    return 1 + max(chain.from_iterable(places), default=-1)
