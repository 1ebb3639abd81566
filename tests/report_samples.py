"""Reports of tables, figures and claims that a test has rendered into one folder, as the stage makes them."""

from pathlib import Path

from sra.core.files import write_json
from sra.reporting.claims.verdicts import ClaimDocument, ClaimNumber, ClaimPair, ClaimPart, ClaimsDocument, Missing
from sra.reporting.read.scores import load_scores
from sra.reporting.report.build import build_report, head_of
from sra.reporting.report.document import ReportDocument
from sra.reporting.report.page import render_page
from sra.spec.scale import Preset

REPORT = Path(__file__).parents[1] / "report"
TEMPLATES = REPORT / "templates"
COUNTS = {"supported": 5, "contradicted": 6, "equivalent": 3, "undecided": 7, "not judged": 0, "not run": 8}
NOTHING = dict.fromkeys(COUNTS, 0) | {"not judged": 1}


def report_in(folder: Path, preset: Preset, scores=(), commit=None, changed=False, date=None, written=REPORT, **given) -> ReportDocument:
    """Of `tables`, `figures`, `runs` and `benchmarks` in the folder, whichever of them are there."""
    head = head_of("small", preset, commit, changed, date)
    parts = (folder / name for name in ("tables", "figures", "runs"))
    return build_report(head, preset, load_scores(scores, "small"), *parts, written, [folder / "benchmarks"], **given)


def rendered_page(folder: Path, preset: Preset, scores=(), output="report.html", pdf=None, **given) -> str:
    report = report_in(folder, preset, scores, **given)
    render_page(report, folder / "tables", folder / "figures", folder / output, TEMPLATES, given.get("claims_file"), pdf)
    return (folder / output).read_text()


def claims_of(folder: Path, scores, sentence="S", command=None, judged=True) -> Path:
    """The file of one claim that compares two scores, written by hand; with a command it is not run."""
    numbers = [
        ClaimNumber(
            name=file.record.run, run=file.record.run, score=file.of, value=file.record.metrics["fid"], text="9.00", reason=None,
            score_sha256=file.sha256, published="29.10", published_value=29.1, source=None,
        )
        for file in load_scores(scores, "small")
    ]  # fmt: skip
    reason = None if judged or command else "one seed: not judged"
    verdict = "not run" if command else "supported" if judged else "not judged"
    pair = ClaimPair(
        places=[0, 1],
        scale="log",
        margin=1.05,
        verdict=verdict,
        reason=reason,
        text="ratio 0.90 [0.88, 0.92], 3 seeds" if judged else "ratio 0.90, one seed",
    )
    part = ClaimPart(
        kind="better", metric="fid", header="FID", rule=sentence, numbers=numbers, pairs=[] if command else [pair], telling=None if command else 0,
        verdict=verdict, reason=reason, printed_rule="by more than 0.50", margin_why="noise",
        paper_against=None, paper_difference=None, paper_margin=None, paper_verdict=None,
    )  # fmt: skip
    claim = ClaimDocument(
        id="one", sentence=sentence, source="Table 9", note=None, targets=["table_9"], verdict=verdict, reason=reason,
        paper_verdict="inconclusive", parts=[part], missing=[Missing(numbers=["base at 400K"], reason=None)] if command else [], command=command,
    )  # fmt: skip
    counts = COUNTS if judged else NOTHING
    document = ClaimsDocument(
        preset="small", comparable=False, scope="Of the digits alone.", command="snakemake claims", counts=counts, claims=[claim]
    )
    path = folder / "claims.json"
    write_json(path, document.model_dump(mode="json"))
    return path
