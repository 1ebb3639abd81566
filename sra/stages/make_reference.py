"""Stage: the statistics and images of real data that every sample set of a preset is compared with."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.receipts import verify_contents, write_receipt
from sra.data.images import load_split
from sra.metrics.extractors import WEIGHTS_FILE, load_extractor
from sra.metrics.reference import Reference, chosen_images
from sra.metrics.suite import extract


def make_reference(
    index: Path, extractor_folder: Path, reference_images: int, output: Path, seed: int = 0, batch: int = 256, device: str = "cpu"
) -> None:
    """Write the reference npz: statistics over the whole train split of `index`, `reference_images` of its images."""
    weights = extractor_folder / WEIGHTS_FILE
    name = verify_contents(weights, "extractor")["facts"]["name"]
    images, _ = load_split(index, "train")
    if len(images) < 2:
        raise InputError(f"{index}: the train split has {len(images)} images; a covariance needs at least 2")
    chosen = chosen_images(len(images), reference_images, seed)
    features = extract(images, load_extractor(extractor_folder, device), batch, what="train split")
    Reference(features.pooled_statistics, features.spatial_statistics, images[chosen]).write(output)
    facts = {"extractor": name, "images": len(chosen), "statistics_count": len(images), "seed": seed, "batch": batch, "device": device}
    write_receipt(output, "reference", {"index": index, "extractor": weights}, **facts)
