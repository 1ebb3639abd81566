"""The artifact appendix: what evaluators ask, in the order of the appendices of ACM and USENIX conferences, filled in from data alone."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sra.core.files import write_text
from sra.core.progress import duration_text
from sra.core.units import binary, several
from sra.reporting.claims.judge import claims_sentence
from sra.reporting.claims.verdicts import VERDICTS, ClaimsDocument
from sra.reporting.report.document import Head, Planned, Spent
from sra.reporting.report.spending import device_time
from sra.reporting.tables.write_markdown import markdown_text
from sra.reporting.write.commands import DEFAULT_PRESET, build_command
from sra.reporting.write.numbers import ABSENT, count_text
from sra.spec.assets import DatasetEntry, WeightsEntry
from sra.spec.citation import Citation
from sra.spec.scale import Needs

MIB = 2**20


@dataclass(frozen=True)
class Target:
    """A table or figure by itself, from nothing.

    seconds: of its jobs one after the other, as measured here; None where one of them has not run.  planned_seconds: of one device.
    """

    id: str
    number: str
    title: str
    seconds: float | None
    planned_seconds: float
    disk_bytes: int


@dataclass(frozen=True)
class Facts:
    """Everything that the appendix says.

    states: how many numbers are done, not run, not reached.  spent: of this preset's jobs; prepared: of those on its data sets.
    disk_bytes: what the results take.  needs: what jobs ask for, by stage.  python: as pyproject.toml requires it.
    """

    head: Head
    citation: Citation
    version: str
    released: bool
    methods: list[str]
    models: list[str]
    metrics: list[str]
    runs: int
    states: dict[str, int]
    targets: list[Target]
    claims: ClaimsDocument
    datasets: list[DatasetEntry]
    weights: list[WeightsEntry]
    needs: dict[str, Needs]
    spent: list[Spent]
    prepared: list[Spent]
    planned: Planned
    disk_bytes: int
    devices: list[str]
    python: str
    pins: int
    quirks: int
    presets: list[str]


def render_appendix(facts: Facts, output: Path, templates: Path) -> None:
    """Write the appendix as Markdown."""
    made = Environment(loader=FileSystemLoader(templates), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    made.filters.update(count=count_text, duration=duration_text, binary=binary, mebibytes=_mebibytes, cell=markdown_text)
    text = made.get_template("appendix.md.j2").render(
        head=facts.head,
        citation=facts.citation,
        version=facts.version,
        tables=[target for target in facts.targets if target.id.startswith("table_")],
        figures=[target for target in facts.targets if target.id.startswith("figure_")],
        runs=facts.runs,
        claims=facts.claims,
        claims_sentence=claims_sentence(facts.claims),
        methods=["no alignment" if method == "none" else method.upper() for method in facts.methods],
        models=facts.models,
        metrics=facts.metrics,
        datasets=facts.datasets,
        weights=facts.weights,
        python=f"Python {facts.python}",
        pins=facts.pins,
        devices=facts.devices,
        hardware=_hardware(facts.needs),
        spent=[*facts.prepared, *facts.spent],
        disk=_disk(facts),
        prepare=_time(facts.prepared, facts.planned.seconds.get("data", 0.0), facts.planned.unit),
        run=_time(facts.spent, sum(facts.planned.seconds.values()) - facts.planned.seconds.get("data", 0.0), facts.planned.unit),
        public=_public(facts.citation),
        state=", ".join(f"{count} {state}" for state, count in facts.states.items()),
        source_of=_source_of,
        to_fetch=[*(entry.name for entry in facts.datasets if not entry.made_by), *(entry.name for entry in facts.weights if _is_fetched(entry))],
        commands=_commands(facts),
        times_say=_times_say(facts),
        targets=[_row(target, facts) for target in facts.targets],
        other_presets=[preset for preset in facts.presets if preset != facts.head.preset],
        notes=_notes(facts),
    )
    write_text(output, text)


def _commands(facts: Facts) -> dict[str, str]:
    preset, weights = facts.head.preset, "released" if facts.released else "trained"
    made = {name: build_command(target, preset, weights) for name, target in (("all", "all"), ("plan", "plan"), ("refresh", "refresh"))}
    return made | ({"all": "make run"} if preset == DEFAULT_PRESET and not facts.released else {})


def _row(target: Target, facts: Facts) -> dict[str, str | int]:
    verdicts = [claim.verdict for claim in facts.claims.claims if target.id in claim.targets]
    return {
        "number": target.number,
        "title": target.title,
        "command": build_command(target.id, facts.head.preset, "released" if facts.released else "trained"),
        "time": _took(target, facts.planned.unit),
        "disk": target.disk_bytes,
        "verdicts": ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts),
    }


def _took(target: Target, unit: str) -> str:
    if target.seconds is not None:
        return duration_text(target.seconds) if target.seconds else "nothing is run"
    return f"{device_time(target.planned_seconds, unit)}, estimated"


def _times_say(facts: Facts) -> str:
    """How the times were measured or estimated."""
    measured = [target for target in facts.targets if target.seconds is not None]
    said = []
    if measured:
        said.append("Measured times are those of its jobs one after the other; several cores or GPUs share them.")
    if len(measured) < len(facts.targets):
        said.append(f"Estimated times are of one {facts.planned.unit} ({facts.planned.device}), with the data prepared. {facts.planned.sources}")
    return " ".join(said)


def _time(spent: list[Spent], planned_seconds: float, unit: str) -> str:
    """The time, measured where something was, else planned."""
    if not spent:
        return f"{device_time(planned_seconds, unit)}, estimated"
    return f"{duration_text(sum(one.seconds for one in spent))} in {several(sum(one.jobs for one in spent), 'job')}, one after the other"


def _hardware(needs: dict[str, Needs]) -> str:
    gpus, memory = max(need.gpu for need in needs.values()), max(need.mem_mb for need in needs.values())
    cores = max(need.threads for stage, need in needs.items() if stage != "measure")  # which asks for all there are
    gpu = f"{several(gpus, 'GPU')} a job" if gpus else "No GPU"
    return f"{gpu}, {several(cores, 'core')} and {binary(memory * 1e6)} of memory at most for one job."


def _disk(facts: Facts) -> str:
    here = f"{binary(facts.disk_bytes)} here; " if facts.disk_bytes else ""
    return f"{here}{binary(facts.planned.kept_bytes)} of stores, states, weights and samples when everything was run, as counted"


def _public(citation: Citation) -> str:
    places = [place for place in (citation.repository, citation.doi and f"https://doi.org/{citation.doi}") if place]
    return f"{' and '.join(places)}." if places else "CITATION.cff names no public place yet."


def _source_of(entry: WeightsEntry) -> str:
    return f"trained here on {entry.place}" if entry.source == "trained" else entry.page or f"{entry.place} on the model hub"


def _is_fetched(entry: WeightsEntry) -> bool:
    return entry.source != "trained"


def _mebibytes(size: float | None) -> str:
    return ABSENT if size is None else binary(size * MIB)


def _notes(facts: Facts) -> list[str]:
    missing = {"not run": "have not been run yet", "not reached": "lie beyond this preset or these weights", "not measured": "were not asked for"}
    counted = [f"{count_text(facts.states[state])} numbers {why}." for state, why in missing.items() if facts.states.get(state)]
    disagreements = f"Paper and released code disagree in {facts.quirks} places; `report.html` lists each with what was chosen."
    return [disagreements, *counted, f"Not counted in estimates: {'; '.join(facts.planned.not_counted)}."]
