"""A grid of samples taken by a rule: which images (`build_grid`), then the picture (`draw_grid`). Nothing is picked by eye."""

import base64
import io
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sra.core.errors import InputError
from sra.core.files import write_text, written_whole
from sra.reporting.documents import GridBlock, GridDocument, heading_of
from sra.reporting.numbers import count_text, milestone_text
from sra.reporting.scores import Scores
from sra.reporting.style import INK, METHOD_STYLES, MUTED
from sra.spec.display import GridFigure, Series
from sra.spec.scale import Preset

CLASSES_WHEN_UNSAID = 10
CELL = 64  # pixels of one image in the SVG
GAP, CLASS_GAP = 2, 8  # between images of a class (down) and between classes (across)
HEAD, NAME = 22, 24  # heights of the line of classes and of a run's name
EMPTY = 243  # grey of a place without an image


class SamplePack:
    """Images `arr_0` (N, H, W, C) uint8 and `labels` (N,) of an npz file. Only the images asked for are read; nothing is unpickled."""

    def __init__(self, path: Path):
        self.path = path
        try:
            with np.load(path, allow_pickle=False) as pack:
                self.labels = pack["labels"]
            with zipfile.ZipFile(path) as archive, archive.open("arr_0.npy") as member:
                self.shape, self.offset = _header(member, path)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a sample pack with arr_0 and labels ({error}); delete it and build it again") from None
        if len(self.labels) != self.shape[0]:
            raise InputError(f"{path}: {self.shape[0]} images but {len(self.labels)} labels; delete it and build it again")

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8; one channel is shown as grey."""
        size = int(np.prod(self.shape[1:]))
        with zipfile.ZipFile(self.path) as archive, archive.open("arr_0.npy") as member:
            member.seek(self.offset + index * size)
            image = np.frombuffer(member.read(size), np.uint8).reshape(self.shape[1:])
        return image.repeat(3, axis=2) if image.shape[2] == 1 else image

    def first_of(self, label: int, count: int) -> list[int]:
        """Places of the first `count` images of a class, in the order in which they were drawn."""
        return np.flatnonzero(self.labels == label)[:count].tolist()


def _header(member: io.BufferedIOBase, path: Path) -> tuple[tuple[int, ...], int]:
    """Shape of the array in an open .npy member, and where its bytes begin."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    if dtype != np.uint8 or fortran or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(f"{path}: arr_0 is {dtype} {shape}, expected uint8 images (N, H, W, 1 or 3); delete it and build it again")
    return shape, member.tell()


def build_grid(figure: GridFigure, scores: Scores, packs: dict[str, Path], preset_id: str, preset: Preset) -> GridDocument:
    """`packs` is the sample pack of each run; a run whose pack does not exist is `not run`."""
    classes = list(range(min(CLASSES_WHEN_UNSAID, preset.classes))) if figure.classes is None else figure.classes
    beyond = [label for label in classes if not 0 <= label < preset.classes]
    if beyond:
        raise InputError(f"{figure.id}: class {beyond[0]} does not exist at preset {preset_id}; give 0 to {preset.classes - 1}")
    blocks = [_block(series, figure, scores, packs, classes, preset_id, preset) for series in figure.runs]
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


def _block(
    series: Series, figure: GridFigure, scores: Scores, packs: dict[str, Path], classes: list[int], preset_id: str, preset: Preset
) -> GridBlock:
    def missing(reason: str) -> GridBlock:
        return GridBlock(method=series.method, run=series.run, status="not run", reason=reason, samples_sha256=None, indices=[[] for _ in classes])

    if figure.score.milestone not in preset.milestones:
        return missing(f"preset {preset_id} does not train to {milestone_text(figure.score.milestone)}")
    path = packs.get(series.run)
    if path is None or not Path(path).exists():
        return missing("no samples yet")
    pack, score = SamplePack(Path(path)), scores.find(series.run, figure.score)
    return GridBlock(
        method=series.method,
        run=series.run,
        status="ok",
        reason=None,
        samples_sha256=score.record.samples.sha256 if score else None,
        indices=[pack.first_of(label, figure.per_class) for label in classes],
    )


def _remarks(figure: GridFigure, blocks: list[GridBlock], classes: list[int], preset: Preset) -> list[str]:
    remarks = [f"{block.run}: not run ({block.reason})." for block in blocks if block.status == "not run"]
    for block in blocks:
        short = [label for label, places in zip(classes, block.indices, strict=True) if block.status == "ok" and len(places) < figure.per_class]
        if short:
            remarks.append(
                f"{block.run}: the pack has fewer than {figure.per_class} images of class {', '.join(map(str, short))}; grey places stay empty."
            )
    step = preset.milestones.get(figure.score.milestone)
    if step and not preset.comparable:
        remarks.append(f"Here {milestone_text(figure.score.milestone)} is step {count_text(step)}.")
    if len(blocks) > 1:
        remarks.append("The same place in two runs has the same label and the same noise.")
    return remarks


def _alt(blocks: list[GridBlock], classes: list[int]) -> str:
    shown = sum(len(places) for block in blocks for places in block.indices)
    if not shown:
        return "No samples yet."
    return f"{shown} generated images: {len(classes)} classes in columns, of {', '.join(block.run for block in blocks if block.status == 'ok')}."


# The picture


@dataclass(frozen=True)
class _Layout:
    """Pixels, for images shown `cell` wide. `scale` multiplies every distance in the PNG of large images."""

    classes: int
    per_class: int
    blocks: int
    cell: int
    scale: float = 1.0

    def px(self, length: int) -> int:
        return round(length * self.scale)

    @property
    def block_width(self) -> int:
        return self.classes * self.cell + (self.classes - 1) * self.px(CLASS_GAP)

    @property
    def block_height(self) -> int:
        return self.per_class * self.cell + (self.per_class - 1) * self.px(GAP)

    @property
    def width(self) -> int:
        return self.block_width + 2 * self.px(GAP)

    @property
    def height(self) -> int:
        return self.px(HEAD) + self.blocks * (self.px(NAME) + self.block_height) + self.px(GAP)

    def block_top(self, index: int) -> int:
        return self.px(HEAD) + index * (self.px(NAME) + self.block_height) + self.px(NAME)

    def column(self, place: int) -> int:
        return place * (self.cell + self.px(CLASS_GAP))

    def row(self, place: int) -> int:
        return place * (self.cell + self.px(GAP))


def draw_grid(document: GridDocument, packs: dict[str, Path], base: Path) -> None:
    """Write `<base>.svg` (images 64 pixels wide, text as text) and `<base>.png` (images at full size)."""
    pictures = {block.run: _pictures(document, block, packs) for block in document.blocks if block.status == "ok"}
    full = max((image.shape[0] for columns in pictures.values() for column in columns for image in column), default=CELL)
    small = _Layout(len(document.classes), document.per_class, len(document.blocks), CELL)
    cell = CELL * max(1, full // CELL)
    large = _Layout(len(document.classes), document.per_class, len(document.blocks), cell, scale=cell / CELL)
    write_text(base.with_suffix(".svg"), _svg(document, small, pictures))
    with written_whole(base.with_suffix(".png")) as path:
        path.write_bytes(_png(_page(document, large, pictures)))


def _pictures(document: GridDocument, block: GridBlock, packs: dict[str, Path]) -> list[list[np.ndarray]]:
    pack = SamplePack(Path(packs[block.run]))
    return [[pack.image(index) for index in places] for places in block.indices]


def _mosaic(layout: _Layout, columns: list[list[np.ndarray]]) -> Image.Image:
    """The images of one run on white. Small ones grow by whole pixels, so their edges stay sharp; large ones shrink smoothly."""
    canvas = Image.new("RGB", (layout.block_width, layout.block_height), "white")
    for x in range(layout.classes):
        for y in range(layout.per_class):
            place = (layout.column(x), layout.row(y))
            if x < len(columns) and y < len(columns[x]):
                image = Image.fromarray(columns[x][y])
                grows = image.width <= layout.cell
                canvas.paste(image.resize((layout.cell, layout.cell), Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS), place)
            else:
                canvas.paste((EMPTY, EMPTY, EMPTY), (*place, place[0] + layout.cell, place[1] + layout.cell))
    return canvas


def _block_name(block: GridBlock) -> str:
    note = "" if block.status == "ok" else f": not run ({block.reason})"
    return f"{METHOD_STYLES[block.method].name}, {block.run}{note}"


def _svg(document: GridDocument, layout: _Layout, pictures: dict[str, list[list[np.ndarray]]]) -> str:
    """Text as text in the page's fonts, each run's images as one embedded picture."""
    font = 'font-family="DejaVu Sans, Arial, Helvetica, sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{layout.height}" viewBox="0 0 {layout.width} {layout.height}">',
        f'<rect width="{layout.width}" height="{layout.height}" fill="white"/>',
    ]
    for place, label in enumerate(document.classes):
        x = GAP + layout.column(place) + layout.cell / 2
        parts.append(f'<text x="{x:g}" y="15" text-anchor="middle" {font} fill="{MUTED}">class {label}</text>')
    for index, block in enumerate(document.blocks):
        top, colour = layout.block_top(index), METHOD_STYLES[block.method].label_colour
        parts.append(f'<text x="{GAP}" y="{top - 8}" {font} fill="{colour}">{escape(_block_name(block))}</text>')
        data = base64.b64encode(_png(_mosaic(layout, pictures.get(block.run, [])))).decode()
        size = f'width="{layout.block_width}" height="{layout.block_height}" image-rendering="pixelated"'
        parts.append(f'<image x="{GAP}" y="{top}" {size} href="data:image/png;base64,{data}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _page(document: GridDocument, layout: _Layout, pictures: dict[str, list[list[np.ndarray]]]) -> Image.Image:
    """The same picture as the SVG, with its text drawn."""
    import matplotlib  # only for the font it ships, which is the same on every machine

    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), layout.px(12))
    page = Image.new("RGB", (layout.width, layout.height), "white")
    draw = ImageDraw.Draw(page)
    for place, label in enumerate(document.classes):
        x = layout.px(GAP) + layout.column(place) + layout.cell // 2
        draw.text((x, layout.px(15)), f"class {label}", fill=INK, font=font, anchor="ms")
    for index, block in enumerate(document.blocks):
        top = layout.block_top(index)
        draw.text((layout.px(GAP), top - layout.px(8)), _block_name(block), fill=METHOD_STYLES[block.method].label_colour, font=font, anchor="ls")
        page.paste(_mosaic(layout, pictures.get(block.run, [])), (layout.px(GAP), top))
    return page


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
