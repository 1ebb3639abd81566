"""Sample sets on their way to a score: opened with what their receipts say, held against each other and against the options."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt, receipt_of, receipt_path, verify_contents
from sra.metrics.folders import FolderImages
from sra.metrics.samples import SampleSet, read_caption_lines, read_samples
from sra.metrics.score_inputs import OpenedExtractor
from sra.metrics.suite import Settings
from sra.spec.load import checked
from sra.spec.run import check_place
from sra.spec.score import DRAWN, PACKED, DrawnFacts, SampleFacts, ScoreOptions

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


def open_samples(path: Path, options: ScoreOptions) -> OpenedSamples:
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
    receipt = verify_contents(path, PACKED)
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


def refuse_unlike(opened: list[OpenedSamples]) -> None:
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


def settings_of(samples: OpenedSamples, options: ScoreOptions, reference: Path, extractor: OpenedExtractor) -> Settings:
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
