"""A grid of samples taken by a rule: which images (`build_grid`), then the picture (`draw_grid`). Nothing is picked by eye."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from sra.content.figures import GridFigure
from sra.core.errors import InputError
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.sheets import GAP, Heading, Sheet, SheetRow, draw_sheet, wrapped
from sra.reporting.figures.samples import SampleBlock, SamplesDocument, block_of, find_pack, sample_remarks
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.packs import SamplePack
from sra.reporting.write.numbers import count_text, listed
from sra.spec.metric import ScoreOf
from sra.spec.scale import CLASSES_OF_IMAGENET, Preset, class_here

CLASSES_WHEN_UNSAID = 10
CELL, CLASS_GAP = 64, 8  # pixels of an image in the SVG and between classes
HEAD_LINES = 4  # over a class, of its name and of the figures that it stands for


class GridBlock(SampleBlock):
    """One run of the grid. `indices`: places in the sample pack, one list a class; shorter than `per_class` where the pack has no more."""

    indices: list[list[int]]


class GridDocument(SamplesDocument):
    """Images of each class. scored: whether the packs have a score too, which those of some classes alone have not.

    class_names: what is in each of `classes`.  standing_for: under which of the paper's figures each stands, where the grid is several of them.
    in_place_of: figures whose images are all here.
    """

    kind: Literal["grid"] = "grid"
    scored: bool = True
    classes: list[int]
    class_names: list[str] = []
    standing_for: list[str] = []
    in_place_of: list[str] = []
    per_class: int
    blocks: list[GridBlock]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        return super().scores() if self.scored else []


def build_grid(figure: GridFigure, evidence: Evidence, scored: bool = True) -> GridDocument:
    """What the figure shows. scored: whether the packs are scored as well."""
    preset, named, classes = evidence.preset, named_classes(figure, evidence.preset), shown_classes(figure, evidence.preset)
    names, heading = [preset.class_name(label) for label in classes], heading_of(figure, evidence)
    if len(classes) == 1 and named != classes:
        heading["title"] = f"Samples of {names[0]}, which stands here for class {named[0]} of ImageNet"
    blocks = []
    for series in figure.runs:
        pack = find_pack(series, figure, evidence, "labels")
        indices = [[] if isinstance(pack, str) else pack.first_of(label, figure.per_class) for label in classes]
        blocks.append(GridBlock(**block_of(series, pack).model_dump(), indices=indices))
    which, laid = ("each class", "one column a class") if len(classes) > 1 else ("the class", "from the left")
    images = "image" if figure.per_class == 1 else f"{figure.per_class} images"
    shared = "The same place in two runs has the same label and the same noise."
    return GridDocument(
        **heading,
        caption=figure.caption,
        score=figure.score,
        scored=scored,
        classes=classes,
        class_names=names,
        standing_for=_standing_for(figure, classes, preset),
        in_place_of=[] if preset.comparable else figure.in_place_of,
        per_class=figure.per_class,
        rule=f"The first {images} of {which} in the order drawn (place 0 first), {laid}; none is chosen by eye.",
        blocks=blocks,
        remarks=sample_remarks(figure, blocks, evidence, _short(figure, blocks, classes, names), shared) + _class_remarks(named, preset),
        alt=_alt(blocks, names),
    )


def named_classes(figure: GridFigure, preset: Preset) -> list[int]:
    """Of ImageNet, as the figure's file names them. Raises InputError for one that ImageNet has not."""
    named = list(range(min(CLASSES_WHEN_UNSAID, preset.classes))) if figure.classes is None else figure.classes
    beyond = [label for label in named if not 0 <= label < CLASSES_OF_IMAGENET]
    if beyond:
        raise InputError(f"{figure.id}: class {beyond[0]} does not exist in ImageNet; give 0 to {CLASSES_OF_IMAGENET - 1}")
    return named


def shown_classes(figure: GridFigure, preset: Preset) -> list[int]:
    """Of the preset's data set, each once, in the order of the file; in that of the data set where several figures are one."""
    classes = list(dict.fromkeys(class_here(label, preset.classes) for label in named_classes(figure, preset)))
    return sorted(classes) if figure.in_place_of else classes


def _standing_for(figure: GridFigure, classes: list[int], preset: Preset) -> list[str]:
    """Of each class here, the numbers of the paper's figures whose class it stands for; empty for a grid that is one figure."""
    figures: dict[int, list[str]] = {}
    for identity, label in zip(figure.in_place_of, figure.classes or [], strict=False):
        figures.setdefault(class_here(label, preset.classes), []).append(identity.partition("_")[2])
    return [f"Figure{'s' if len(figures[label]) > 1 else ''} {', '.join(figures[label])}" for label in classes] if figures else []


def _short(figure: GridFigure, blocks: list[GridBlock], classes: list[int], names: list[str]) -> list[str]:
    """Which packs have too few images of which classes."""
    remarks = []
    for block in blocks:
        short = [name for name, places in zip(names, block.indices, strict=True) if block.status == "ok" and len(places) < figure.per_class]
        if short:
            remarks.append(f"{block.run}: the pack has fewer than {figure.per_class} images of {', '.join(short)}; grey places stay empty.")
    return remarks


def _class_remarks(named: list[int], preset: Preset) -> list[str]:
    """Which class of this data set is shown for each of ImageNet that it does not have."""
    moved: dict[int, list[int]] = {}
    for label in named:
        if label >= preset.classes:
            moved.setdefault(class_here(label, preset.classes), []).append(label)
    if not moved:
        return []
    pairs = ", ".join(
        f"{listed([str(label) for label in labels])} {'are' if len(labels) > 1 else 'is'} {preset.class_name(here)}"
        for here, labels in sorted(moved.items())
    )
    return [f"Nothing of ImageNet is drawn: its classes are counted round the {count_text(preset.classes)} of this data set, so {pairs}."]


def _alt(blocks: list[GridBlock], names: list[str]) -> str:
    shown = sum(len(places) for block in blocks for places in block.indices)
    if not shown:
        return "The packs hold no image of these classes." if any(block.status == "ok" for block in blocks) else "No samples yet."
    what = f"{', '.join(names)} in columns" if len(names) > 1 else names[0]
    return f"{shown} generated images: {what}, of {', '.join(block.run for block in blocks if block.status == 'ok')}."


def _heading(name: str, figures: str) -> Heading:
    return Heading([line for words in (name, figures) for line in wrapped(words, CELL, HEAD_LINES)], f"{name} {figures}".strip())


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
        figures = document.standing_for or [""] * len(document.classes)
        headings = [_heading(name, figure) for name, figure in zip(document.class_names, figures, strict=True)]
        sheet = Sheet(len(document.classes), document.per_class, headings, rows, CELL, CLASS_GAP, centred=True)
    draw_sheet(sheet, base)
