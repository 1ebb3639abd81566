"""What a table and a figure say, typed: the truth in `<id>.json`, from which every format and the page are drawn."""

from typing import Annotated, Literal

from pydantic import Field

from sra.content.figures import FigureSpec
from sra.content.tables import SettingColumn, TableSpec
from sra.reporting.figures.picture import PictureDocument
from sra.reporting.inside_documents import FeaturesDocument, ProbesDocument, TargetsDocument
from sra.reporting.read.spread import Spread
from sra.reporting.write.numbers import ABSENT
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset

Status = Literal["ok", "not run", "n/a", "not in the paper"]  # of our number; the last: ours exists, the paper has none


class Cell(Strict):
    """One metric of one row.

    published: as printed, or a dash when the paper has no such number.
    text: ours at the paper's precision, `not run`, or `n/a` when the extractor does not define the metric.
    spread, sd_text, sampling_sd_text: of ours, over several training seeds and over several sampling seeds; None and a dash where there is one.
    difference: ours - paper; None where either is missing or the preset is not comparable.  agrees: whether it lies within the metric's tolerance.
     best: best of its column, for each side alone.
    """

    metric: str
    published: str
    published_value: float | None
    published_best: bool = False
    source: str | None
    value: float | None
    text: str
    spread: Spread | None = None
    sd_text: str = ABSENT
    sampling_sd_text: str = ABSENT
    best: bool = False
    difference: float | None
    difference_text: str
    agrees: bool | None = None
    status: Status
    reason: str | None


class DocumentRow(Strict):
    """`settings` in the order of the document's setting columns; `mark` points at a note of this row alone.

    score, score_sha256: of the run's own seeds, or of the first that was asked for.  seeds_sha256: of the others.
    cost_sha256: of the cost receipt, in a table of costs, which has no score.
    """

    label: str
    mark: str
    group: str | None
    settings: list[str]
    run: str | None
    score: ScoreOf | None
    score_sha256: str | None
    cost_sha256: str | None = None
    seeds_sha256: list[str] = []
    cells: list[Cell]


class DocumentColumn(Strict):
    """The units are those of a table of costs, whose cells hold the paper's numbers in the one and ours in the other."""

    metric: str
    header: str
    better: Literal["lower", "higher"]
    format: str
    published_unit: str | None = None
    unit: str | None = None


class Note(Strict):
    mark: str
    text: str


class Notes:
    """Notes of single rows or cells, each text under one letter."""

    def __init__(self):
        self.collected: list[Note] = []

    def mark(self, text: str) -> str:
        for note in self.collected:
            if note.text == text:
                return note.mark
        note = Note(mark=_letters(len(self.collected)), text=text)
        self.collected.append(note)
        return note.mark


def _letters(index: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


class SettingCell(Strict):
    """One setting of one model: as printed and as ours, the same by value or not. `mark` points at the note that says why not."""

    published: str
    source: str
    ours: str
    same: bool
    mark: str = ""


class SettingLine(Strict):
    """One setting of all models. `setting`: its name among the published numbers. `cells` in the order of the models."""

    label: str
    setting: str
    group: str | None
    cells: list[SettingCell]


class SettingModel(Strict):
    label: str
    run: str


class SettingsBody(Strict):
    models: list[SettingModel]
    lines: list[SettingLine]


class TableDocument(Strict):
    """What `<id>.json` holds and every other format shows. A table of settings has `settings` in place of columns and rows."""

    schema_version: Literal[1] = 1
    kind: Literal["scores", "settings", "costs"] = "scores"
    id: str
    number: str
    title: str
    paper: str
    preset: str
    comparable: bool
    band: str | None
    conditions: str
    setting_columns: list[SettingColumn]
    columns: list[DocumentColumn]
    rows: list[DocumentRow]
    best_of: Literal["table", "group"] = "table"
    settings: SettingsBody | None = None
    notes: list[Note]


class CurvePoint(Strict):
    """One milestone of one run, published and ours. `status` is of ours; `planned` is false for a marker that only the paper has.

    seconds, published_seconds: of training until there, for a figure against hours; None where nothing was measured or printed.
    """

    milestone: str
    paper_step: int
    step: int | None
    planned: bool
    published: str | None
    published_value: float | None
    source: str | None
    value: float | None
    spread: Spread | None = None
    status: Literal["ok", "not run", "n/a"]
    reason: str | None
    score_sha256: str | None
    seconds: float | None = None
    published_seconds: float | None = None
    time_source: str | None = None


class CurveLine(Strict):
    """seconds_per_step: of the run's cost receipt, whose hash is beside it; None where it is not needed or not there."""

    method: Literal["none", "sra", "repa"]
    run: str
    seconds_per_step: float | None = None
    cost_sha256: str | None = None
    points: list[CurvePoint]


class CurvePanel(Strict):
    """metric, header, better: where they differ from the figure's."""

    title: str
    sampler: str
    metric: str | None = None
    header: str | None = None
    better: Literal["lower", "higher"] | None = None
    lines: list[CurveLine]


class CurvesDocument(PictureDocument):
    """A metric against training steps or hours."""

    kind: Literal["curves"] = "curves"
    against: Literal["steps", "hours"] = "steps"
    metric: str
    header: str
    better: Literal["lower", "higher"]
    samples: int
    samples_here: int | None
    columns: int
    panels: list[CurvePanel]
    findings: list[str] = []  # of speed, in plain words; the remarks begin with them

    def header_of(self, panel: CurvePanel) -> str:
        return panel.header or self.header

    def metric_of(self, panel: CurvePanel) -> str:
        return panel.metric or self.metric


class SampleBlock(Strict):
    """One run of a figure of samples: whether its sample pack exists, and the hash of the pack."""

    method: Literal["none", "sra", "repa"]
    run: str
    status: Literal["ok", "not run"]
    reason: str | None
    samples_sha256: str | None


class GridBlock(SampleBlock):
    """`indices`: places in the sample pack, one list a class; shorter than `per_class` where the pack has no more."""

    indices: list[list[int]]


class GridDocument(PictureDocument):
    """Images of sample packs by rule. scored: whether the packs have a score too, which those of some classes alone have not."""

    kind: Literal["grid"] = "grid"
    score: ScoreOf
    scored: bool = True
    classes: list[int]
    per_class: int
    rule: str
    blocks: list[GridBlock]


class CaptionsDocument(PictureDocument):
    """Images of sample packs beside the captions that were asked for. `captions`: of places 0, 1, ...; empty while no pack exists."""

    kind: Literal["captions"] = "captions"
    score: ScoreOf
    count: int
    rule: str
    captions: list[str]
    blocks: list[SampleBlock]


FigureDocument = Annotated[
    CurvesDocument | GridDocument | CaptionsDocument | ProbesDocument | TargetsDocument | FeaturesDocument, Field(discriminator="kind")
]


def heading_of(figure: FigureSpec, preset_id: str, preset: Preset) -> dict[str, str | bool | None]:
    """The fields of a `PictureDocument` that come from the figure's file and the preset."""
    return {**table_heading(figure, preset_id, preset), "caption": figure.caption}


def table_heading(shown: TableSpec | FigureSpec, preset_id: str, preset: Preset) -> dict[str, str | bool | None]:
    """The same of a `TableDocument`, whose caption is made of other fields."""
    return {
        "id": shown.id,
        "number": number_of(shown.id),
        "title": shown.title,
        "paper": shown.paper,
        "preset": preset_id,
        "comparable": preset.comparable,
        "band": band_of(preset_id, preset),
    }


def band_of(preset_id: str, preset: Preset) -> str | None:
    """The sentence that stands over everything a smaller preset shows."""
    if preset.comparable:
        return None
    return f"Preset {preset_id}: same method, smaller scale. Numbers are not comparable with the paper; verdicts speak of this data set alone."


def number_of(identity: str) -> str:
    """table_6 -> Table 6, figure_7c -> Figure 7c, table_s1 -> Table S1, figure_t2i -> Figure T2I."""
    kind, _, number = identity.partition("_")
    return f"{kind.capitalize()} {'T2I' if number == 't2i' else number.replace('s', 'S')}"
