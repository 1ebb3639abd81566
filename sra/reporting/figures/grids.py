"""A grid of samples taken by a rule: which images (`build_grid`), then the picture (`draw_grid`). Nothing is picked by eye."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from sra.content.figures import GridFigure
from sra.core.errors import InputError
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.sheets import GAP, Heading, Sheet, SheetRow, draw_sheet
from sra.reporting.figures.samples import SampleBlock, SamplesDocument, block_of, find_pack, sample_remarks
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.packs import SamplePack
from sra.reporting.write.numbers import count_text
from sra.spec.metric import ScoreOf
from sra.spec.scale import CLASSES_OF_IMAGENET, Preset, class_here

CLASSES_WHEN_UNSAID = 10
CELL, CLASS_GAP = 64, 8  # pixels of an image in the SVG and between classes


class GridBlock(SampleBlock):
    """One run of the grid. `indices`: places in the sample pack, one list a class; shorter than `per_class` where the pack has no more."""

    indices: list[list[int]]


class GridDocument(SamplesDocument):
    """Images of each class. scored: whether the packs have a score too, which those of some classes alone have not."""

    kind: Literal["grid"] = "grid"
    scored: bool = True
    classes: list[int]
    per_class: int
    blocks: list[GridBlock]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        return super().scores() if self.scored else []


def build_grid(figure: GridFigure, evidence: Evidence, scored: bool = True) -> GridDocument:
    """What the figure shows. scored: whether the packs are scored as well."""
    named, classes = named_classes(figure, evidence.preset), shown_classes(figure, evidence.preset)
    blocks = []
    for series in figure.runs:
        pack = find_pack(series, figure, evidence, "labels")
        indices = [[] if isinstance(pack, str) else pack.first_of(label, figure.per_class) for label in classes]
        blocks.append(GridBlock(**block_of(series, pack).model_dump(), indices=indices))
    which, laid = ("each class", "one column a class") if len(classes) > 1 else ("the class", "from the left")
    shared = "The same place in two runs has the same label and the same noise."
    return GridDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        score=figure.score,
        scored=scored,
        classes=classes,
        per_class=figure.per_class,
        rule=f"The first {figure.per_class} images of {which} in the order drawn (place 0 first), {laid}; none is chosen by eye.",
        blocks=blocks,
        remarks=sample_remarks(figure, blocks, evidence, _short(figure, blocks, classes), shared) + _class_remarks(named, evidence.preset),
        alt=_alt(blocks, classes),
    )


def named_classes(figure: GridFigure, preset: Preset) -> list[int]:
    """Of ImageNet, as the figure's file names them. Raises InputError for one that ImageNet has not."""
    named = list(range(min(CLASSES_WHEN_UNSAID, preset.classes))) if figure.classes is None else figure.classes
    beyond = [label for label in named if not 0 <= label < CLASSES_OF_IMAGENET]
    if beyond:
        raise InputError(f"{figure.id}: class {beyond[0]} does not exist in ImageNet; give 0 to {CLASSES_OF_IMAGENET - 1}")
    return named


def shown_classes(figure: GridFigure, preset: Preset) -> list[int]:
    """Of the preset's data set, each once."""
    return list(dict.fromkeys(class_here(label, preset.classes) for label in named_classes(figure, preset)))


def _short(figure: GridFigure, blocks: list[GridBlock], classes: list[int]) -> list[str]:
    """Which packs have too few images of which classes."""
    remarks = []
    for block in blocks:
        short = [label for label, places in zip(classes, block.indices, strict=True) if block.status == "ok" and len(places) < figure.per_class]
        if short:
            names = ", ".join(map(str, short))
            remarks.append(f"{block.run}: the pack has fewer than {figure.per_class} images of class {names}; grey places stay empty.")
    return remarks


def _class_remarks(named: list[int], preset: Preset) -> list[str]:
    """Which class of this data set is shown for each of ImageNet that it does not have."""
    moved = {label: class_here(label, preset.classes) for label in named if label >= preset.classes}
    if not moved:
        return []
    pairs = ", ".join(f"{label} is {here}" for label, here in moved.items())
    return [
        f"Classes of ImageNet are counted round the {count_text(preset.classes)} of this data set: {pairs}. "
        "Figures whose classes come to the same here show the same images."
    ]


def _alt(blocks: list[GridBlock], classes: list[int]) -> str:
    shown = sum(len(places) for block in blocks for places in block.indices)
    if not shown:
        return "The packs hold no image of these classes." if any(block.status == "ok" for block in blocks) else "No samples yet."
    what = f"{len(classes)} classes in columns" if len(classes) > 1 else f"class {classes[0]}"
    return f"{shown} generated images: {what}, of {', '.join(block.run for block in blocks if block.status == 'ok')}."


def draw_grid(document: GridDocument, packs: Mapping[str, Path], base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`: classes side by side, the images of a single class side by side too."""
    rows, alone = [], len(document.classes) == 1
    for block in document.blocks:
        pack = SamplePack(Path(packs[block.run])) if block.status == "ok" else None
        images = [[pack.image(index) for index in places] for places in block.indices]
        rows.append(SheetRow(block, [[image] for column in images for image in column] if alone else images))
    if alone:
        sheet = Sheet(document.per_class, 1, [], rows, CELL, GAP, centred=True)
    else:
        headings = [Heading([f"class {label}"]) for label in document.classes]
        sheet = Sheet(len(document.classes), document.per_class, headings, rows, CELL, CLASS_GAP, centred=True)
    draw_sheet(sheet, base)
