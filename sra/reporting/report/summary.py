"""What the page says first: how much was run, for how long, and whether SRA beat its baseline here. Every sentence is computed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sra.reporting.documents import Document, FigureDocument
from sra.reporting.figures.curve_document import CurvesDocument
from sra.reporting.read.scores import Scores
from sra.reporting.write.numbers import METRIC_NAMES, count_text, milestone_text, number_text, steps_of_milestone
from sra.spec.metric import Metric, ScoreOf
from sra.spec.scale import Preset
from sra.spec.seeds import Seeds

COMPARED: tuple[tuple[Metric, Literal["lower", "higher"]], ...] = (("fid", "lower"), ("is", "higher"))

# What a caption of the digit scenes says: each of two digits has one of 10 values and one of 4 colours (sra/data/scenes.py).
CAPTIONS_OF_SCENES = (10 * 4) ** 2


@dataclass(frozen=True)
class BaselineComparison:
    """SRA against the baseline of the same model: same milestone, sampler and sample count. Where there are several seeds, their means."""

    model: str
    milestone: str
    metric: Metric
    baseline: float
    sra: float
    outcome: Literal["better", "worse", "equal"]

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
    for metric, better in COMPARED:
        if (before := baseline.mean(metric)) is not None and (after := sra.mean(metric)) is not None:
            gain = before - after if better == "lower" else after - before
            outcome = "equal" if gain == 0 else "better" if gain > 0 else "worse"
            found.append(BaselineComparison(model, score.milestone, metric, before, after, outcome))
    return found


def verdict_sentence(found: list[BaselineComparison], milestone: str, preset_id: str, preset: Preset, seeds: Seeds = Seeds()) -> str:
    """Whether SRA was better than its baseline, in plain words: at the tables' milestone, then over all. One seed proves nothing, and it says so."""
    caveat = "" if preset.comparable else " This preset exercises the method, it does not prove or disprove the paper."
    if not found:
        return f"No pair of SRA and its baseline has been scored yet, so nothing can be said about SRA here.{caveat}"
    here = [comparison for comparison in found if comparison.milestone == milestone]
    place, each = f"On preset {preset_id} ({preset.title})", _each_number(seeds)
    if not here:
        return f"{place}, SRA {_count_words(found)} at all milestones together; none at {milestone_text(milestone)}. {each.capitalize()}.{caveat}"
    models = len({comparison.model for comparison in here})
    metrics = " and ".join(dict.fromkeys(METRIC_NAMES[comparison.metric] for comparison in here))
    first = f"{place}, SRA {_count_words(here)} at {milestone_text(milestone)} ({metrics} of {models} model{'s' if models != 1 else ''}, {each})"
    if len(here) == len(found):
        return f"{first}.{caveat}"
    return f"{first}; over all milestones it {_count_words(found)}.{caveat}"


def _each_number(seeds: Seeds) -> str:
    """What stands behind each number of a comparison."""
    trained = len(seeds.training or (0,))
    return "one seed each" if trained == 1 else f"means of {trained} training seeds each"


def _count_words(found: list[BaselineComparison]) -> str:
    """`is worse than its baseline in 9 of 12 comparisons`; the larger side is named, both when they are level."""
    count = {outcome: sum(comparison.outcome == outcome for comparison in found) for outcome in ("better", "worse", "equal")}
    total = f"{len(found)} comparison{'s' if len(found) != 1 else ''}"
    equal = f" and equal to it in {count['equal']}" if count["equal"] else ""
    if count["better"] == count["worse"]:
        return f"is better than its baseline in {count['better']} and worse in {count['worse']} of {total}{equal}"
    word = "better" if count["better"] > count["worse"] else "worse"
    return f"is {word} than its baseline in {count[word]} of {total}{equal}"


def guidance_scale(sampler: dict) -> float:
    """The scale of guidance of a score's sampler; 1 is no guidance."""
    guidance = sampler.get("guidance")
    return float(guidance.get("scale", 1.0)) if isinstance(guidance, dict) else 1.0


def caption_sentence(scores: Scores) -> str | None:
    """How many captions the best run with guidance draws right; None while none was scored."""
    found = [file.record for file in scores if "caption_accuracy" in file.record.metrics and guidance_scale(file.record.sampler) != 1.0]
    if not found:
        return None
    best = max(found, key=lambda record: (record.metrics["caption_accuracy"], record.run, record.sampler_name))
    return (
        f"With guidance {guidance_scale(best.sampler):.1f} the best run, {best.run} (step {count_text(best.step)}, sampler {best.sampler_name}), "
        f"draws both digits in the right colours for {number_text(best.metrics['caption_accuracy'], '.1%')} % of {count_text(best.count)} captions, "
        f"as the feature network reads them; chance is about 1 in {count_text(CAPTIONS_OF_SCENES)}."
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
