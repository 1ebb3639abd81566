"""`render_figure`: the data of a figure as JSON, and its picture as SVG and PNG."""

from collections.abc import Iterable
from pathlib import Path

from sra.content.figures import CaptionsFigure, FeaturesFigure, FigureSpec, GridFigure, ProbesFigure, TargetsFigure
from sra.core.files import write_checked_json
from sra.reporting.documents import FigureDocument
from sra.reporting.figures.captioned import build_captions, draw_captions
from sra.reporting.figures.components import build_features, draw_features
from sra.reporting.figures.curves import build_curves, draw_curves
from sra.reporting.figures.grids import build_grid, draw_grid
from sra.reporting.figures.probes import build_probes, draw_probes
from sra.reporting.figures.targets import build_targets, draw_targets
from sra.reporting.read.probes import InsideFiles, load_probes
from sra.reporting.read.published import load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.tables.costs import load_costs
from sra.spec.scale import Preset
from sra.spec.seeds import Seeds


def render_figure(
    figure: FigureSpec,
    score_files: Iterable[Path],
    packs: dict[str, Path],
    published_folder: Path,
    preset_id: str,
    preset: Preset,
    output_folder: Path,
    inside: InsideFiles | None = None,
    seeds: Seeds = Seeds(),
    cost_files: Iterable[Path] = (),
) -> FigureDocument:
    """Write `<id>.json .svg .png`; files that do not exist are `not run`.

    packs: the sample pack of each run, for figures of samples.  inside: for figures of a model's inside, whose runs are those that stand here.
    """
    base, inside = Path(output_folder) / figure.id, inside or InsideFiles()
    if isinstance(figure, ProbesFigure):
        probes = load_probes(inside.probes, preset_id)
        document = build_probes(figure, probes, load_published(published_folder), inside.carriers, preset_id, preset)
        draw_probes(document, base)
    elif isinstance(figure, TargetsFigure):
        probes, scores = load_probes(inside.probes, preset_id), load_scores(score_files, preset_id, seeds)
        document = build_targets(figure, scores, probes, load_published(published_folder), inside.carriers, preset_id, preset)
        draw_targets(document, base)
    elif isinstance(figure, FeaturesFigure):
        document = build_features(figure, inside.components, inside.carriers, preset_id, preset)
        draw_features(document, inside.components, base)
    elif isinstance(figure, GridFigure):
        document = build_grid(figure, packs, preset_id, preset, scored=bool(list(score_files)))
        draw_grid(document, packs, base)
    elif isinstance(figure, CaptionsFigure):
        document = build_captions(figure, packs, preset_id, preset)
        draw_captions(document, packs, base)
    else:
        scores, costs = load_scores(score_files, preset_id, seeds), load_costs(cost_files, preset_id)
        document = build_curves(figure, scores, load_published(published_folder), preset_id, preset, costs)
        draw_curves(document, base)
    write_checked_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    return document
