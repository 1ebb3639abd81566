"""Write a data set that is made here as an archive of class folders.

Example: sra make-images digits --image-size 32 --output results/shared/digits/images.zip
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Output
from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.data.made import Request, maker_named, write_pngs
from sra.spec.assets import DatasetEntry, dataset_named, load_table


def make_images(
    name: Annotated[str, typer.Argument(help="data set of config/datasets.tsv that the column made_by has a file of sra/data for")],
    output: Output,
    image_size: Annotated[int, typer.Option(min=8, max=1024, help="pixels on a side")],
    source: Annotated[Path | None, typer.Option(help="folder of the files that its images are made from, where it asks for some")] = None,
    downloads: Annotated[Path, typer.Option(help="folder for such files that are fetched without --source")] = Path("downloads"),
) -> None:
    """Write the archive (zip) and its receipt."""
    entry = dataset_named(load_table(Path("config") / "datasets.tsv", DatasetEntry), name)
    if entry.made_by is None or entry.captioned:
        raise InputError(f"data set {name} has no images that are made here by class; config/datasets.tsv says: {entry.source}")
    request = Request(entry.images, entry.classes, image_size, source, downloads)
    write_pngs(output, maker_named(entry.made_by)(request))
    write_receipt(output, "images", source=entry.source, licence=entry.licence, image_size=image_size)
