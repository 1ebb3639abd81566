"""The report as one typed document: everything that the page and the PDF say, made once from the results. Neither reads a result itself."""

from typing import Annotated, Literal

from pydantic import Field

from sra.reporting.claims.verdicts import ClaimsDocument, Verdict
from sra.reporting.documents import Document, FigureDocument, TableDocument
from sra.reporting.read.scores import ScoreFile
from sra.reporting.report.summary import BaselineComparison, Progress
from sra.reporting.write.numbers import count_text
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

    sentences: the first says whether anything is judged here; what a reader may type stands between back quotes.
    stale: runs whose scores are of another configuration than their folder's.
    """

    sentences: list[str]
    facts: list[Fact]
    progress: list[Progress]
    comparisons: list[BaselineComparison]
    stale: list[str]


class VerdictCount(Strict):
    """How many claims have one verdict; on the page where any is judged. first: id of the first claim with this verdict, None where there is none."""

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


class Benchmark(Strict):
    """What one study found. informative_words: whether it tells anything apart, which comes first.  pilot: what its first seeds say of the noise."""

    study: str
    title: str
    informative: bool | None
    informative_words: str
    findings: list[str]
    figures: list[FigureItem]
    tables: list[TableItem]
    facts: list[Fact]
    pilot: list[str]
    threats: list[str]


class MethodInModel(Strict):
    """A method in a model of one size.

    blocks: empty where it has none.  parameters: what it trains beside the model.  kept: those of them that samples are drawn with.
    stored, in_step: FLOPs that it adds to a training step, as a share: with the encoder's features stored, and with the encoder in the step; None
    where that is not to be had.
    """

    blocks: str
    parameters: int
    kept: int
    stored: float | None
    in_step: float | None


class Method(Strict):
    """One method by its defaults. paper, here: in the paper's model and in the preset's; here is None where that is the same, or not to be trained.

    stop_step: of the paper, from which nothing of it acts.  trains: names of model families.  unchecked: why no official code was run beside it.
    cites: numbers of the references that its paper is.
    """

    method: str
    name: str
    signal: str
    paper: MethodInModel
    here: MethodInModel | None
    stop_step: int | None
    encoder: str | None
    encodes_in_step: bool
    trains: str
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{5}$")]  # becomes a link
    code: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None  # likewise
    commit: str | None
    licence: str | None
    unchecked: str
    cites: list[int] = []

    @property
    def when_encoded(self) -> str:
        """When the encoder runs."""
        when = "in each step" if self.encodes_in_step else "stored, or in each step"
        return when + (f", until step {count_text(self.stop_step)}" if self.stop_step else "")

    @property
    def checked(self) -> str:
        """Whether loss and gradients are held to the official code."""
        return f"○ not compared: {self.unchecked}" if self.unchecked else "✓ compared, equal"


class Methods(Strict):
    """Methods at a glance. paper, here: the shapes of the model in the paper and at this preset, None where that is the same.

    combined: what is made of several methods and has no paper of its own, in words.
    """

    model: str
    paper: str
    here: str | None
    methods: list[Method]
    combined: list[str]

    @property
    def caption(self) -> str:
        """What the columns are of."""
        here = f" Second lines: here, {self.here}." if self.here else ""
        return (
            f"Each method, what it learns from, and what it costs by its defaults on {self.model}, {self.paper}.{here} Parameters: trained beside "
            "the model, and those of them that stay in the model that is sampled. FLOPs: added to a plain training step, by closed forms, with the "
            "encoder's features stored before training and with the encoder in the step. Compared: loss and gradients with those of the official "
            "code, on equal weights and draws."
        )

    @property
    def together(self) -> str:
        """A sentence on combinations; empty where there are none."""
        return f"Together, each with its own weight: {', '.join(self.combined)}." if self.combined else ""


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
    """A command that a reader may type. takes: what it takes from nothing, in words, where that is known.

    item: the table or figure that it builds, under which the page shows it; None where it is of them all.
    """

    what: str
    command: str
    takes: str | None = None
    item: str | None = None


class Limit(Strict):
    """Something that this report does not show. general: whether that is so at every preset, whatever was run."""

    text: str
    cites: list[int] = []
    general: bool = False


class Term(Strict):
    """A word or sign of the report, and what it means."""

    name: str
    text: str
    cites: list[int] = []


class ReportDocument(Strict):
    """The report, in the order in which it is read. tables, figures: those that are of no benchmark."""

    head: Head
    benchmarks: list[Benchmark]
    summary: Summary
    verdicts: list[VerdictCount]
    claims: ClaimsDocument | None
    tables: list[TableItem]
    figures: list[FigureItem]
    methods: Methods | None
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
        tables = [item for benchmark in self.benchmarks for item in benchmark.tables]
        return [item.document for item in (*tables, *self.tables, *self.all_figures)]

    @property
    def all_figures(self) -> list[FigureItem]:
        """With those of benchmarks."""
        return [*(item for benchmark in self.benchmarks for item in benchmark.figures), *self.figures]

    @property
    def numbers(self) -> dict[str, str]:
        """The paper's labels by id: table_6 -> Table 6."""
        return {document.id: document.number for document in self.documents}
