"""What the page says first: whether anything is judged, whether every stage worked, and where to look. Every sentence is computed."""

from collections.abc import Iterable
from dataclasses import dataclass

from sra.reporting.claims.formats import BY_PRINTED
from sra.reporting.claims.judge import claims_sentence
from sra.reporting.claims.verdicts import ClaimsDocument
from sra.reporting.documents import Document, FigureDocument
from sra.reporting.figures.curve_document import CurvesDocument
from sra.reporting.pairs import compared, interval_text, seeds_words
from sra.reporting.read.scores import Scores
from sra.reporting.write.commands import THREE_SEEDS, build_command
from sra.reporting.write.numbers import count_text, number_text, steps_of_milestone
from sra.spec.metric import Metric, ScoreOf
from sra.spec.scale import Preset
from sra.study.intervals import LEAST_SEEDS

COMPARED: tuple[Metric, ...] = ("fid", "is")

# What a caption of the digit scenes says: each of two digits has one of 10 values and one of 4 colours (sra/data/scenes.py).
CAPTIONS_OF_SCENES = (10 * 4) ** 2


@dataclass(frozen=True)
class BaselineComparison:
    """SRA and the baseline of the same model: same milestone, sampler and sample count. Where there are several seeds, their means.

    effect: SRA over the baseline by seed, or less it, with the interval from three seeds on; nothing is judged by it.
    """

    model: str
    milestone: str
    metric: Metric
    baseline: float
    sra: float
    effect: str

    @property
    def texts(self) -> tuple[str, str]:
        return number_text(self.baseline, ".2f"), number_text(self.sra, ".2f")


def comparisons(figures: Iterable[FigureDocument], scores: Scores) -> list[BaselineComparison]:
    """Every pair of baseline and SRA in the curves, by FID and by IS, each once, in order of steps and panels."""
    found = []
    for figure in figures:
        if not isinstance(figure, CurvesDocument):
            continue
        for panel in figure.panels:
            runs = {line.method: line.run for line in panel.lines}
            if {"none", "sra"} <= set(runs):
                for milestone in dict.fromkeys(point.milestone for line in panel.lines for point in line.points):
                    score = ScoreOf(milestone=milestone, sampler=panel.sampler, samples=figure.samples)
                    # A panel of one metric is named after it, and then the runs tell the model.
                    model = runs["none"] if panel.metric else panel.title
                    pair = _pair(model, runs["none"], runs["sra"], score, scores)
                    found += [comparison for comparison in pair if panel.metric in (None, comparison.metric)]
    return sorted(dict.fromkeys(found), key=lambda comparison: steps_of_milestone(comparison.milestone))


def _pair(model: str, baseline_run: str, sra_run: str, score: ScoreOf, scores: Scores) -> list[BaselineComparison]:
    baseline, sra = scores.find(baseline_run, score), scores.find(sra_run, score)
    if baseline is None or sra is None:
        return []
    found = []
    for metric in COMPARED:
        if (before := baseline.value(metric)) is not None and (after := sra.value(metric)) is not None:
            pair = compared(after.by_seed, before.by_seed, metric)
            effect = interval_text(pair, ".2f") if pair else "no seed in common"
            found.append(BaselineComparison(model, score.milestone, metric, before.mean, after.mean, effect))
    return found


def opening(
    preset_id: str, preset: Preset, scores: Scores, progress: list["Progress"], jobs: int, claims: ClaimsDocument | None, findings: list[str]
) -> list[str]:
    """What the page says first. progress: of every table and figure.  jobs: that ended, 0 where that was not recorded.

    findings: of figures, which judge for themselves.
    """
    trained = len(scores.seeds.training or (0,))
    judges_nothing = (
        f"Preset {preset_id} trains each run from {seeds_words(trained)}, and fewer than {LEAST_SEEDS} judge nothing: no claim of the paper gets a "
        "verdict here, no method is ranked and no number of ours is bold."
    )
    return [
        *([judges_nothing] if trained < LEAST_SEEDS else [claims_sentence(claims)] if claims else []),
        *findings,
        _works(scores, progress, jobs),
        *filter(None, (_agreement(scores, preset), caption_sentence(scores))),
        _of_the_paper(claims),
        _evidence(preset_id, preset, trained),
    ]


def _works(scores: Scores, progress: list["Progress"], jobs: int) -> str:
    """Whether every stage worked, as far as what it left tells."""
    shown = [item for item in progress if item.wanted]
    complete = sum(item.done == item.wanted for item in shown)
    counted = f"{count_text(jobs)} jobs ended, " if jobs else ""
    found = (
        f"{counted}{count_text(len(scores))} scores of sample sets exist, and {complete} of {len(shown)} tables and figures have all their numbers"
    )
    if shown and complete == len(shown):
        return f"Every stage works, from images through training, sampling and scoring to this page: {found} that this preset can give."
    return f"So far {found} that this preset can give."


def _agreement(scores: Scores, preset: Preset) -> str | None:
    """How often guided samples show what they were asked for; None while none were scored."""
    found = [
        file.record.metrics["label_agreement"]
        for file in scores
        if "label_agreement" in file.record.metrics and guidance_scale(file.record.sampler) != 1.0
    ]
    if not found:
        return None
    return (
        f"With guidance {_range(found)} % of the images show the class that they were asked for, as the feature network reads them; "
        f"by chance it would be one in {count_text(preset.classes)}."
    )


def _range(shares: list[float]) -> str:
    """Shares in percent, from the smallest to the largest."""
    ends = dict.fromkeys(number_text(end, ".1%") for end in (min(shares), max(shares)))
    return " to ".join(ends)


def _of_the_paper(claims: ClaimsDocument | None) -> str:
    column = f", and what they say of each claim under “{BY_PRINTED}”" if claims else ""
    return f"The paper's numbers stand in the columns “paper” of the tables, digit for digit and with their sources{column}."


def _evidence(preset_id: str, preset: Preset, trained: int) -> str:
    """Where evidence is to be found."""
    receipts = "Each number of ours links to its receipt."
    here = "" if preset.comparable else " Verdicts here are of this preset's data; only preset paper speaks of the paper's."
    if trained >= LEAST_SEEDS:
        return f"{receipts}{here}"
    command = build_command("claims", preset_id, seeds=THREE_SEEDS)
    return f"Evidence begins at three training seeds of each run: `{command}` trains them and judges the claims.{here} {receipts}"


def guidance_scale(sampler: dict) -> float:
    """The scale of guidance of a score's sampler; 1 is no guidance."""
    guidance = sampler.get("guidance")
    return float(guidance.get("scale", 1.0)) if isinstance(guidance, dict) else 1.0


def caption_sentence(scores: Scores) -> str | None:
    """How many captions the runs draw right with guidance; None while none was scored."""
    found = [file.record for file in scores if "caption_accuracy" in file.record.metrics and guidance_scale(file.record.sampler) != 1.0]
    if not found:
        return None
    return (
        f"With guidance {_range([record.metrics['caption_accuracy'] for record in found])} % of the captioned images show both digits in the right "
        f"colours, as the feature network reads them; by chance it would be about 1 in {count_text(CAPTIONS_OF_SCENES)}."
    )


@dataclass(frozen=True)
class Progress:
    """The numbers of ours in one table or figure: how many exist of those that this preset can give, and how many lie beyond it.

    They are scores, measured runs in a table of costs, and what was found inside models.
    """

    id: str
    number: str
    title: str
    done: int
    wanted: int
    beyond: int


def progress_of(document: Document, scores: Scores, preset: Preset) -> Progress:
    return Progress(document.id, document.number, document.title, *document.counts(scores, preset))
