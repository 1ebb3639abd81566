"""What a score file holds: the numbers of one sample set with everything they depend on, or of several and their spread; and the same as a table."""

import statistics
from pathlib import Path

from pydantic import JsonValue

from sra.core.files import sha256_of_file
from sra.core.receipts import recorded_sha256, versions
from sra.metrics.inception_score import CHUNK
from sra.metrics.labels import per_class
from sra.metrics.precision_recall import NEIGHBOURS
from sra.metrics.score_inputs import OpenedExtractor, OpenedReference
from sra.metrics.scored_samples import OpenedSamples
from sra.metrics.suite import Scores, Settings, classes_of
from sra.spec.score import (
    ForeignScore,
    ScoredCaptions,
    ScoredExtractor,
    ScoredLabels,
    ScoredReference,
    ScoredSamples,
    ScoredWeights,
    ScoreOptions,
    ScoreRecord,
    ScoreSettings,
    SeedScores,
    Spread,
    metric_name,
)


def record_of(
    samples: OpenedSamples,
    scores: Scores,
    settings: Settings,
    extractor: OpenedExtractor,
    real: OpenedReference,
    pytorch: OpenedReference | None,
    options: ScoreOptions,
) -> ScoreRecord | ForeignScore:
    facts, images, labels = samples.facts, real.reference.images, samples.samples.labels
    classes = classes_of(settings, extractor.extractor)
    metrics = scores.metrics()
    measured = {
        "metrics": metrics,
        "names": {metric: metric_name(metric, settings.count) for metric in metrics},
        "about": {name: {"clipped": clipped} for name, clipped in scores.clipped.items()}
        | {"is": scores.inception}
        | {name: found.about for name, found in scores.secondary.items()},
        "extractor": ScoredExtractor(name=extractor.extractor.name, sha256=extractor.sha256, held_out_accuracy=extractor.held_out_accuracy),
        "reference": ScoredReference(
            sha256=real.sha256,
            images=0 if images is None else len(images),
            statistics_count=real.reference.pooled.count,
            features_sha256=options.reference_features and recorded_sha256(options.reference_features),
            split=real.source and real.source[1],
            pytorch_sha256=pytorch and pytorch.sha256,
            key=real.reference.key,
            computed=real.computed,
            statistics_sha256=real.statistics_sha256,
        ),
        "samples": ScoredSamples(
            sha256=samples.sha256,
            name=None if facts else samples.path.resolve().name,
            count=settings.count,
            duplicates=scores.repeats.duplicates,
            blank=scores.repeats.blank,
            copied=scores.repeats.copied,
            max_duplicates=settings.max_duplicates,
            labels=ScoredLabels(
                policy=settings.labels,
                classes=None if labels is None else classes,
                per_class=None if labels is None else per_class(labels, classes).tolist(),
            ),
            captions=_captions(samples, options),
            uint8=samples.drawn.sampler.get("uint8") or options.uint8,
            key=samples.samples.key,
            labels_key=samples.samples.labels_key,
        ),
        "settings": ScoreSettings(
            precision_recall=settings.precision_recall,
            neighbours=NEIGHBOURS,
            is_chunk=CHUNK,
            dtype="float32",
            tf32=False,
            skipped=list(settings.skip),
            batch=settings.batch,
            device=options.device,
        ),
        "versions": versions(),
        "warnings": list(scores.warnings),
    }
    return ScoreRecord(**facts.model_dump(), **measured, weights=ScoredWeights(sha256=samples.weights)) if facts else ForeignScore(**measured)


def _captions(samples: OpenedSamples, options: ScoreOptions) -> ScoredCaptions | None:
    if samples.samples.captions is None:
        return None
    policy = samples.facts and samples.facts.caption_policy
    return ScoredCaptions(policy=policy, sha256=options.captions and sha256_of_file(options.captions))


def with_spread(records: list[ScoreRecord | ForeignScore]) -> SeedScores:
    spread = {}
    for metric in records[0].metrics:
        values = [record.metrics[metric] for record in records if metric in record.metrics]
        if len(values) == len(records):
            spread[metric] = Spread(name=records[0].names[metric], mean=statistics.fmean(values), sd=statistics.stdev(values))
    return SeedScores(sets=records, spread=spread)


def score_table(
    paths: list[Path], reference: Path, records: list[ScoreRecord | ForeignScore], result: ScoreRecord | ForeignScore | SeedScores, output: Path
) -> str:
    first = records[0]
    lines = [f"against {reference.name}, features by {first.extractor.name}, precision and recall in {first.settings.precision_recall}"]
    for path, record in zip(paths, records, strict=True):
        lines.append(f"{path}")
        lines += [line for metric, value in record.metrics.items() for line in _lines(record.names[metric], value, record.about.get(metric, {}))]
    if isinstance(result, SeedScores):
        lines.append(f"mean ± sd of {len(records)} sets")
        lines += [f"  {found.name:<24}{found.mean:>14.5f} ± {found.sd:.5f}" for found in result.spread.values()]
    return "\n".join([*lines, f"written {output}"])


def _lines(name: str, value: float, about: dict[str, JsonValue]) -> list[str]:
    """A metric's line on the screen, with what belongs beside its value."""
    line = f"  {name:<24}{value:>14.5f}"
    if "sd_over_orders" in about:
        return [f"{line} ± {about['sd_over_orders']:.5f} (sd over {about['orders']} orders of the samples)"]
    if len(about.get("chunks", ())) > 1:
        return [line, f"  {name + ', one split':<24}{about['one_split']:>14.5f}"]
    return [line]
