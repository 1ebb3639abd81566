"""Other networks than the extractor, as the scores that ask them see them: functions of images, and what names them in a record.

Their code is not known here (metrics stand beside encoders); whoever scores hands them over.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.data.finite import first_broken_row
from sra.metrics.exact import full_float32
from sra.metrics.frechet import FeatureStatistics, RunningMoments
from sra.metrics.samples import Images

Features = Callable[[np.ndarray], Tensor]  # images (B, H, W, 3) uint8 -> (B, E) float32


@dataclass(frozen=True)
class GlobalJudge:
    """One vector an image, and the statistics of the real images in it.  name, sha256: of the network."""

    name: str
    sha256: str
    features: Features
    real: FeatureStatistics


@dataclass(frozen=True)
class SecondExtractor(GlobalJudge):
    """An extractor that was trained without labels.

    task: what it was trained to tell.  held_out_accuracy: of telling it.  reference_sha256: of the file with the statistics.
    """

    task: str
    held_out_accuracy: float | None
    reference_sha256: str


@dataclass(frozen=True)
class EmbeddingJudge:
    """One unit vector an image.  real: (n, E), those of the real images.  name, sha256: of the network."""

    name: str
    sha256: str
    features: Features
    real: Tensor


@dataclass(frozen=True)
class CaptionJudge:
    """How well images match captions.  match: (B, H, W, 3) uint8 and B captions -> (B,), higher is better.  name, sha256: of the network."""

    name: str
    sha256: str
    match: Callable[[np.ndarray, list[str]], Tensor]


@dataclass(frozen=True)
class Judges:
    """Who is asked for which score; None where the score is not wanted.

    fid_pytorch: not another network, but the real images' statistics by the same one behind pytorch's resize.
    """

    fd_dinov2: GlobalJudge | None = None
    fd_selfsup: SecondExtractor | None = None
    fid_pytorch: FeatureStatistics | None = None
    clip_score: CaptionJudge | None = None
    pick_score: CaptionJudge | None = None
    cmmd: EmbeddingJudge | None = None


@dataclass(frozen=True)
class Match:
    """mean: over the images.  standard_error: of that mean, the standard deviation (n - 1) over the root of n."""

    mean: float
    standard_error: float


def global_statistics(images: Images, features: Features, batch: int, what: str) -> FeatureStatistics:
    """Mean and covariance of one vector an image, batch by batch, on the CPU."""
    moments = RunningMoments()
    with Progress(f"features of {what}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            found = _finite(features, images[start : start + batch], what, start)
            moments.update(found)
            progress.advance(len(found))
    return moments.statistics()


def embeddings(images: Images, features: Features, batch: int, what: str) -> Tensor:
    """(N, E) float32: one vector an image, on the CPU."""
    found = []
    with Progress(f"features of {what}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            found.append(_finite(features, images[start : start + batch], what, start))
            progress.advance(len(found[-1]))
    return torch.cat(found)


def mean_match(images: Images, captions: list[str], judge: CaptionJudge, batch: int) -> Match:
    """Mean match of N >= 2 images with a caption each, and its standard error."""
    found = []
    with Progress(f"samples and captions by {judge.name}", len(images), "images") as progress:
        for start in range(0, len(images), batch):
            part, asked = images[start : start + batch], captions[start : start + batch]
            found.append(_finite(lambda part, asked=asked: judge.match(part, asked)[:, None], part, "samples and captions", start))
            progress.advance(len(part))
    scores = torch.cat(found).double()
    return Match(float(scores.mean()), float(scores.std() / len(scores) ** 0.5))


def _finite(features: Features, images: np.ndarray, what: str, start: int) -> Tensor:
    """A network's output for a batch, on the CPU. Raises InputError where it is not finite."""
    with full_float32():
        found = features(images).cpu()
    broken = first_broken_row(found)
    if broken is not None:
        raise InputError(f"{what}: image {start + broken} gives features that are not finite in float32; check the network and the image")
    return found
