"""`render_report`: one self-contained page from the JSON of claims, tables and figures, scores, benchmarks and run configurations."""

import base64
import os
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from markupsafe import Markup

from sra.core.files import read_json, write_text
from sra.reporting.claim_formats import SIGNS, missing_words, paper_numbers, telling_numbers
from sra.reporting.claims import DEFAULT_PRESET, build_command, claims_sentence
from sra.reporting.documents import FigureDocument, TableDocument, band_of
from sra.reporting.html import TEMPLATES, environment
from sra.reporting.numbers import milestone_text
from sra.reporting.scores import Scores, load_scores
from sra.reporting.summary import (
    CAPTIONS_OF_SCENES,
    Progress,
    caption_sentence,
    comparisons,
    guidance_scale,
    progress_of,
    seconds_by_stage,
    verdict_sentence,
    wanted_by,
)
from sra.reporting.table_formats import to_csv
from sra.reporting.verdicts import VERDICTS, ClaimsDocument
from sra.spec.base import Strict
from sra.spec.load import checked, load
from sra.spec.method import ConstantEma
from sra.spec.run import RunSpec, read_run
from sra.spec.scale import Preset, scaled_decay

PAPER_TITLE = "No Other Representation Component Is Needed: Diffusion Transformers Can Provide Representation Guidance by Themselves"
PAPER_ID = "arXiv 2505.02831v5"
PAPER_URL = "https://arxiv.org/abs/2505.02831v5"
FAMILIES = ("sit", "dit", "mmdit")  # in the paper's order
QUIRKS = TEMPLATES.parent / "quirks.yaml"


class Quirk(Strict):
    """A place where paper and released code disagree. `option` names the setting that chooses; None when there is nothing to choose."""

    what: str
    paper: str
    code: str
    ours: str
    option: str | None


class Quirks(Strict):
    quirks: list[Quirk]


@dataclass(frozen=True)
class Picture:
    """A figure with its SVG as a data URI."""

    document: FigureDocument
    uri: str


@dataclass(frozen=True)
class Trained:
    """One run as this preset trains it, in words."""

    run: str
    model: str
    size: str
    condition: str
    method: str
    average: str
    learning_rate: str


def render_report(
    preset_id: str,
    preset: Preset,
    tables_folder: Path,
    figures_folder: Path,
    score_files: Iterable[Path],
    benchmark_folders: Iterable[Path],
    runs_folder: Path,
    output: Path,
    claims_file: Path | None = None,
    commit: str | None = None,
    date: str | None = None,
    quirks: Path = QUIRKS,
    templates: Path = TEMPLATES,
) -> None:
    """Write the page to `output`. `date` is that of the results (the page reads no clock); folders that do not exist count as empty.

    claims_file: `claims.json`; without it the page has no claims.
    """
    scores = load_scores(score_files, preset_id)
    tables = [checked(read_json(path), TableDocument, str(path)) for path in _by_number(tables_folder, "table")]
    pictures = [_picture(path) for path in _by_number(figures_folder, "figure")]
    documents = [*tables, *(picture.document for picture in pictures)]
    progress = [progress_of(document, scores, preset) for document in documents]
    found = comparisons([picture.document for picture in pictures], scores)
    shown = [row.score.milestone for table in tables for row in table.rows]
    milestone = shown[0] if shown else found[-1].milestone if found else "m400k"
    claims = checked(read_json(claims_file), ClaimsDocument, str(claims_file)) if claims_file else None
    style, script = ((Path(templates) / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    page = environment(templates).get_template("report.html.j2")
    html = page.render(
        paper={"title": PAPER_TITLE, "id": PAPER_ID, "url": PAPER_URL},
        preset_id=preset_id,
        preset=preset,
        band=band_of(preset_id, preset),
        commit=commit,
        date=date,
        policy=_policy(style, script),
        # Our own two files, hashed in the policy above; everything else on the page is escaped.
        style=Markup(style),
        script=Markup(script),
        tables=tables,
        pictures=pictures,
        csv_of=to_csv,
        folder_of={"tables": _relative(tables_folder, output), "figures": _relative(figures_folder, output)},
        claims_folder=_relative(Path(claims_file).parent, output) if claims_file else None,
        progress=progress,
        done=_unique_done(documents, scores, preset),
        verdict=verdict_sentence(found, milestone, preset_id, preset),
        verdict_milestone=milestone_text(milestone),
        comparisons=found,
        claims=claims,
        claims_sentence=claims_sentence(claims) if claims else None,
        claim_words={"signs": SIGNS, "verdicts": VERDICTS, "missing": missing_words, "telling": telling_numbers, "paper": paper_numbers},
        titles={document.id: document.number for document in documents},
        captions_of_scenes=CAPTIONS_OF_SCENES,
        captions_drawn=caption_sentence(scores),
        seconds=seconds_by_stage(benchmark_folders),
        facts=_Facts(scores),
        trained=_trained(Path(runs_folder), scores),
        stale=_stale(Path(runs_folder), scores),
        used_in=_used_in(tables, [picture.document for picture in pictures], scores),
        quirks=load(quirks, Quirks).quirks,
        commands=_commands(preset_id, documents),
    )
    write_text(output, html)


def _by_number(folder: Path, kind: str) -> list[Path]:
    """`table_1.json`, `table_6.json`, `table_10.json`, `table_s1.json`: in the paper's order, what it has not (s1, t2i) last."""

    def order(path: Path) -> tuple[bool, int, str]:
        number = path.stem.removeprefix(f"{kind}_")
        return number[0].isalpha(), int("".join(filter(str.isdigit, number)) or 0), number

    return sorted(Path(folder).glob(f"{kind}_*.json"), key=order)


def _picture(path: Path) -> Picture:
    svg = path.with_suffix(".svg").read_bytes()
    return Picture(checked(read_json(path), FigureDocument, str(path)), f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}")


def _policy(style: str, script: str) -> str:
    """Content security policy: our one style and one script by hash, pictures from data URIs, nothing else."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"

    return f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; img-src data:; base-uri 'none'; form-action 'none'"


def _relative(folder: Path, output: Path) -> str:
    """The way from the page to a folder beside it, for download links that hold no machine's path."""
    return Path(os.path.relpath(folder, Path(output).parent)).as_posix()


def _commands(preset_id: str, documents: list[TableDocument | FigureDocument]) -> list[tuple[str, str]]:
    """What each command does, and the command."""
    everything = "make run" if preset_id == DEFAULT_PRESET else build_command("all", preset_id)
    again = ("Judge the claims and draw every table, figure and this page again from the scores that exist", build_command("refresh", preset_id))
    ones = [(f"Build {document.number} and what it needs", build_command(document.id, preset_id)) for document in documents]
    return [("Run everything that is missing, then this page", everything), again, *ones]


def _unique_done(documents: list[TableDocument | FigureDocument], scores: Scores, preset: Preset) -> Progress:
    """All documents together: a score shared by many counts once."""
    wanted = list(dict.fromkeys(item for document in documents for item in wanted_by(document)))
    reachable = [(run, score) for run, score in wanted if score.milestone in preset.milestones]
    done = sum(scores.find(run, score) is not None for run, score in reachable)
    return Progress("all", "All", "all tables and figures", done, len(reachable), len(wanted) - len(reachable))


class _Facts:
    """What the scores share, for the summary and the provenance."""

    def __init__(self, scores: Scores):
        self.files = sorted(scores, key=lambda file: (file.record.run, file.record.step, file.record.sampler_name))
        records = [file.record for file in self.files]
        self.extractors = {(r.extractor.name, r.extractor.sha256, r.extractor.held_out_accuracy) for r in records}
        self.references = sorted({(r.reference.sha256, r.reference.images) for r in records})
        self.devices = sorted({r.device for r in records})
        self.versions = sorted({(package, version) for r in records for package, version in r.versions.items()})
        self.warned = sum(bool(r.warnings) for r in records)
        self.guided = [r for r in records if guidance_scale(r.sampler) != 1.0 and "label_agreement" in r.metrics]


def _used_in(tables: list[TableDocument], figures: list[FigureDocument], scores: Scores) -> dict[str, list[TableDocument | FigureDocument]]:
    """By hash of the score file: where its numbers stand."""
    places: dict[str, list] = {}
    for document in [*tables, *figures]:
        for run, score in wanted_by(document):
            file = scores.find(run, score)
            if file:
                places.setdefault(file.sha256, []).append(document)
    return places


def _configurations(runs_folder: Path) -> dict[str, RunSpec]:
    paths = sorted(runs_folder.glob("*/config.json"))
    return {spec.run: spec for spec in map(read_run, paths)}


def _stale(runs_folder: Path, scores: Scores) -> list[str]:
    """Runs whose scores were made from another configuration than the one that lies there now."""
    specs = _configurations(runs_folder)
    return sorted({file.record.run for file in scores if file.record.run in specs and file.record.fingerprint != specs[file.record.run].fingerprint})


def _trained(runs_folder: Path, scores: Scores) -> list[Trained]:
    """The runs behind the scores, by model and then by name."""
    scored = {file.record.run for file in scores}
    specs = [spec for spec in _configurations(runs_folder).values() if spec.run in scored]
    return [_as_trained(spec) for spec in sorted(specs, key=lambda spec: (FAMILIES.index(spec.family), spec.model.width, spec.run))]


def _as_trained(spec: RunSpec) -> Trained:
    ema = spec.training.ema
    decays = (ema.decay,) if isinstance(ema, ConstantEma) else (ema.start, ema.end)
    return Trained(
        run=spec.run,
        model=spec.model.name,
        size=f"{spec.model.depth} × {spec.model.width}",
        condition=f"captions, {spec.model.text.tokens} tokens of {spec.text_encoder}" if spec.model.text else f"one of {spec.model.classes} classes",
        method=spec.alignment.words,
        average=" to ".join(f"{scaled_decay(decay, spec.training.paper_steps_per_step):.4g}" for decay in decays),
        learning_rate=f"{spec.training.learning_rate:.3g}",
    )
