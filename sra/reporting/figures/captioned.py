"""What text to image draws: the first captions of the sample packs, each over the images that every run made of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from sra.content.figures import CaptionsFigure
from sra.core.errors import InputError
from sra.reporting.display import heading_of
from sra.reporting.figures.draw.sheets import Heading, Sheet, SheetRow, draw_sheet, wrapped
from sra.reporting.figures.samples import SampleBlock, SamplesDocument, block_of, find_pack, sample_remarks
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.packs import SamplePack
from sra.reporting.write.numbers import one_line

CELL, GAP = 96, 8  # pixels of an image in the SVG and between columns
TEXT_WIDTH = 94  # of the words over a column
LINES = 7  # of a caption; the longest of the digit scenes fits


class CaptionsDocument(SamplesDocument):
    """Images beside the captions that were asked for. `captions`: of places 0, 1, ...; empty while no pack exists."""

    kind: Literal["captions"] = "captions"
    count: int
    captions: list[str]


def build_captions(figure: CaptionsFigure, evidence: Evidence) -> CaptionsDocument:
    """What the figure shows. Packs whose captions are not the same are refused."""
    found = [find_pack(series, figure, evidence, "captions") for series in figure.runs]
    blocks = [block_of(series, pack) for series, pack in zip(figure.runs, found, strict=True)]
    captions = _shared_captions([pack for pack in found if isinstance(pack, SamplePack)], figure.count)
    few = f"The packs have no more than {len(captions)} images; grey places stay empty."
    short = [few] if captions and len(captions) < figure.count else []
    return CaptionsDocument(
        **heading_of(figure, evidence),
        caption=figure.caption,
        score=figure.score,
        count=figure.count,
        rule=f"The first {figure.count} captions in the order drawn (place 0 first), one column each; none is chosen by eye.",
        captions=captions,
        blocks=blocks,
        remarks=sample_remarks(figure, blocks, evidence, short, "All runs had the same captions and the same noise."),
        alt=_alt(blocks, captions),
    )


def _shared_captions(packs: list[SamplePack], count: int) -> list[str]:
    """The captions of the first places that every pack has, as one line each."""
    places = range(min([count, *map(len, packs)]) if packs else 0)
    for place in places:
        first, *others = (pack.caption(place) for pack in packs)
        for pack, other in zip(packs[1:], others, strict=True):
            if other != first:
                raise InputError(
                    f"{pack.path}: place {place} has the caption {one_line(other)[:60]!r}, {packs[0].path} has {one_line(first)[:60]!r}; "
                    "a figure compares equal captions, so delete the older of the two and build it again"
                )
    return [one_line(packs[0].caption(place)) for place in places]


def _alt(blocks: list[SampleBlock], captions: list[str]) -> str:
    runs = [block.run for block in blocks if block.status == "ok"]
    if not captions:
        return "No samples yet."
    return f"{len(runs) * len(captions)} generated images: {len(captions)} captions in columns, drawn by {', '.join(runs)}."


def draw_captions(document: CaptionsDocument, packs: Mapping[str, Path], base: Path) -> None:
    """Write `<base>.svg` and `<base>.png`."""
    rows = []
    for block in document.blocks:
        pack = SamplePack(Path(packs[block.run]), "captions") if block.status == "ok" else None
        rows.append(SheetRow(block, [[pack.image(place)] for place in range(len(document.captions))] if pack else []))
    headings = [Heading(wrapped(caption, TEXT_WIDTH, LINES), whole=caption) for caption in document.captions]
    draw_sheet(Sheet(document.count, 1, headings, rows, CELL, GAP, centred=False), base)
