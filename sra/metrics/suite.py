"""All scores of one sample set in one pass over its images.

Features are float32, everything made from them float64. Each function says what it refuses: a score that does not mean what its
name says is worse than none.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.metrics.extractors import Extractor
from sra.metrics.frechet import FeatureStatistics, RunningMoments, frechet_distance
from sra.metrics.inception_score import inception_score
from sra.metrics.precision_recall import NEIGHBOURS, Mode, precision_recall
from sra.metrics.reference import Reference
from sra.metrics.samples import Repeats, SamplePack, check_samples, find_repeats


@dataclass(frozen=True)
class ImageFeatures:
    """What the scores need of N images. pooled: (N, d) float32.  logits: (N, K) float32.  predicted: (N,) int64 or None."""

    pooled: Tensor
    pooled_statistics: FeatureStatistics
    spatial_statistics: FeatureStatistics
    logits: Tensor
    predicted: Tensor | None


@dataclass(frozen=True)
class Scores:
    """fid, sfid: lower is better. inception_score, precision, recall: higher is better, the last two in [0, 1].

    label_agreement: share of samples that the classifier gives the class that was asked for; None when it knows other classes.
    """

    fid: float
    sfid: float
    inception_score: float
    precision: float
    recall: float
    label_agreement: float | None
    repeats: Repeats
    warnings: tuple[str, ...]

    def metrics(self) -> dict[str, float]:
        """By the names that tables use; a metric that is not defined here is left out."""
        named = {
            "fid": self.fid,
            "sfid": self.sfid,
            "is": self.inception_score,
            "precision": self.precision,
            "recall": self.recall,
            "label_agreement": self.label_agreement,
        }
        return {name: value for name, value in named.items() if value is not None}


def score(
    samples: SamplePack,
    count: int,
    reference: Reference,
    extractor: Extractor,
    balanced: bool = False,
    precision_recall_mode: Mode = "fp32",
    batch: int = 256,
) -> Scores:
    """The scores of `samples`, which must hold the declared `count` of images at the reference's size, and `balanced` labels if so declared."""
    check_samples(samples, reference.images.shape[1:], count, balanced)
    if len(reference.images) <= NEIGHBOURS:
        raise InputError(f"reference: {len(reference.images)} images in arr_0; precision and recall need at least {NEIGHBOURS + 1}")
    repeats = find_repeats(samples.images, reference.images)

    generated = extract(samples.images, extractor, batch, what="samples")
    real = extract(reference.images, extractor, batch, what="reference")
    _check_dimensions(generated, reference, extractor)

    shares = precision_recall(real.pooled, generated.pooled, precision_recall_mode)
    return Scores(
        fid=frechet_distance(generated.pooled_statistics, reference.pooled),
        sfid=frechet_distance(generated.spatial_statistics, reference.spatial),
        inception_score=inception_score(generated.logits),
        precision=shares.precision,
        recall=shares.recall,
        label_agreement=_agreement(generated.predicted, samples.labels),
        repeats=repeats,
        warnings=tuple(_warnings(generated, repeats)),
    )


def extract(images: np.ndarray, extractor: Extractor, batch: int, what: str) -> ImageFeatures:
    """Features of images (N, H, W, 3) uint8, N >= 2, batch by batch. `what` names them in messages."""
    size = extractor.image_size
    if size is not None and images.shape[1:3] != (size, size):
        raise InputError(f"{what}: images are {images.shape[1:3]} pixels; extractor {extractor.name} takes {size} x {size}")
    pooled_moments, spatial_moments = RunningMoments(), RunningMoments()
    pooled, logits, predicted = [], [], []
    with Progress(f"features of {what}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            features = extractor.features(images[start : start + batch])
            _check_finite(features.pooled, features.spatial, features.logits, start=start, what=what)
            # The spatial features are as large as the pooled ones and only their moments are needed.
            pooled_moments.update(features.pooled)
            spatial_moments.update(features.spatial)
            pooled.append(features.pooled)
            logits.append(features.logits)
            predicted.append(features.predicted)
            progress.advance(len(features.pooled))
    return ImageFeatures(
        pooled=torch.cat(pooled),
        pooled_statistics=_on_cpu(pooled_moments.statistics()),
        spatial_statistics=_on_cpu(spatial_moments.statistics()),
        logits=torch.cat(logits),
        predicted=None if predicted[0] is None else torch.cat(predicted),
    )


def _check_finite(*features: Tensor, start: int, what: str) -> None:
    for values in features:
        broken = ~values.isfinite().all(1)
        if broken.any():
            raise InputError(f"{what}: image {start + int(broken.nonzero()[0])} gives features that are not finite; check extractor and image")


def _check_dimensions(generated: ImageFeatures, reference: Reference, extractor: Extractor) -> None:
    pairs = {"mu": (generated.pooled_statistics, reference.pooled), "mu_s": (generated.spatial_statistics, reference.spatial)}
    for key, (ours, theirs) in pairs.items():
        if ours.mean.shape != theirs.mean.shape:
            raise InputError(
                f"reference: {key} has {len(theirs.mean)} dimensions, extractor {extractor.name} gives {len(ours.mean)}; "
                "use the reference made with this extractor"
            )


def _agreement(predicted: Tensor | None, labels: np.ndarray) -> float | None:
    return None if predicted is None else float((predicted.cpu().numpy() == labels).mean())


def _warnings(generated: ImageFeatures, repeats: Repeats) -> list[str]:
    """What a reader of the numbers must know beside them."""
    found = []
    count = len(generated.pooled)
    for metric, statistics in (("FID", generated.pooled_statistics), ("sFID", generated.spatial_statistics)):
        dimension = len(statistics.mean)
        if count <= dimension:
            found.append(f"{metric}: {count} samples for {dimension} feature dimensions; the covariance is singular and the value mostly bias")
    if repeats.duplicates:
        found.append(f"{repeats.duplicates} of {count} samples repeat an earlier sample byte for byte")
    if repeats.copied:
        found.append(f"{repeats.copied} of {count} samples are byte for byte images of the reference; this is a self-test, not a result")
    return found


def _on_cpu(statistics: FeatureStatistics) -> FeatureStatistics:
    return FeatureStatistics(statistics.mean.cpu(), statistics.covariance.cpu(), statistics.count)
