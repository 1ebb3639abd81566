"""Stage: a data set that is made here, as an image archive."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.data.made import Request, maker_named, write_pngs
from sra.spec.assets import DatasetEntry, dataset_named, load_table


def make_images(name: str, output: Path, image_size: int, source: Path | None, downloads: Path, root: Path = Path()) -> None:
    """Write the archive (zip) and its receipt, of a data set of config/datasets.tsv under `root`. The other arguments are those of `Request`."""
    entry = dataset_named(load_table(root / "config" / "datasets.tsv", DatasetEntry), name)
    if entry.made_by is None or entry.captioned:
        raise InputError(f"data set {name} has no images that are made here by class; config/datasets.tsv says: {entry.source}")
    request = Request(entry.images, entry.classes, image_size, source, downloads)
    write_pngs(output, maker_named(entry.made_by)(request))
    write_receipt(output, "images", source=entry.source, licence=entry.licence, image_size=image_size)
