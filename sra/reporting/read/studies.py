"""What a study found, as the report reads it; before there is any, the study with all its rows and nothing in them."""

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore
from sra.content.studies import rows_here, scores_of_whole, seeds_of, study_named
from sra.core.errors import InputError
from sra.spec.layout import Results
from sra.spec.study import Study
from sra.study.document import RowFound, StudyDocument, read_study

NOTHING_YET = "Nothing of this study has been analysed yet, so nothing is compared."


def load_study(name: str, registry: Catalogue) -> StudyDocument:
    """Raises InputError for a study that the preset does not have, and for a file of another study or preset."""
    study, path = study_named(name, registry), registry.root / Results(registry.preset_id).study(name)
    if not path.exists():
        return _not_run(study, registry)
    found = read_study(path)
    if (found.study, found.preset) != (name, registry.preset_id):
        raise InputError(f"{path}: is study {found.study} of preset {found.preset}, expected {name} of {registry.preset_id}; analyse that one again")
    return found


def scores_behind_study(document: StudyDocument, registry: Catalogue) -> list[RequiredScore]:
    """Those that its numbers are read from, whether they are there or not; of trials, with what they chose."""
    tuned = {sweep.run: sweep.chosen for sweep in document.sweeps if sweep.what == "weight" and sweep.chosen}
    guided = {choice.run: choice.chosen for choice in document.guidance if choice.chosen}
    return scores_of_whole(study_named(document.study, registry), registry, tuned, guided)


def _not_run(study: Study, registry: Catalogue) -> StudyDocument:
    preset, base = registry.preset, study.baseline
    rows = [
        RowFound(run=row.run, label=row.label, family=row.family, kind="control" if row.control else "method", note=row.note, points=[])
        for row in rows_here(study, registry)
    ]
    return StudyDocument(
        study=study.id,
        title=study.title,
        preset=registry.preset_id,
        preset_title=preset.title,
        comparable=preset.comparable,
        dataset=preset.dataset,
        baseline=base.run,
        metric=study.metric,
        second=study.second,
        sampler=study.sampler,
        milestone=study.last,
        samples=registry.sample_count(study.samples),
        seeds=seeds_of(study, registry),
        equivalence=study.equivalence,
        rows=[RowFound(run=base.run, label=base.label, family=base.family, kind="baseline", note=base.note, points=[]), *rows],
        informative=None,
        informative_words=NOTHING_YET,
        findings=[],
        threats=study.threats,
        missing=len(scores_of_whole(study, registry, {}, {})),
    )
