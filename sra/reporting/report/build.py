"""The report's document, made from what lies in the results: claims, tables and figures, scores, benchmarks and run configurations."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from sra.core.files import read_json
from sra.core.progress import duration_text
from sra.core.units import HOUR, binary
from sra.reporting.claims.formats import SIGNS
from sra.reporting.claims.verdicts import VERDICTS, ClaimsDocument
from sra.reporting.display import band_of
from sra.reporting.documents import Document, FigureDocument, study_of
from sra.reporting.figures.curve_document import CurvesDocument
from sra.reporting.figures.grids import GridDocument
from sra.reporting.read.scores import Scores
from sra.reporting.report.benchmark import benchmarks_of
from sra.reporting.report.document import (
    Command,
    Fact,
    FactValue,
    FigureItem,
    Head,
    Methods,
    Planned,
    ReportDocument,
    Spent,
    Summary,
    TableItem,
    VerdictCount,
)
from sra.reporting.report.guide import Library, Quirks, limits_of, terms_of
from sra.reporting.report.provenance import configurations, facts_of_scores, provenance_of, stale_runs
from sra.reporting.report.spending import costs_of, device_time, kind_of, spent_by_stage
from sra.reporting.report.summary import comparisons, opening, progress_of
from sra.reporting.tables.document import TableDocument
from sra.reporting.write.commands import DEFAULT_PRESET, build_command
from sra.reporting.write.numbers import count_text
from sra.spec.load import checked, load
from sra.spec.scale import Preset

PAPER_TITLE = "No Other Representation Component Is Needed: Diffusion Transformers Can Provide Representation Guidance by Themselves"
PAPER_ID = "arXiv 2505.02831v5"
PAPER_URL = "https://arxiv.org/abs/2505.02831v5"


def head_of(preset_id: str, preset: Preset, commit: str | None = None, changed: bool = False, date: str | None = None) -> Head:
    """What the title says. date: of the results, since the report reads no clock."""
    return Head(
        title=PAPER_TITLE,
        paper=PAPER_ID,
        url=PAPER_URL,
        preset=preset_id,
        preset_title=preset.title,
        comparable=preset.comparable,
        band=band_of(preset_id, preset),
        commit=commit,
        changed=changed,
        date=date,
    )


def build_report(
    head: Head,
    preset: Preset,
    scores: Scores,
    tables_folder: Path,
    figures_folder: Path,
    runs_folder: Path,
    written: Path,
    benchmark_folders: Iterable[Path] = (),
    claims_file: Path | None = None,
    planned: Planned | None = None,
    disk_bytes: int | None = None,
    methods: Methods | None = None,
    studies: Mapping[str, Scores] = MappingProxyType({}),
) -> ReportDocument:
    """Make the report. Folders that do not exist count as empty; without a file of claims there are none.

    written: the folder of quirks.yaml, limits.yaml and references.yaml.  disk_bytes: of what the results keep.
    studies: the scores behind each study, by its name.
    """
    tables = [checked(read_json(path), TableDocument, str(path)) for path in in_order(tables_folder, "table")]
    figures = _each_once(checked(read_json(path), FigureDocument, str(path)) for path in in_order(figures_folder, "figure"))
    documents = [*tables, *figures]
    claims = checked(read_json(claims_file), ClaimsDocument, str(claims_file)) if claims_file else None
    claims = claims if claims and claims.claims else None  # a preset may show nothing that a claim stands on
    library = Library(written / "references.yaml")
    specs = configurations(runs_folder)
    spent = spent_by_stage(benchmark_folders)
    progress = [progress_of(document, scores, preset) for document in documents]
    found = comparisons(figures, scores)
    findings = [finding for figure in figures if isinstance(figure, CurvesDocument) for finding in figure.findings]
    summary = Summary(
        sentences=opening(head.preset, preset, scores, progress, sum(one.jobs for one in spent), claims, findings),
        facts=[_scores_fact(documents, scores, preset), *_time_facts(spent, planned, disk_bytes), *facts_of_scores(scores, preset)],
        progress=progress,
        comparisons=found,
        stale=stale_runs(specs, [*scores, *(file for of_study in studies.values() for file in of_study)]),
    )
    table_items = [TableItem(document=table, cites=library.of_item(table.id), alone=_alone(table.id, planned)) for table in tables]
    figure_items = [FigureItem(document=figure, cites=library.of_item(figure.id), alone=_alone(figure.id, planned)) for figure in figures]
    return ReportDocument(
        head=head,
        benchmarks=benchmarks_of(table_items, figure_items),
        summary=summary,
        verdicts=_verdict_counts(claims) if claims and claims.judged else [],
        claims=claims,
        tables=[item for item in table_items if study_of(item.document) is None],
        figures=[item for item in figure_items if study_of(item.document) is None],
        methods=methods and library.with_cites(methods),
        quirks=load(written / "quirks.yaml", Quirks).quirks,
        costs=costs_of(spent, planned, disk_bytes),
        reading=terms_of(preset, library),
        provenance=provenance_of(head, specs, scores, documents, studies),
        commands=_commands(head.preset, documents, planned, claims),
        limits=limits_of(written / "limits.yaml", library, head.preset, preset, progress, claims),
        references=library.references,
        preset=preset,
    )


def in_order(folder: Path, kind: str) -> list[Path]:
    """Files in the paper's order (`table_1.json`, `table_6.json`, `table_10.json`), and last what the paper does not have (s1, t2i)."""

    def order(path: Path) -> tuple[bool, int, str]:
        number = path.stem.removeprefix(f"{kind}_")
        return number[0].isalpha(), int("".join(filter(str.isdigit, number.partition("_")[0])) or 0), number

    return sorted(Path(folder).glob(f"{kind}_*.json"), key=order)


def _each_once(figures: Iterable[FigureDocument]) -> list[FigureDocument]:
    """Without those in whose place another stands, which were built by name."""
    found = list(figures)
    replaced = {name for figure in found if isinstance(figure, GridDocument) for name in figure.in_place_of}
    return [figure for figure in found if figure.id not in replaced]


def _verdict_counts(claims: ClaimsDocument) -> list[VerdictCount]:
    first = {claim.verdict: claim.id for claim in reversed(claims.claims)}
    return [VerdictCount(verdict=one, sign=SIGNS[one], count=claims.counts[one], first=first.get(one)) for one in VERDICTS]


def _scores_fact(documents: list[Document], scores: Scores, preset: Preset) -> Fact:
    """How many scores of all documents together exist: a score shared by many counts once."""
    asked = list(dict.fromkeys(item for document in documents for item in document.scores()))
    reached = scores.reached(asked, preset)
    done, beyond = sum(scores.complete(run, score) for run, score in reached), len(asked) - len(reached)
    remark = f"{count_text(beyond)} more lie beyond this preset's steps" if beyond else None
    return Fact(name="Scores", values=[FactValue(text=f"{done} of {len(reached)}", remark=remark)])


def _time_facts(spent: list[Spent], planned: Planned | None, disk_bytes: int | None) -> list[Fact]:
    longest = ", ".join(f"{one.stage} {duration_text(one.seconds)}" for one in spent[:4])
    time = FactValue(text=duration_text(sum(one.seconds for one in spent)), remark=f"one after the other; {longest}")
    cores = [one.core_seconds for one in spent if one.core_seconds is not None]
    facts = [Fact(name="Time of all jobs", values=[time if spent else FactValue(text="not recorded")])]
    on_gpus = sum(one.seconds for one in spent if kind_of(one.stage) in ("training", "sampling", "scoring"))
    if planned and planned.unit == "GPU" and on_gpus:
        remark = "training, sampling and scoring, each job counted as one GPU"
        facts.append(Fact(name="GPU time", values=[FactValue(text=device_time(on_gpus, "GPU"), remark=remark)]))
    elif cores:
        facts.append(Fact(name="Processor time", values=[FactValue(text=device_time(sum(cores), "core"), remark="of all jobs")]))
    facts += [Fact(name="Disk", values=[FactValue(text=binary(disk_bytes), remark="data, weights, samples and scores")])] if disk_bytes else []
    return facts


def _alone(item: str, planned: Planned | None) -> str | None:
    if planned is None or item not in planned.alone:
        return None
    seconds = planned.alone[item]
    if seconds == 0:
        return "nothing to run"
    words = f"about {duration_text(seconds)} of one {planned.unit}" if seconds < 100 * HOUR else f"about {device_time(seconds, planned.unit)}"
    return f"{words} from nothing"


def _commands(preset_id: str, documents: list[Document], planned: Planned | None, claims: ClaimsDocument | None) -> list[Command]:
    """The command for everything, then for what needs no run, for verdicts, then each table and figure by itself."""
    everything = "make run" if preset_id == DEFAULT_PRESET else build_command("all", preset_id)
    total = f"about {device_time(sum(planned.seconds.values()), planned.unit)} of one {planned.unit} from nothing" if planned else None
    again = "Judge the claims and draw every table, figure and this report again from the scores that exist"
    return [
        Command(what="Run everything that is missing, then this report", command=everything, takes=total),
        Command(what=again, command=build_command("refresh", preset_id), takes="seconds"),
        *([Command(what="Train each run of the claims from three seeds, and judge them", command=claims.command)] if claims else []),
        *(
            Command(
                what=f"Build {one.number} and what it needs",
                command=build_command(one.id, preset_id),
                takes=_alone(one.id, planned),
                item=one.id,
            )
            for one in documents
        ),
    ]
