"""Data sets whose images are made here: a file of this room for each, whose function `images` gives them, and the archive that they are written to.

config/datasets.tsv names the file in its column made_by. What is written is an archive of class folders, so from there on such images are treated
as downloaded ones are. config/README.md adds one, step by step.
"""

import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from sra.core.errors import InputError
from sra.core.files import written_whole

EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)  # earliest date a zip can hold: the same bytes on every day
NamedImages = Iterable[tuple[str, np.ndarray]]  # place in the archive, `<split>/<class>/<name>.png`, and pixels (H, W, 3) uint8


@dataclass(frozen=True)
class Request:
    """What a file is asked for.

    images, classes: as many as config/datasets.tsv says, of all splits together.  image_size: pixels on a side, of the preset that uses them.
    source: the user's folder of the files that images are made from, where there is one.  downloads: a folder for files that are fetched.
    """

    images: int
    classes: int
    image_size: int
    source: Path | None = None
    downloads: Path = Path("downloads")


def maker_named(name: str) -> Callable[[Request], NamedImages]:
    """The function `images` of `sra/data/<name>.py`, which gives images of the splits `train` and, to score with, `held_out`."""
    module = import_module(f"sra.data.{name}") if find_spec(f"sra.data.{name}") else None
    images = getattr(module, "images", None)
    if images is None:
        raise InputError(f"config/datasets.tsv: made_by {name}: sra/data/{name}.py has no function images(request); config/README.md shows one")
    return images


def write_pngs(path: Path, images: NamedImages) -> None:
    """An uncompressed zip of PNGs, without times or systems in it: the same images give the same bytes on every day."""
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, pixels in images:
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            member = zipfile.ZipInfo(name, EPOCH_OF_ZIP)
            member.create_system, member.external_attr = 3, 0o644 << 16  # Unix, whatever system writes it
            archive.writestr(member, buffer.getvalue())
