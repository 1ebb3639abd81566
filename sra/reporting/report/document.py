"""The report as one typed document: everything that the page and the PDF say, made once from the results. Neither reads a result itself."""

from typing import Annotated, Literal

from pydantic import Field

from sra.reporting.claims.verdicts import ClaimsDocument, Verdict
from sra.reporting.documents import Document, FigureDocument, TableDocument
from sra.reporting.read.scores import ScoreFile
from sra.reporting.report.summary import BaselineComparison, Progress
from sra.spec.base import Strict
from sra.spec.scale import Preset


class Head(Strict):
    """What the title says. commit: of the code; None outside git.  changed: whether files differ from that commit.  date: of the results."""

    title: str
    paper: str
    url: str
    preset: str
    preset_title: str
    comparable: bool
    band: str | None
    commit: str | None
    changed: bool
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None


class FactValue(Strict):
    text: str
    remark: str | None = None


class Fact(Strict):
    name: str
    values: list[FactValue]


class Summary(Strict):
    """What the page says first.

    sentences: the first says whether SRA beat its baseline here.  stale: runs whose scores are of another configuration than their folder's.
    """

    sentences: list[str]
    facts: list[Fact]
    progress: list[Progress]
    comparisons: list[BaselineComparison]
    stale: list[str]


class VerdictCount(Strict):
    """How many claims have one verdict. first: id of the first claim with this verdict, None where there is none."""

    verdict: Verdict
    sign: str
    count: int
    first: str | None


class Reference(Strict):
    """One work. key: how other files of `report/` cite it.  why: what it is to this report.  items: tables and figures that show its numbers."""

    key: str
    authors: str
    title: str
    where: str
    year: int
    url: Annotated[str, Field(pattern=r"^https://\S+$")]  # becomes a link
    why: str
    items: list[str] = []

    @property
    def sentence(self) -> str:
        """The title with what ends a sentence."""
        return self.title if self.title.endswith("?") else f"{self.title}."


class Item(Strict):
    """A table or figure. cites: numbers of the works whose numbers it shows.  alone: what it takes by itself from nothing, in words."""

    cites: list[int]
    alone: str | None


class TableItem(Item):
    document: TableDocument


class FigureItem(Item):
    document: FigureDocument


class Quirk(Strict):
    """A place where paper and released code disagree. `option` names the setting that chooses; None when there is nothing to choose."""

    what: str
    paper: str
    code: str
    ours: str
    option: str | None


class Spent(Strict):
    """All jobs of one stage. seconds: one job after the other.  core_seconds, peak_mib: None where no benchmark file says it."""

    stage: str
    jobs: int
    seconds: float
    core_seconds: float | None
    peak_mib: float | None


class CostRow(Strict):
    """One kind of work, planned and measured. planned_seconds: of one device; None where nothing was planned for it."""

    name: str
    planned_seconds: float | None
    measured: list[Spent]

    @property
    def jobs(self) -> int:
        return sum(spent.jobs for spent in self.measured)

    @property
    def seconds(self) -> float:
        return sum(spent.seconds for spent in self.measured)

    @property
    def core_seconds(self) -> float | None:
        known = [spent.core_seconds for spent in self.measured if spent.core_seconds is not None]
        return sum(known) if known else None

    @property
    def peak_mib(self) -> float | None:
        return max((spent.peak_mib for spent in self.measured if spent.peak_mib is not None), default=None)


class Planned(Strict):
    """What everything takes from nothing, as it is estimated before any of it is done.

    device: one GPU or core, whose listed rates it rests on.  seconds: of that device, by kind of work.  alone: of each table and figure by itself.
    watts, power: of the device, and where that is from; None where it is not known.
    """

    device: str
    unit: Literal["core", "GPU"]
    seconds: dict[str, float]
    alone: dict[str, float]
    runs: int
    steps: int
    images: int
    kept_bytes: int
    meanwhile_bytes: int
    watts: float | None
    power: str | None
    sources: str
    not_counted: list[str]


class Costs(Strict):
    """What everything costs, planned and measured.

    unit: of the rows' times as they are shown.  sentences: what the rows come to, with energy and its assumption.
    """

    unit: Literal["min", "h"]
    rows: list[CostRow]
    sentences: list[str]


class Trained(Strict):
    """One run as this preset trains it, in words."""

    run: str
    model: str
    size: str
    condition: str
    method: str
    average: str
    learning_rate: str
    seed: int


class Provenance(Strict):
    """What the numbers come from. scores: each has a receipt.  used_in: by hash of the score file, the ids of what shows its numbers."""

    trained: list[Trained]
    scores: list[ScoreFile]
    extractors: list[FactValue]
    references: list[FactValue]
    devices: list[str]
    versions: list[str]
    seeds: str
    code: str
    warned: int
    used_in: dict[str, list[str]]


class Command(Strict):
    """A command that a reader may type. takes: what it takes from nothing, in words, where that is known."""

    what: str
    command: str
    takes: str | None = None


class Limit(Strict):
    """Something that this report does not show."""

    text: str
    cites: list[int] = []


class Term(Strict):
    """A word or sign of the report, and what it means."""

    name: str
    text: str
    cites: list[int] = []


class ReportDocument(Strict):
    """The report, in the order in which it is read."""

    head: Head
    summary: Summary
    verdicts: list[VerdictCount]
    claims: ClaimsDocument | None
    tables: list[TableItem]
    figures: list[FigureItem]
    quirks: list[Quirk]
    costs: Costs
    reading: list[Term]
    provenance: Provenance
    commands: list[Command]
    limits: list[Limit]
    references: list[Reference]
    preset: Preset

    @property
    def documents(self) -> list[Document]:
        return [item.document for item in (*self.tables, *self.figures)]

    @property
    def numbers(self) -> dict[str, str]:
        """The paper's labels by id: table_6 -> Table 6."""
        return {document.id: document.number for document in self.documents}
