"""`render_table`: a table as JSON, and from that in every format."""

from collections.abc import Iterable
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.margins import Tolerances
from sra.content.tables import TableSpec
from sra.core.files import write_checked_json, write_text
from sra.reporting.read.evidence import load_evidence
from sra.reporting.tables.costs import build_costs
from sra.reporting.tables.document import TableDocument
from sra.reporting.tables.scores import build_scores
from sra.reporting.tables.settings import PAPER, build_settings
from sra.reporting.tables.study import build_study
from sra.reporting.tables.write_csv import to_csv
from sra.reporting.tables.write_html import table_fragment
from sra.reporting.tables.write_markdown import to_markdown
from sra.reporting.tables.write_tex import to_tex
from sra.spec.scale import Preset
from sra.spec.seeds import Seeds
from sra.study.document import StudyDocument


def render_table(
    table: TableSpec,
    score_files: Iterable[Path],
    published_folder: Path,
    preset_id: str,
    preset: Preset,
    output_folder: Path,
    templates: Path,
    seeds: Seeds = Seeds(),
    cost_files: Iterable[Path] = (),
    tolerances: Tolerances = Tolerances(),
    study: StudyDocument | None = None,
) -> TableDocument:
    """Write `<id>.json .csv .html .tex .md` to the output folder. Score files and cost receipts that do not exist print as `not run`.

    published_folder: `report/published` of the folder that holds `config`, whose recipes a table of settings reads.
    tolerances: of differences from the printed numbers, where the preset is comparable.  study: what a table of one shows.
    """
    evidence = load_evidence(preset_id, preset, published_folder, score_files, seeds, cost_files)
    if table.kind == "settings":
        root = Path(published_folder).resolve().parents[1]
        document = build_settings(table, evidence, Catalogue(root, PAPER), Catalogue(root, preset_id))
    elif table.kind == "costs":
        document = build_costs(table, evidence)
    elif table.kind == "study":
        document = build_study(table, evidence, study)
    else:
        document = build_scores(table, evidence, tolerances)
    base = Path(output_folder) / table.id
    write_checked_json(base.with_suffix(".json"), document.model_dump(mode="json"))
    write_text(base.with_suffix(".csv"), to_csv(document))
    write_text(base.with_suffix(".tex"), to_tex(document))
    write_text(base.with_suffix(".md"), to_markdown(document))
    write_text(base.with_suffix(".html"), table_fragment(document, templates))
    return document
