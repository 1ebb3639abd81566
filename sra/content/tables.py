"""What each table shows (`report/tables/*.yaml`)."""

from typing import Literal

from pydantic import Field, model_validator

from sra.content.settings import SettingsComparison
from sra.spec.base import Display, Strict
from sra.spec.metric import Metric, ScoreOf


class Column(Strict):
    metric: Metric
    better: Literal["lower", "higher"]
    format: str = Field(".2f", pattern=r"^\.\d[f%]$")


class SettingColumn(Strict):
    """A column of what was varied, filled from each row's `settings`."""

    key: str
    label: str


# What a table of costs shows: measured, and what a method adds to the same model without it.
CostName = Literal["memory", "epoch_time", "extra_parameters", "memory_over_baseline", "time_over_baseline"]


class CostColumn(Strict):
    """A column of costs. `format` is of ours in the paper's unit; shares are in percent."""

    cost: CostName
    format: str = Field(pattern=r"^\.\df$")


class Row(Strict):
    """One line of a table. `published` is the key of its numbers in `report/published`; a row may be one of the two alone."""

    label: str
    run: str | None = None
    released: str | None = Field(None, description="the run from a released checkpoint that stands here with `weights: released`")
    published: str | None = None
    other_protocol: bool = Field(
        False, description="of the published number, which its settings name: it is not the row's own, so no difference is taken"
    )
    group: str | None = None
    settings: dict[str, str] = {}
    note: str | None = None
    score: ScoreOf | None = None  # when it differs from the table's
    baseline: str | None = Field(None, description="label of the row that a cost is compared with")


class TableSpec(Display):
    """A table of scores: metrics of runs. With `kind: settings` it has `compared` alone and shows no score, so nothing is run for it.

    With `kind: costs` it has rows and `costs`, for which each run's training step is measured; with `kind: study` it names a study alone, whose
    file of results has everything.
    """

    kind: Literal["scores", "settings", "costs", "study"] = "scores"
    id: str = Field(pattern=r"^table_[bs]?\d+[a-z]?$")
    columns: list[Column] = []
    setting_columns: list[SettingColumn] = []
    score: ScoreOf | None = None
    rows: list[Row] = []
    best_of: Literal["table", "group", "none"] = Field(
        "table", description="where the best is looked for: group, when each group has a protocol of its own; none, when nothing is ranked"
    )
    compared: SettingsComparison | None = Field(None, description="what a table of settings shows")
    costs: list[CostColumn] = Field([], description="columns of a table of costs")
    study: str | None = Field(None, description="what a table of a study shows; one of the preset's")
    notes: list[str] = []

    @model_validator(mode="after")
    def _has_the_parts_of_its_kind(self):
        parts = {"scores": ("columns", "score", "rows"), "settings": ("compared",), "costs": ("costs", "rows"), "study": ("study",)}
        needed, optional = parts[self.kind], ("setting_columns",) if self.kind == "scores" else ()
        foreign = sorted({"setting_columns", *(name for of_kind in parts.values() for name in of_kind)} - {*needed, *optional})
        missing = [name for name in needed if not getattr(self, name)]
        surplus = [name for name in foreign if getattr(self, name)]
        if missing:
            raise ValueError(f"a table of {self.kind} needs {missing[0]}; add it, or change kind")
        if surplus:
            raise ValueError(f"a table of {self.kind} has no {surplus[0]}; remove it, or change kind")
        return self

    @model_validator(mode="after")
    def _has_its_baselines(self):
        labels = {row.label for row in self.rows}
        for row in self.rows:
            if row.baseline is not None and (row.baseline not in labels or self.kind != "costs"):
                raise ValueError(f"row {row.label[:60]!r}: baseline {row.baseline!r} is no row of a table of costs; name the label of one")
        return self

    def score_of(self, row: Row) -> ScoreOf:
        return row.score or self.score
