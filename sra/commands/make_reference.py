"""Statistics of a split's images, and some of the images, in the layout of ADM's reference batches.

Example: sra make-reference --index index.json --extractor INCEPTION.pth --images 10000 --split val --resize pytorch --output reference.npz
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from sra.commands.options import Device, ExtractorName, ImageDecoders, Index, Output
from sra.core.errors import InputError, unknown
from sra.core.receipts import write_receipt
from sra.data.images import ImageSplit
from sra.metrics.extractors import with_resize
from sra.metrics.reference import Reference, chosen_images
from sra.metrics.score_inputs import open_extractor
from sra.metrics.suite import extract_batches
from sra.models.device import choose_device

SEED = 0  # of the choice of images
BATCH = 256


def make_reference(
    index: Index,
    extractor: Annotated[Path, typer.Option(help="folder or file of the feature extractor")],
    images: Annotated[int, typer.Option(min=0, help="kept images; 0 where only the statistics are read")],
    output: Output,
    extractor_name: ExtractorName = None,
    split: Annotated[str, typer.Option(help="train or val: whose images")] = "train",
    resize: Annotated[str, typer.Option(help="tensorflow: the FID graph's and ADM's; pytorch: pytorch-fid's, for sra score --pytorch-reference")] = (
        "tensorflow"
    ),
    workers: ImageDecoders = 1,
    device: Device = "auto",
) -> None:
    """Write the reference npz: statistics over the whole split, and `images` of its images."""
    for option, asked, known in (("split", split, ("train", "val")), ("resize", resize, ("tensorflow", "pytorch"))):
        if asked not in known:
            raise unknown(option, asked, known)
    where = choose_device(device).type
    opened = open_extractor(extractor, where, extractor_name)
    network = with_resize(opened.extractor, resize)
    real = ImageSplit(index, split)
    if len(real) < 2:
        raise InputError(f"{index}: the {split} split has {len(real)} images; a covariance needs at least 2")
    chosen = chosen_images(len(real), images, SEED, split)
    kept: list[np.ndarray] = []

    def batches() -> Iterator[np.ndarray]:
        start = 0
        for batch in real.batches(range(len(real)), BATCH, workers):
            kept.append(batch[chosen[(chosen >= start) & (chosen < start + len(batch))] - start])
            start += len(batch)
            yield batch

    features = extract_batches(batches(), len(real), network, what=f"{split} split")
    Reference(features.pooled_statistics, features.spatial_statistics, np.concatenate(kept)).write(output)
    facts = {"extractor": network.name, "split": split, "resize": resize, "images": len(chosen), "statistics_count": len(real)}
    facts["classes"] = len(real.classes) or None  # an index of captions names none
    write_receipt(output, "reference", {"index": index}, {"extractor": opened.sha256}, **facts, seed=SEED, batch=BATCH, device=where)
