"""Scores beside the five, a function each: KID, FID extrapolated to infinitely many samples or by pytorch-fid's resize, the Fréchet distance and
the mean discrepancy in other networks' features, and how well images match the captions they were drawn from.

Each says what stands behind it beside the samples: how many real images, which network.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from torch import Tensor

from sra.core.errors import InputError
from sra.metrics.caption_accuracy import caption_accuracy, check_reader, described_scenes
from sra.metrics.extractors import Extractor, with_resize
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.frechet_infinity import ORDERS, POINTS, SMALLEST, extrapolated
from sra.metrics.judges import CaptionJudge, Judges, embeddings, global_statistics, mean_match
from sra.metrics.kernel_distance import SUBSET_SIZE, SUBSETS, kernel_distance
from sra.metrics.maximum_mean_discrepancy import Estimator, maximum_mean_discrepancy
from sra.metrics.samples import Images, SampleSet
from sra.metrics.scarcity import Side, too_few
from sra.spec.scale import SecondaryMetric

WITH_REAL_IMAGES: tuple[SecondaryMetric, ...] = ("kid", "fd_dinov2", "cmmd")
WITH_CAPTIONS: tuple[SecondaryMetric, ...] = ("clip_score", "pick_score", "caption_accuracy")
CMMD_ESTIMATOR: Estimator = "biased"  # that of the published numbers


@dataclass(frozen=True)
class SecondaryValue:
    """about: what the value depends on beside the samples (numbers and names, for the record).  warnings: what a reader must know beside it."""

    value: float
    about: dict[str, int | float | str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What the scores are made from.

    pooled: (N, d) of the samples.  real: (n, d) of the reference's images.  reference: of the whole set of real images.
    """

    samples: SampleSet
    pooled: Tensor
    real: Tensor | None
    reference: FeatureStatistics
    extractor: Extractor
    judges: Judges
    batch: int
    seed: int


def check_secondary(wanted: Collection[SecondaryMetric], samples: SampleSet, real_images: Images | None, extractor: Extractor) -> None:
    """Raise InputError for what the samples, the reference or the extractor cannot give."""
    for name in WITH_REAL_IMAGES:
        if name in wanted and (real_images is None or not len(real_images)):
            raise InputError(f"--secondary {name}: compares with the reference's images, and the reference has none (arr_0); leave it out")
    if "fid_infinity" in wanted and len(samples.images) < 2 * SMALLEST:
        raise InputError(f"--secondary fid_infinity: needs at least {2 * SMALLEST} samples, there are {len(samples.images)}; leave it out")
    if "fid_pytorch" in wanted:
        with_resize(extractor, "pytorch")
    for name in WITH_CAPTIONS:
        if name in wanted and samples.captions is None:
            raise InputError(f"--secondary {name}: needs the captions that the samples were drawn from; give --captions, or leave it out")
    if "caption_accuracy" in wanted:
        check_reader(extractor, samples.images)
        described_scenes(samples.captions)


def secondary_scores(wanted: Collection[SecondaryMetric], evidence: Evidence) -> dict[SecondaryMetric, SecondaryValue]:
    return {name: score(evidence) for name, score in SCORES.items() if name in wanted}


def _kid(evidence: Evidence) -> SecondaryValue:
    real, pooled = evidence.real.to(evidence.pooled.device), evidence.pooled
    size = min(SUBSET_SIZE, len(real), len(pooled))
    found = kernel_distance(real, pooled, evidence.seed, SUBSETS, size)
    about = {"sd": found.sd, "real_images": len(real), "subsets": SUBSETS, "subset_size": size, "seed": evidence.seed}
    warnings = too_few("KID", *(Side(name, len(of), pooled.shape[1]) for name, of in (("samples", pooled), ("reference images", real))))
    if size == len(real) == len(pooled):
        warnings.append(f"KID: all {SUBSETS} subsets are the whole of both sets, {size} images; their sd is no error of the value")
    return SecondaryValue(found.mean, about, tuple(warnings))


def _fid_infinity(evidence: Evidence) -> SecondaryValue:
    found = extrapolated(evidence.pooled, evidence.reference, evidence.seed, POINTS, SMALLEST, ORDERS)
    about = {"real_images": evidence.reference.count, "points": POINTS, "smallest": SMALLEST, "seed": evidence.seed}
    warnings = too_few("FID-infinity", Side.of("reference images", evidence.reference))
    return SecondaryValue(found.value, about | {"orders": ORDERS, "sd_over_orders": found.sd}, tuple(warnings))


def _fd_dinov2(evidence: Evidence) -> SecondaryValue:
    judge = evidence.judges.fd_dinov2
    found = global_statistics(evidence.samples.images, judge.features, evidence.batch, f"samples by {judge.name}")
    about = {"real_images": judge.real.count, "encoder": judge.name, "encoder_sha256": judge.sha256}
    return SecondaryValue(frechet_distance(found, judge.real), about, _both("FD-DINOv2", found, judge.real))


def _fd_selfsup(evidence: Evidence) -> SecondaryValue:
    judge = evidence.judges.fd_selfsup
    found = global_statistics(evidence.samples.images, judge.features, evidence.batch, f"samples by {judge.name}")
    about = {"real_images": judge.real.count, "extractor": judge.name, "extractor_sha256": judge.sha256, "reference_sha256": judge.reference_sha256}
    about |= {"task": judge.task, "held_out_accuracy": judge.held_out_accuracy}
    return SecondaryValue(frechet_distance(found, judge.real), about, _both("FD-selfsup", found, judge.real))


def _fid_pytorch(evidence: Evidence) -> SecondaryValue:
    """A second pass over the samples: the network sees other pixels. Nothing but its pooled features' moments is kept."""
    network, real = with_resize(evidence.extractor, "pytorch"), evidence.judges.fid_pytorch
    found = global_statistics(evidence.samples.images, lambda images: network.features(images).pooled, evidence.batch, "samples by pytorch's resize")
    about = {"real_images": real.count, "resize": "pytorch"}
    return SecondaryValue(frechet_distance(found, real), about, _both("FID-pytorch", found, real))


def _both(metric: str, samples: FeatureStatistics, real: FeatureStatistics) -> tuple[str, ...]:
    return tuple(too_few(metric, Side.of("samples", samples), Side.of("reference images", real)))


def _caption_match(evidence: Evidence, judge: CaptionJudge) -> SecondaryValue:
    found = mean_match(evidence.samples.images, evidence.samples.captions, judge, evidence.batch)
    return SecondaryValue(found.mean, {"standard_error": found.standard_error, "model": judge.name, "model_sha256": judge.sha256})


def _cmmd(evidence: Evidence) -> SecondaryValue:
    judge = evidence.judges.cmmd
    found = embeddings(evidence.samples.images, judge.features, evidence.batch, f"samples by {judge.name}")
    about = {"real_images": len(judge.real), "estimator": CMMD_ESTIMATOR, "model": judge.name, "model_sha256": judge.sha256}
    warnings = too_few("CMMD", *(Side(name, *of.shape) for name, of in (("samples", found), ("reference images", judge.real))))
    return SecondaryValue(maximum_mean_discrepancy(judge.real, found, CMMD_ESTIMATOR), about, tuple(warnings))


def _caption_accuracy(evidence: Evidence) -> SecondaryValue:
    samples, extractor = evidence.samples, evidence.extractor
    found = caption_accuracy(samples.images, samples.captions, lambda digits: extractor.features(digits).predicted, evidence.batch)
    return SecondaryValue(found.everything, {"digits": found.digits, "colours": found.colours, "pairs": len(samples.images)})


SCORES: dict[SecondaryMetric, Callable[[Evidence], SecondaryValue]] = {
    "kid": _kid,
    "fid_infinity": _fid_infinity,
    "fd_dinov2": _fd_dinov2,
    "fd_selfsup": _fd_selfsup,
    "fid_pytorch": _fid_pytorch,
    "clip_score": lambda evidence: _caption_match(evidence, evidence.judges.clip_score),
    "pick_score": lambda evidence: _caption_match(evidence, evidence.judges.pick_score),
    "cmmd": _cmmd,
    "caption_accuracy": _caption_accuracy,
}
