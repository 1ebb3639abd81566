"""What a table says, typed: the truth in `<id>.json`, from which every format and the page are made."""

from collections.abc import Iterable
from typing import Literal

from sra.content.tables import SettingColumn
from sra.reporting.display import DisplayDocument
from sra.reporting.read.comparison import Comparison
from sra.reporting.read.scores import Scores
from sra.reporting.write.numbers import ABSENT, MINUS
from sra.reporting.write.study import counts_of, legend_of
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset
from sra.study.document import StudyDocument

AT_MOST = "≤"  # before a time that was measured beside other work


class Cell(Comparison):
    """One metric of one row. In a table of costs the two values are in the units of its column.

    published: a dash when the paper has no such number.
    text: ours at the paper's precision, `not run`, or `n/a` when the extractor does not define the metric.
    sd_text, sampling_sd_text: of ours, over several training seeds and over several sampling seeds; a dash where there is one.
    difference: ours - paper; None where either is missing or the preset is not comparable.  agrees: whether it surely lies within the metric's
    tolerance, or surely beyond; None where seeds do not tell.  best: surely better than every other of its column.  published_best: best as printed.
    """

    metric: str
    published: str = ABSENT
    published_best: bool = False
    text: str
    sd_text: str = ABSENT
    sampling_sd_text: str = ABSENT
    best: bool = False
    difference: float | None
    difference_text: str
    agrees: bool | None = None


class DocumentRow(Strict):
    """One row. `settings` in the order of the document's setting columns; `mark` points at a note of this row alone.

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
    """One column of numbers. The units are those of a table of costs, whose cells hold the paper's numbers in the one and ours in the other."""

    metric: str
    header: str
    better: Literal["lower", "higher"]
    format: str
    published_unit: str | None = None
    unit: str | None = None


class Note(Strict):
    """A sentence under the table: of single rows or cells, which bear its mark, or of the whole table, without one."""

    mark: str
    text: str


class Notes:
    """Notes of single rows or cells, each text under one letter."""

    def __init__(self):
        self._marks: dict[str, str] = {}

    def mark(self, text: str) -> str:
        return self._marks.setdefault(text, _letters(len(self._marks)))

    def after(self, general: Iterable[str]) -> list[Note]:
        """These sentences of the whole table, then the collected ones."""
        return [Note(mark="", text=text) for text in general] + [Note(mark=mark, text=text) for text, mark in self._marks.items()]


def _letters(index: int) -> str:
    """A number in letters: 0 -> a, 25 -> z, 26 -> aa."""
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


class TableDocument(DisplayDocument):
    """What `<id>.json` holds and every other format shows. One of settings has `settings` in place of columns and rows, one of a study `study`."""

    kind: Literal["scores", "settings", "costs", "study"] = "scores"
    conditions: str
    setting_columns: list[SettingColumn]
    columns: list[DocumentColumn]
    rows: list[DocumentRow]
    best_of: Literal["table", "group", "none"] = "table"
    settings: SettingsBody | None = None
    study: StudyDocument | None = None
    notes: list[Note]

    def scores(self) -> list[tuple[str, ScoreOf]]:
        return list(dict.fromkeys((row.run, row.score) for row in self.rows if row.run and row.score))

    def counts(self, scores: Scores, preset: Preset) -> tuple[int, int, int]:
        if self.study:
            return counts_of(self.study)
        if self.kind != "costs":
            return super().counts(scores, preset)
        rows = [row for row in self.rows if row.run]
        return sum(any(cell.status == "ok" for cell in row.cells) for row in rows), len(rows), 0

    @property
    def full_caption(self) -> str:
        """What follows the table's number."""
        return f"{self.title} ({self.paper}). {self.conditions}"

    @property
    def caption_under_heading(self) -> str:
        """The same where a heading says number and title already."""
        return f"{self.conditions} ({self.paper}.)"

    @property
    def legend(self) -> str:
        """What the signs in the table mean."""
        if self.settings:
            return "=: ours says the same, numbers compared by value; ≠: it does not, for the reason in the note."
        if self.kind == "costs":
            bound = any(cell.text.startswith(AT_MOST) for row in self.rows for cell in row.cells)
            return (
                "Over baseline: what alignment adds to the same model's training without it; of the paper, inferred from the numbers that it prints."
                + (f" {AT_MOST}: other work ran beside it, so the time is too long, and what is over baseline is not known." if bound else "")
            )
        if self.study:
            return legend_of(self.study)
        within = " within its group of rows" if self.best_of == "group" else ""
        best = (
            f"Bold: of the paper's numbers the best printed one of its column{within}; of ours one that is surely better than every other, by 95 % "
            "intervals over three training seeds or more. From fewer, none of ours is bold."
        )
        agreement = ""
        if self.comparable:
            surely = "from three training seeds on, ≈: the 95 % interval of ours lies within the tolerance, ≠: beyond it."
            agreement = f" Δ: ours {MINUS} paper; {surely}"
        return f"{best if self.ranked else 'Nothing is ranked here, and no number is marked as best.'}{agreement}"

    @property
    def ranked(self) -> bool:
        """Whether a best number is marked, and rows may be sorted by their numbers."""
        return self.best_of != "none" and self.study is None
