"""What the workflow has on disk, and bytes of what it will write: stores, weights, sample packs, without headers and receipts of some kilobytes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sra.core.files import read_json
from sra.core.receipts import receipt_of, receipt_path
from sra.forecast.flops import FP32, HALF, parameters
from sra.spec.layout import Results, Shared
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, StoredDtype, Text

LABEL = 8  # int64, one a row
VALUE: dict[StoredDtype, int] = {"fp32": FP32, "fp16": HALF}
KEPT = ("runs", "samples", "scores", "probes", "pca", "costs")  # of a preset's folder
INDEX_LINE = 300  # of an image in index.json: path, hash, class, split; 0.4 GB for ImageNet


def is_there(file: Path, facts: dict[str, Any] | None = None) -> bool:
    """Whether the file is there and is what is wanted now, as its receipt says, or itself when it is JSON: a changed run is made anew."""
    about = file if file.suffix == ".json" else receipt_path(file)
    if not file.exists() or (facts and not about.exists()):
        return False
    if not facts:
        return True
    said = read_json(file) if about == file else receipt_of(file)["facts"]
    return all(said.get(key) == value for key, value in facts.items())


def bytes_here(root: Path, preset: str, datasets: Iterable[str]) -> int:
    """Of what a preset keeps and of its data sets, without what is drawn from that, and without logs and the times of jobs."""
    folders = [*(root / Results(preset).folder / part for part in KEPT), *(root / Shared(dataset).folder for dataset in datasets)]
    files = ((path, folder) for folder in folders for path in folder.rglob("*"))
    return sum(path.stat().st_size for path, folder in files if path.is_file() and not {"logs", "benchmarks"} & set(path.relative_to(folder).parts))


def latents_bytes(images: int, latent: Latent, dtype: StoredDtype) -> int:
    """Posterior moments, means and deviations."""
    return images * (2 * latent.channels * latent.size**2 * VALUE[dtype] + LABEL)


def features_bytes(images: int, tokens: int, width: int, dtype: StoredDtype) -> int:
    return images * (tokens * width * VALUE[dtype] + LABEL)


def text_bytes(captions: int, text: Text, dtype: StoredDtype) -> int:
    """The captions and the empty one."""
    return features_bytes(captions + 1, text.tokens, text.width, dtype)


def pixels_bytes(images: int, size: int) -> int:
    """Cropped images of RGB bytes."""
    return images * (3 * size**2 + LABEL)


def pack_bytes(images: int, size: int) -> int:
    """A sample set with its labels. Captions in their place add some megabytes."""
    return pixels_bytes(images, size)


def weights_bytes(model: ModelSpec) -> int:
    """The averaged weights that are sampled and shared."""
    return FP32 * parameters(model)
