"""`render_figure`: the data of a figure as JSON, and its picture as SVG and PNG."""

from collections.abc import Iterable
from pathlib import Path

from sra.core.files import write_json
from sra.reporting.captions import build_captions, draw_captions
from sra.reporting.curves import build_curves, draw_curves
from sra.reporting.documents import CaptionsDocument, CurvesDocument, GridDocument
from sra.reporting.grids import build_grid, draw_grid
from sra.reporting.published import load_published
from sra.reporting.scores import load_scores
from sra.spec.display import CaptionsFigure, CurvesFigure, GridFigure
from sra.spec.scale import Preset


def render_figure(
    figure: CurvesFigure | GridFigure | CaptionsFigure,
    score_files: Iterable[Path],
    packs: dict[str, Path],
    published_folder: Path,
    preset_id: str,
    preset: Preset,
    output_folder: Path,
) -> CurvesDocument | GridDocument | CaptionsDocument:
    """Write `<id>.json .svg .png`. `packs` is the sample pack of each run, for figures of samples; files that do not exist are `not run`."""
    scores = load_scores(score_files, preset_id)
    base = Path(output_folder) / figure.id
    if isinstance(figure, GridFigure):
        document = build_grid(figure, scores, packs, preset_id, preset)
        draw_grid(document, packs, base)
    elif isinstance(figure, CaptionsFigure):
        document = build_captions(figure, scores, packs, preset_id, preset)
        draw_captions(document, packs, base)
    else:
        document = build_curves(figure, scores, load_published(published_folder), preset_id, preset)
        draw_curves(document, base)
    write_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    return document
