"""Stage: score sample sets against a reference and write the numbers with everything they depend on."""

import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from sra.core.errors import InputError
from sra.core.files import sha256_of_file, write_checked_json
from sra.core.receipts import read_receipt, receipt_of, receipt_path, recorded_sha256, verify_contents, versions
from sra.metrics.folders import FolderImages
from sra.metrics.inception_score import CHUNK
from sra.metrics.labels import per_class
from sra.metrics.precision_recall import NEIGHBOURS
from sra.metrics.samples import SampleSet, read_caption_lines, read_samples
from sra.metrics.suite import RealFeatures, Scores, Settings, check_request, classes_of, real_features, score
from sra.spec.load import checked
from sra.spec.run import check_place
from sra.spec.score import (
    DrawnFacts,
    ForeignScore,
    SampleFacts,
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
from sra.stages.pack import DRAWN
from sra.stages.real_images import ReadAs
from sra.stages.replaced import check_replaced
from sra.stages.score_inputs import (
    OpenedExtractor,
    OpenedReference,
    open_extractor,
    open_pytorch_reference,
    open_reference,
    read_real_features,
    with_statistics,
)
from sra.stages.score_judges import judges_of, open_models

PAPER_COUNT = 50_000  # of the ADM suite and of every paper that quotes it; refused otherwise unless it is declared
NOT_DRAWN_HERE = DrawnFacts()


@dataclass(frozen=True)
class OpenedSamples:
    """facts, weights: of the receipt of a run's set, None for another.  drawn: what the receipt of any set drawn here says of its drawing."""

    path: Path
    samples: SampleSet
    sha256: str
    facts: SampleFacts | None = None
    weights: str | None = None
    drawn: DrawnFacts = NOT_DRAWN_HERE


def score_samples(paths: list[Path], reference: Path, output: Path, options: ScoreOptions) -> ScoreRecord | ForeignScore | SeedScores:
    """Write and return the score of one sample set, or of several and their spread; the same inputs give the same bytes."""
    extractor = open_extractor(options.extractor, options.device, options.extractor_name)
    read_as = ReadAs(options.reference_key, options.allow_jpeg, options.recursive)
    real = open_reference(reference, extractor, options.skip, options.reference_name, read_as=read_as)
    pytorch = open_pytorch_reference(options.pytorch_reference, extractor, real) if "fid_pytorch" in options.secondary else None
    opened = [_open_samples(path, options) for path in paths]
    _refuse_unlike(opened)
    check_replaced(output, [(samples.sha256, samples.samples.key) for samples in opened], options.replace)
    settings = [_settings(samples, options, reference, extractor) for samples in opened]
    counts = sorted({wanted.count for wanted in settings})
    if len(counts) > 1:
        raise InputError(f"samples: sets of {' and '.join(map(str, counts))} images have no spread together; give sets of one count")
    for samples, wanted in zip(opened, settings, strict=True):
        with _named(samples.path):
            check_request(samples.samples, real.reference, extractor.extractor, wanted)
    models = open_models(options)

    real = with_statistics(real, extractor, options.batch, options.device)
    features = _real_features(real, extractor, settings[0], options)
    judges = judges_of(models, real.reference.images, pytorch and pytorch.reference, options.batch)
    records = []
    for samples, wanted in zip(opened, settings, strict=True):
        with _named(samples.path):
            scores = score(samples.samples, real.reference, extractor.extractor, wanted, features, judges)
        for warning in scores.warnings:
            print(f"WARNING: {samples.path}: {warning}", file=sys.stderr, flush=True)
        records.append(_record(samples, scores, wanted, extractor, real, pytorch, options))
    result = records[0] if len(records) == 1 else _with_spread(records)
    write_checked_json(output, result.as_json())
    print(_report(paths, reference, records, result, output))
    return result


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is refused inside is refused under the name of its file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _open_samples(path: Path, options: ScoreOptions) -> OpenedSamples:
    """The samples and their receipt, every byte compared with it, so that the hashes in the record are those of what was scored."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give an npz of samples or a folder of PNGs")
    drawn = not path.is_dir() and receipt_path(path).exists() and receipt_of(path)["kind"] == DRAWN
    said = checked(dict(verify_contents(path, DRAWN)["facts"]), DrawnFacts, f"{path}: its receipt") if drawn else NOT_DRAWN_HERE
    if drawn:
        _refuse_other_claims(path, options, said.count, said.sampler)
    if drawn or path.is_dir() or not receipt_path(path).exists():
        read = read_samples(path, options.allow_jpeg, options.key, options.labels_key, options.recursive)
        samples = _with_captions(read, path, options.captions)
        sha256 = samples.images.sha256() if isinstance(samples.images, FolderImages) else sha256_of_file(path)
        return OpenedSamples(path, samples, sha256, drawn=said)
    receipt = verify_contents(path, "samples")
    facts = checked(receipt["facts"], SampleFacts, f"{path}: its receipt")
    check_place(path, facts.run)
    if "weights" not in receipt["made_from"]:
        raise InputError(f"{path}: its receipt does not say which weights drew it; draw the samples again")
    if options.captions:
        raise InputError(f"{path}: was made here, and such a pack holds its captions if it has any; leave out --captions")
    if options.labels and facts.label_policy is None:
        raise InputError(f"{path}: --labels {options.labels}, its receipt says that it was drawn from captions; leave out --labels")
    if (options.key or "arr_0", options.labels_key or "labels") != ("arr_0", "labels"):
        raise InputError(f"{path}: was made here, and such a pack holds its images as arr_0; leave out --key and --labels-key")
    _refuse_other_claims(path, options, facts.count, facts.sampler | {"labels": facts.label_policy})
    samples = read_samples(path)
    drawn_from = "labels" if facts.label_policy else "captions"
    if getattr(samples, drawn_from) is None:
        raise InputError(f"{path}: the key {drawn_from} is missing; a sample pack made here from {drawn_from} holds arr_0 and {drawn_from}")
    drawn = DrawnFacts(count=facts.count, classes=facts.classes, sampler=facts.sampler)
    return OpenedSamples(path, samples, receipt["sha256"], facts, receipt["made_from"]["weights"], drawn)


def _refuse_other_claims(path: Path, options: ScoreOptions, count: int | None, sampler: Mapping[str, JsonValue]) -> None:
    """Refuse an option that contradicts the receipt."""
    for name, said in {"count": count, "labels": sampler.get("labels"), "uint8": sampler.get("uint8")}.items():
        asked = getattr(options, name)
        if asked is not None and said is not None and asked != said:
            raise InputError(f"{path}: --{name} {asked}, its receipt says {said}; leave out --{name}")


def _with_captions(samples: SampleSet, path: Path, captions: Path | None) -> SampleSet:
    """The samples with the captions of a file beside them, where one is given."""
    if captions is None:
        return samples
    if samples.captions is not None:
        raise InputError(f"{path}: holds captions of its own; leave out --captions, or take the key captions out of the npz")
    return replace(samples, captions=read_caption_lines(captions))


def _refuse_unlike(opened: list[OpenedSamples]) -> None:
    """Several sets must be of one model by one sampler and differ in the seed alone, as far as their receipts tell."""
    first, *others = opened
    for other in others:
        if other.sha256 in {before.sha256 for before in opened[: opened.index(other)]}:
            raise InputError(f"{other.path}: is the same set as another one given; a spread needs sets drawn with different seeds")
        if first.facts and other.facts:
            mine, theirs = (_without_seed(samples) for samples in (first, other))
            differs = [key for key in mine if mine[key] != theirs[key]]
            if differs:
                raise InputError(f"{other.path}: differs from {first.path} in {differs[0]}; sets scored together differ in the seed alone")


def _without_seed(samples: OpenedSamples) -> dict:
    facts = samples.facts.model_dump(exclude={"seed", "classes"})  # older receipts do not say how many classes there are
    facts["sampler"] = {key: value for key, value in facts["sampler"].items() if key != "seed"}
    return {"weights": samples.weights, **facts}


def _settings(samples: OpenedSamples, options: ScoreOptions, reference: Path, extractor: OpenedExtractor) -> Settings:
    """What the samples' receipt declares, or the options where there is none."""
    facts = samples.facts
    if facts:
        count, labels = facts.count, facts.label_policy
    else:
        count = options.count or (len(samples.samples.images) if options.allow_count else PAPER_COUNT)
        labels = options.labels or samples.drawn.sampler.get("labels")
    classes = _classes(samples, options, reference)
    known = classes or extractor.extractor.classes
    if options.labels and not facts and samples.samples.labels is not None and known is None:
        raise InputError(
            f"{samples.path}: --labels {labels} cannot be checked, since neither a receipt nor extractor {extractor.extractor.name} says how many "
            "classes there are; give --classes (1000 of ImageNet), or leave out --labels"
        )
    drawn = samples.drawn.sampler.get("classes")
    return Settings(
        count=count,
        few=options.allow_count or facts is not None,
        labels=labels,
        classes=classes,
        drawn=drawn and tuple(drawn),
        max_duplicates=options.max_duplicates,
        precision_recall=options.precision_recall,
        skip=options.skip,
        secondary=options.secondary,
        batch=options.batch,
    )


def _classes(samples: OpenedSamples, options: ScoreOptions, reference: Path) -> int | None:
    """How many classes the data set of the labels has, by the option and the receipts, which must agree; None when none of them says."""
    if samples.samples.labels is None:
        return None
    said = {"--classes": options.classes, "the samples' receipt": samples.drawn.classes}
    if receipt_path(reference).exists():
        said["the reference's receipt"] = read_receipt(reference, "reference")["facts"].get("classes")
    known = {source: classes for source, classes in said.items() if classes is not None}
    if len(set(known.values())) > 1:
        contradiction = ", ".join(f"{source} {classes}" for source, classes in known.items())
        raise InputError(f"{samples.path}: number of classes: {contradiction}; give a reference of their own data set, and leave out --classes")
    return next(iter(known.values()), None)


def _real_features(real: OpenedReference, extractor: OpenedExtractor, settings: Settings, options: ScoreOptions) -> RealFeatures | None:
    """Once for all sets."""
    if options.reference_features:
        return read_real_features(options.reference_features, real, extractor)
    if real.features:
        return real.features
    if real.reference.images is None or not settings.needs_real_features:
        return None
    return real_features(real.reference.images, extractor.extractor, options.batch)


def _record(
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


def _lines(name: str, value: float, about: dict[str, JsonValue]) -> list[str]:
    """A metric's line on the screen, with what belongs beside its value."""
    line = f"  {name:<24}{value:>14.5f}"
    if "sd_over_orders" in about:
        return [f"{line} ± {about['sd_over_orders']:.5f} (sd over {about['orders']} orders of the samples)"]
    if len(about.get("chunks", ())) > 1:
        return [line, f"  {name + ', one split':<24}{about['one_split']:>14.5f}"]
    return [line]


def _with_spread(records: list[ScoreRecord | ForeignScore]) -> SeedScores:
    spread = {}
    for metric in records[0].metrics:
        values = [record.metrics[metric] for record in records if metric in record.metrics]
        if len(values) == len(records):
            spread[metric] = Spread(name=records[0].names[metric], mean=statistics.fmean(values), sd=statistics.stdev(values))
    return SeedScores(sets=records, spread=spread)


def _report(
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
