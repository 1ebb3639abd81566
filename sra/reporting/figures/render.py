"""`render_figure`: the data of a figure as JSON, and its picture as SVG and PNG."""

from collections.abc import Iterable
from pathlib import Path

from sra.content.figures import CaptionsFigure, FeaturesFigure, FigureSpec, GridFigure, ProbesFigure, StudyFigure, TargetsFigure
from sra.core.files import write_checked_json
from sra.reporting.documents import FigureDocument
from sra.reporting.figures.captioned import build_captions, draw_captions
from sra.reporting.figures.components import build_features, draw_features
from sra.reporting.figures.curves import build_curves, draw_curves
from sra.reporting.figures.grids import build_grid, draw_grid
from sra.reporting.figures.probes import build_probes, draw_probes
from sra.reporting.figures.study.document import build_study_figure, draw_study
from sra.reporting.figures.targets import build_targets, draw_targets
from sra.reporting.read.evidence import load_evidence
from sra.reporting.read.probes import InspectedFiles
from sra.spec.scale import Preset
from sra.spec.seeds import Seeds
from sra.study.document import StudyDocument


def render_figure(
    figure: FigureSpec,
    score_files: Iterable[Path],
    packs: dict[str, Path],
    published_folder: Path,
    preset_id: str,
    preset: Preset,
    output_folder: Path,
    inside: InspectedFiles | None = None,
    seeds: Seeds = Seeds(),
    cost_files: Iterable[Path] = (),
    study: StudyDocument | None = None,
) -> FigureDocument:
    """Write `<id>.json .svg .png`; files that do not exist are `not run`.

    packs: the sample pack of each run, for figures of samples.  inside: for figures that look inside models, of the runs that they show here.
    study: for figures of one, what it found.
    """
    base, score_files = Path(output_folder) / figure.id, list(score_files)
    evidence = load_evidence(preset_id, preset, published_folder, score_files, seeds, cost_files, inside, packs)
    match figure:
        case ProbesFigure():
            draw_probes(document := build_probes(figure, evidence), base)
        case TargetsFigure():
            draw_targets(document := build_targets(figure, evidence), base)
        case FeaturesFigure():
            draw_features(document := build_features(figure, evidence), evidence.components, base)
        case GridFigure():
            draw_grid(document := build_grid(figure, evidence, scored=bool(score_files)), packs, base)
        case CaptionsFigure():
            draw_captions(document := build_captions(figure, evidence), packs, base)
        case StudyFigure():
            draw_study(document := build_study_figure(figure, evidence, study), base)
        case _:
            draw_curves(document := build_curves(figure, evidence), base)
    write_checked_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    return document
