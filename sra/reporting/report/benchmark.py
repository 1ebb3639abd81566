"""The benchmark's section of the report: what a study found in words, its figures and table, what was run for it, and what it cannot know."""

from sra.core.units import several
from sra.reporting.documents import study_of
from sra.reporting.report.document import Benchmark, Fact, FactValue, FigureItem, TableItem
from sra.reporting.write.numbers import count_text, milestone_text, number_text
from sra.reporting.write.study import counts_of, headline_point
from sra.study.document import StudyDocument


def benchmarks_of(tables: list[TableItem], figures: list[FigureItem]) -> list[Benchmark]:
    """One section for each study that is shown; none of what shows no study."""
    found = {study.study: study for item in (*figures, *tables) if (study := study_of(item.document))}
    return [
        Benchmark(
            study=name,
            title=study.title,
            informative=study.informative,
            informative_words=study.informative_words,
            findings=study.findings,
            figures=[item for item in figures if _shows(item, name)],
            tables=[item for item in tables if _shows(item, name)],
            facts=facts_of_study(study),
            pilot=study.pilot.sentences if study.pilot else [],
            threats=study.threats,
        )
        for name, study in found.items()
    ]


def _shows(item: TableItem | FigureItem, name: str) -> bool:
    study = study_of(item.document)
    return study is not None and study.study == name


def facts_of_study(study: StudyDocument) -> list[Fact]:
    """What was run, and on what."""
    methods, controls = (sum(row.kind == kind for row in study.rows) for kind in ("method", "control"))
    there, asked, _ = counts_of(study)
    diverged = f"; {several(len(study.diverged), 'training')} diverged" if study.diverged else ""
    again = f"; the baseline also from {_listed(study.repeated_seeds)}" if study.repeated_seeds else ""
    point = headline_point(study.base, study)
    step = f"step {count_text(point.step)}" if point else milestone_text(study.milestone)
    return [
        Fact(name="Compared", values=[_value(several(methods, "method"), f"and {several(controls, 'control')}, each beside {study.base.label}")]),
        Fact(name="Scores of the study", values=[_value(f"{count_text(there)} of {count_text(asked)}", f"of trainings at milestones{diverged}")]),
        Fact(name="Training seeds", values=[_value(count_text(len(study.seeds)), f"{_listed(study.seeds)}{again}")]),
        Fact(name="Trained to", values=[_value(step, f"which stands for the paper's {milestone_text(study.milestone)}")]),
        Fact(name="Samples", values=[_value(count_text(study.samples), f"of each training, by {study.sampler}")]),
        Fact(name="Data", values=[_value(study.dataset, study.preset_title)]),
        Fact(name="Hours", values=[_value(study.machine or "not measured", "where steps were timed, in turns" if study.machine else None)]),
        *_noise(study),
    ]


def _noise(study: StudyDocument) -> list[Fact]:
    pilot = study.pilot
    if pilot is None or pilot.run_sd is None:
        return []
    paired = f", of paired differences {number_text(pilot.difference_sd, '.1%')} %" if pilot.difference_sd is not None else ""
    return [Fact(name="Noise", values=[_value(f"{number_text(pilot.run_sd, '.1%')} %", f"sd of one training{paired}")])]


def _value(text: str, remark: str | None) -> FactValue:
    return FactValue(text=text, remark=remark)


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))
