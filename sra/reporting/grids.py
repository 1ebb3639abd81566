"""A grid of samples taken by a rule: which images (`build_grid`), then the picture (`draw_grid`). Nothing is picked by eye."""

from pathlib import Path

from sra.core.errors import InputError
from sra.reporting.documents import GridBlock, GridDocument, heading_of
from sra.reporting.packs import SamplePack, block_of, find_pack, missing_remarks, step_remarks
from sra.reporting.scores import Scores
from sra.reporting.sheets import Heading, Sheet, SheetRow, draw_sheet
from sra.spec.display import GridFigure
from sra.spec.scale import Preset

CLASSES_WHEN_UNSAID = 10
CELL, CLASS_GAP = 64, 8  # pixels of an image in the SVG and between classes


def build_grid(figure: GridFigure, scores: Scores, packs: dict[str, Path], preset_id: str, preset: Preset) -> GridDocument:
    """`packs` is the sample pack of each run; a run whose pack does not exist is `not run`."""
    classes = list(range(min(CLASSES_WHEN_UNSAID, preset.classes))) if figure.classes is None else figure.classes
    beyond = [label for label in classes if not 0 <= label < preset.classes]
    if beyond:
        raise InputError(f"{figure.id}: class {beyond[0]} does not exist at preset {preset_id}; give 0 to {preset.classes - 1}")
    blocks = []
    for series in figure.runs:
        pack = find_pack(series, figure, packs, preset_id, preset, "labels")
        indices = [[] if isinstance(pack, str) else pack.first_of(label, figure.per_class) for label in classes]
        blocks.append(GridBlock(**block_of(series, figure, pack, scores).model_dump(), indices=indices))
    rule = f"The first {figure.per_class} images of each class in the order drawn (place 0 first), one column a class; none is chosen by eye."
    return GridDocument(
        **heading_of(figure, preset_id, preset),
        score=figure.score,
        classes=classes,
        per_class=figure.per_class,
        rule=rule,
        blocks=blocks,
        remarks=_remarks(figure, blocks, classes, preset),
        alt=_alt(blocks, classes),
    )


def _remarks(figure: GridFigure, blocks: list[GridBlock], classes: list[int], preset: Preset) -> list[str]:
    remarks = missing_remarks(blocks)
    for block in blocks:
        short = [label for label, places in zip(classes, block.indices, strict=True) if block.status == "ok" and len(places) < figure.per_class]
        if short:
            remarks.append(
                f"{block.run}: the pack has fewer than {figure.per_class} images of class {', '.join(map(str, short))}; grey places stay empty."
            )
    remarks += step_remarks(figure, preset)
    if len(blocks) > 1:
        remarks.append("The same place in two runs has the same label and the same noise.")
    return remarks


def _alt(blocks: list[GridBlock], classes: list[int]) -> str:
    shown = sum(len(places) for block in blocks for places in block.indices)
    if not shown:
        return "No samples yet."
    return f"{shown} generated images: {len(classes)} classes in columns, of {', '.join(block.run for block in blocks if block.status == 'ok')}."


def draw_grid(document: GridDocument, packs: dict[str, Path], base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    rows = []
    for block in document.blocks:
        pack = SamplePack(Path(packs[block.run])) if block.status == "ok" else None
        rows.append(SheetRow(block, [[pack.image(index) for index in places] for places in block.indices]))
    headings = [Heading([f"class {label}"]) for label in document.classes]
    draw_sheet(Sheet(len(document.classes), document.per_class, headings, rows, CELL, CLASS_GAP, centred=True), base)
