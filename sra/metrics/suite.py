"""All scores of one sample set in one pass of the extractor over its images.

Features are float32, everything made from them float64. Each function says what it refuses, and refuses it before the long pass: a
score that does not mean what its name says is worse than none.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor, nn

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.data.finite import first_broken_row
from sra.metrics.exact import full_float32
from sra.metrics.extractors import Extractor
from sra.metrics.frechet import FeatureStatistics, RunningMoments, frechet
from sra.metrics.inception_score import InceptionScore, inception_scores
from sra.metrics.judges import Judges
from sra.metrics.labels import LabelPolicy
from sra.metrics.precision_recall import NEIGHBOURS, Mode, precision_recall
from sra.metrics.reference import Reference, Skippable
from sra.metrics.samples import Images, Repeats, SampleSet, check_samples, digests_of, find_repeats
from sra.metrics.scarcity import Side, too_few
from sra.metrics.secondary import Evidence, SecondaryValue, check_secondary, secondary_scores
from sra.spec.scale import SecondaryMetric


@dataclass(frozen=True)
class ImageFeatures:
    """What the scores need of N images. pooled: (N, d) float32.  logits: (N, K) float32.  predicted: (N,) int64 or None."""

    pooled: Tensor
    pooled_statistics: FeatureStatistics
    spatial_statistics: FeatureStatistics
    logits: Tensor
    predicted: Tensor | None


@dataclass(frozen=True)
class RealFeatures:
    """What the scores need of the reference's n images. pooled: (n, d) float32.  digests: (n, 16) uint8 of the images' bytes."""

    pooled: Tensor
    digests: np.ndarray


@dataclass(frozen=True)
class Settings:
    """What is scored and how. Nothing here changes the value of a metric except the mode of precision and recall.

    count: the declared number of samples.  few: whether a count that leaves the covariance singular is meant.
    labels: the claimed policy, None when nothing is claimed.  classes: of the data set, None when nobody says.  drawn: those that labels were
    drawn from, each as often as it is named, None for all.  max_duplicates: largest share of repeated and blank samples.
    """

    count: int
    few: bool = False
    labels: LabelPolicy | None = None
    classes: int | None = None
    drawn: tuple[int, ...] | None = None
    max_duplicates: float = 0.0
    precision_recall: Mode = "fp32"
    skip: tuple[Skippable, ...] = ()
    secondary: tuple[SecondaryMetric, ...] = ()
    batch: int = 256
    seed: int = 0

    @property
    def needs_real_features(self) -> bool:
        """Whether anything is compared with the reference's images one by one."""
        return "precision_recall" not in self.skip or "kid" in self.secondary


@dataclass(frozen=True)
class Scores:
    """fid, sfid: lower is better. inception_score, precision, recall: higher is better, the last two in [0, 1]. None: left out on request.

    label_agreement: share of samples that the classifier gives the class that was asked for; None when it knows other classes.
    inception: what the inception score is made of: its chunks in file order, and the score over one split.
    clipped: how much of fid and sfid comes from negative eigenvalues that were set to zero; rounding, if the reference is sound.
    """

    fid: float
    sfid: float | None
    inception_score: float
    precision: float | None
    recall: float | None
    label_agreement: float | None
    inception: dict[str, JsonValue]
    clipped: dict[str, float]
    repeats: Repeats
    warnings: tuple[str, ...]
    secondary: dict[SecondaryMetric, SecondaryValue] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """The metrics' values by the names that tables use; one that is not defined here is left out."""
        named = {
            "fid": self.fid,
            "sfid": self.sfid,
            "is": self.inception_score,
            "precision": self.precision,
            "recall": self.recall,
            "label_agreement": self.label_agreement,
            **{name: found.value for name, found in self.secondary.items()},
        }
        return {name: value for name, value in named.items() if value is not None}


def score(
    samples: SampleSet,
    reference: Reference,
    extractor: Extractor,
    settings: Settings,
    real: RealFeatures | None = None,
    judges: Judges | None = None,
) -> Scores:
    """The scores of `samples` by the ADM definitions.

    real: what `real_features` gives for this reference and extractor, when it was computed before.  judges: for the secondary scores that ask one.
    """
    check_request(samples, reference, extractor, settings)
    if real is None and settings.needs_real_features:
        real = real_features(reference.images, extractor, settings.batch)
    real_digests = real.digests if real else None if reference.images is None else digests_of(reference.images, "the reference").values
    repeats = find_repeats(digests_of(samples.images, "samples"), real_digests, settings.max_duplicates)

    generated = extract(samples.images, extractor, settings.batch, what="samples")
    inception = inception_scores(generated.logits)
    warnings = [*_warnings(generated, repeats, reference, settings), *inception.warnings]
    fid = frechet(generated.pooled_statistics, reference.pooled)
    sfid = None if "sfid" in settings.skip else frechet(generated.spatial_statistics, reference.spatial)
    values = {
        "inception_score": inception.value,
        "inception": _about(inception),
        "label_agreement": _agreement(generated.predicted, samples.labels),
    }
    # The logits are half as large as the features, and the next step needs the room.
    pooled = generated.pooled
    del generated
    shares = None
    if "precision_recall" not in settings.skip:
        shares = precision_recall(real.pooled.to(pooled.device), pooled, settings.precision_recall)
        sides = (Side("samples", len(pooled), pooled.shape[1]), Side("reference images", len(real.pooled), pooled.shape[1]))
        warnings += too_few("Precision and recall", *sides)
    secondary = secondary_scores(
        settings.secondary,
        Evidence(samples, pooled, real and real.pooled, reference.pooled, extractor, judges or Judges(), settings.batch, settings.seed),
    )
    warnings += [warning for found in secondary.values() for warning in found.warnings]
    return Scores(
        fid=fid.distance,
        sfid=sfid and sfid.distance,
        **values,
        precision=shares and shares.precision,
        recall=shares and shares.recall,
        clipped={name: found.clipped for name, found in (("fid", fid), ("sfid", sfid)) if found},
        repeats=repeats,
        warnings=(*samples.notes, *reference.notes, *warnings),
        secondary=secondary,
    )


def check_request(samples: SampleSet, reference: Reference, extractor: Extractor, settings: Settings) -> None:
    """Refuse whatever a few bytes and one image show to be wrong, before the hours of work."""
    image_shape = None if reference.images is None else reference.images.shape[1:]
    check_samples(samples, image_shape, settings.count, settings.labels, classes_of(settings, extractor), settings.drawn)
    if "precision_recall" not in settings.skip and len(reference.images) <= NEIGHBOURS:
        raise InputError(f"reference: {len(reference.images)} images in arr_0; precision and recall need at least {NEIGHBOURS + 1}")
    require_exact(extractor)
    dimensions = _check_dimensions(samples.images, reference, extractor, settings)
    if settings.count <= dimensions and not settings.few:
        raise InputError(
            f"samples: {settings.count} images for {dimensions} feature dimensions leave the covariance singular and FID mostly bias; "
            "draw more, or give --allow-count for a score named by its count"
        )
    check_secondary(settings.secondary, samples, reference.images, extractor)


def classes_of(settings: Settings, extractor: Extractor) -> int | None:
    """How many classes the data set has: as declared, or as many as the extractor was trained to tell apart."""
    if None not in (settings.classes, extractor.classes) and settings.classes != extractor.classes:
        raise InputError(
            f"extractor {extractor.name}: tells {extractor.classes} classes apart, the samples are of {settings.classes}; "
            "give the extractor of their data set"
        )
    return settings.classes or extractor.classes


def require_exact(extractor: Extractor) -> None:
    """Refuse what would change features silently: a network in training mode, or mixed precision around it."""
    for name, value in vars(extractor).items():
        if isinstance(value, nn.Module) and any(module.training for module in value.modules()):
            raise InputError(f"extractor {extractor.name}: its {name} is in training mode, which changes features; call .eval() on it")
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        raise InputError(f"extractor {extractor.name}: autocast is on, which rounds features to 16 bits; score outside of it")


def real_features(images: Images, extractor: Extractor, batch: int) -> RealFeatures:
    """Features and digests of the reference's images (n, H, W, 3) uint8."""
    digests = digests_of(images, "the reference").values
    return RealFeatures(extract(images, extractor, batch, what="reference").pooled, digests)


def extract(images: Images, extractor: Extractor, batch: int, what: str) -> ImageFeatures:
    """Features of images (N, H, W, 3) uint8, N >= 2, batch by batch. `what` names them in messages."""
    parts = (images[start : start + batch] for start in range(0, len(images), batch))
    return extract_batches(parts, len(images), extractor, what)


def extract_batches(batches: Iterable[np.ndarray], count: int, extractor: Extractor, what: str) -> ImageFeatures:
    """`extract` of `count` images that come as an iterable of (B, H, W, 3) uint8."""
    require_exact(extractor)
    pooled_moments, spatial_moments = RunningMoments(), RunningMoments()
    pooled = logits = predicted = None
    start = 0
    with Progress(f"features of {what}", count, "images") as progress:
        for images in batches:
            check_size(images, extractor, what)
            with full_float32():
                features = extractor.features(images)
            _check_finite(features.pooled, features.spatial, features.logits, start=start, what=what)
            if pooled is None:
                pooled, logits = _room_for(features.pooled, count), _room_for(features.logits, count)
                predicted = None if features.predicted is None else _room_for(features.predicted, count)
            rows = slice(start, start + len(images))
            pooled[rows], logits[rows] = features.pooled, features.logits
            if predicted is not None:
                predicted[rows] = features.predicted
            # The spatial features are as large as the pooled ones and only their moments are needed.
            pooled_moments.update(features.pooled)
            spatial_moments.update(features.spatial)
            start += len(images)
            progress.advance(len(images))
    if start != count:
        raise InputError(f"{what}: {start} images came, {count} were announced; read them again")
    return ImageFeatures(
        pooled=pooled,
        pooled_statistics=_on_cpu(pooled_moments.statistics()),
        spatial_statistics=_on_cpu(spatial_moments.statistics()),
        logits=logits,
        predicted=predicted,
    )


def _room_for(values: Tensor, count: int) -> Tensor:
    return values.new_empty(count, *values.shape[1:])


def check_size(images: np.ndarray, extractor: Extractor, what: str) -> None:
    """Raises InputError for images (B, H, W, 3) of a size that the extractor does not take. `what` names them in the message."""
    size = extractor.image_size
    height, width = images.shape[1:3]
    if size is not None and (height != width or height % size):
        raise InputError(
            f"{what}: images are {images.shape[1:3]} pixels; extractor {extractor.name} takes {size} x {size}, or squares of whole multiples"
        )


def _check_finite(*features: Tensor, start: int, what: str) -> None:
    for values in features:
        broken = first_broken_row(values)
        if broken is not None:
            raise InputError(f"{what}: image {start + broken} gives features that are not finite; check extractor and image")


def _check_dimensions(images: Images, reference: Reference, extractor: Extractor, settings: Settings) -> int:
    """Compare the features of one image with the reference; returns the number of pooled features."""
    first = images[0:1]
    check_size(first, extractor, "samples")
    features = extractor.features(first)
    pairs = {"mu": (features.pooled, reference.pooled)}
    if "sfid" not in settings.skip:
        pairs["mu_s"] = (features.spatial, reference.spatial)
    for key, (ours, theirs) in pairs.items():
        if ours.shape[1] != len(theirs.mean):
            raise InputError(
                f"reference: {key} has {len(theirs.mean)} dimensions, extractor {extractor.name} gives {ours.shape[1]}; "
                "use the reference made with this extractor"
            )
    return features.pooled.shape[1]


def _agreement(predicted: Tensor | None, labels: np.ndarray | None) -> float | None:
    return None if predicted is None or labels is None else float((predicted.cpu().numpy() == labels).mean())


def _about(inception: InceptionScore) -> dict[str, JsonValue]:
    chunks = [{"images": chunk.images, "score": chunk.score} for chunk in inception.chunks]
    return {"chunks": chunks, "one_split": inception.one_split, "chance_of_order": inception.chance_of_order}


def _warnings(generated: ImageFeatures, repeats: Repeats, reference: Reference, settings: Settings) -> list[str]:
    """The warnings that a reader of the numbers must see beside them."""
    found = []
    count = len(generated.pooled)
    pairs = {"FID": (generated.pooled_statistics, reference.pooled), "sFID": (generated.spatial_statistics, reference.spatial)}
    if "sfid" in settings.skip:
        del pairs["sFID"]
    for metric, (ours, theirs) in pairs.items():
        found += too_few(metric, Side.of("samples", ours), Side.of("reference images", theirs))
        if not ours.covariance.any():
            found.append(f"{metric}: the features of all samples are equal; the value is the distance of one image")
    if repeats.duplicates:
        found.append(f"{repeats.duplicates} of {count} samples repeat an earlier sample byte for byte")
    if repeats.blank:
        found.append(f"{repeats.blank} of {count} samples are blank: every channel is nearly constant")
    if repeats.copied:
        found.append(f"{repeats.copied} of {count} samples are byte for byte images of the reference; this is a self-test, not a result")
    if reference.images is None:
        found.append("the reference holds no images: neither the size of the samples nor copies of real images could be checked")
    return found


def _on_cpu(statistics: FeatureStatistics) -> FeatureStatistics:
    root = None if statistics.root is None else statistics.root.cpu()
    return FeatureStatistics(statistics.mean.cpu(), statistics.covariance.cpu(), statistics.count, root)
