"""Stage: the statistics and images of real data that every sample set of a preset is compared with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.data.images import ImageSplit
from sra.metrics.extractors import Resize, with_resize
from sra.metrics.reference import Reference, chosen_images
from sra.metrics.suite import extract_batches
from sra.stages.score_inputs import open_extractor


def make_reference(
    index: Path,
    extractor: Path,
    reference_images: int,
    output: Path,
    seed: int = 0,
    batch: int = 256,
    device: str = "cpu",
    extractor_name: str | None = None,
    split: str = "train",
    resize: Resize = "tensorflow",
    workers: int = 1,
) -> None:
    """Write the reference npz: statistics over the whole of one split of `index`, `reference_images` of its images."""
    opened = open_extractor(extractor, device, extractor_name)
    network = with_resize(opened.extractor, resize)
    real = ImageSplit(index, split)
    if len(real) < 2:
        raise InputError(f"{index}: the {split} split has {len(real)} images; a covariance needs at least 2")
    chosen = chosen_images(len(real), reference_images, seed, split)
    kept: list[np.ndarray] = []

    def batches() -> Iterator[np.ndarray]:
        start = 0
        for images in real.batches(range(len(real)), batch, workers):
            kept.append(images[chosen[(chosen >= start) & (chosen < start + len(images))] - start])
            start += len(images)
            yield images

    features = extract_batches(batches(), len(real), network, what=f"{split} split")
    Reference(features.pooled_statistics, features.spatial_statistics, np.concatenate(kept)).write(output)
    facts = {"extractor": network.name, "split": split, "resize": resize, "images": len(chosen), "statistics_count": len(real)}
    facts["classes"] = len(real.classes) or None  # an index of captions names none
    write_receipt(output, "reference", {"index": index}, {"extractor": opened.sha256}, **facts, seed=seed, batch=batch, device=device)
