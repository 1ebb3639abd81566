"""What stands beside the samples of a score: the extractor, the reference, and the hashes that name both."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.kinds import kind_of
from sra.core.npz import read_npz
from sra.core.receipts import receipt_of, receipt_path, verify_contents
from sra.metrics.extractor_files import load_extractor, weights_of
from sra.metrics.extractors import Extractor, Resize
from sra.metrics.inception import URL
from sra.metrics.real_images import AS_USUAL, ReadAs, RealImages, holds_images_alone, measured, open_real_images, outlined
from sra.metrics.real_images import KIND as KEPT
from sra.metrics.reference import Reference, Skippable, read_reference
from sra.metrics.samples import DIGEST_BYTES
from sra.metrics.suite import RealFeatures
from sra.spec.assets import WeightsEntry, check_file, entry_named, how_to_fetch, load_table, record_sha256

INCEPTION = URL.rpartition("/")[2]
DOWNLOADS = Path("downloads")
FEATURES_KIND = "reference features"


@dataclass(frozen=True)
class OpenedExtractor:
    """sha256: of its weights.  held_out_accuracy: None for a network that was not trained here."""

    extractor: Extractor
    sha256: str
    held_out_accuracy: float | None


@dataclass(frozen=True)
class OpenedReference:
    """source: hash of the index and name of the split that it was made of, None for one that was not made here.

    bare: the images that its statistics are computed from, None for a file that holds statistics.  computed: whether they have been.
    statistics_sha256: of the file that those are kept in.  features: of the images, where computing the statistics gave them.
    """

    reference: Reference
    sha256: str
    source: tuple[str, str] | None = None
    bare: RealImages | None = None
    computed: bool = False
    statistics_sha256: str | None = None
    features: RealFeatures | None = None


@dataclass(frozen=True)
class OpenedSecond:
    """A network that was trained without labels, and the real images' statistics in its features."""

    extractor: OpenedExtractor
    reference: OpenedReference


def default_extractor() -> Path:
    """The FID Inception network where users and torch-fidelity keep it."""
    places = [DOWNLOADS / INCEPTION, Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION]
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"{INCEPTION}: is neither in {places[0].parent} nor in {places[1].parent}; download {URL} to {places[0]}")


def open_extractor(source: Path | None, device: str, name: str | None = None, root: Path = Path()) -> OpenedExtractor:
    """The extractor in a folder of ours or in torch-fidelity's file, its weights compared with their receipt or their row of weights.tsv.

    source: None for `default_extractor`.  name: the row.  The hash of a file that could be used is kept under `root` from first use on.
    """
    source = source or default_extractor()
    weights = weights_of(source)
    if receipt_path(weights).exists() or source.is_dir():
        receipt = verify_contents(weights, "extractor")
        return OpenedExtractor(load_extractor(source, device), receipt["sha256"], receipt["facts"].get("held_out_accuracy"))
    entry, sha256 = _checked_row(weights, name, "extractor", root)
    extractor = load_extractor(source, device, sha256=sha256) if entry else load_extractor(source, device)
    if entry:
        record_sha256(entry, weights, sha256, root)
    return OpenedExtractor(extractor, sha256 or sha256_of_file(weights), None)


def open_reference(
    path: Path,
    extractor: OpenedExtractor,
    skip: tuple[Skippable, ...] = (),
    name: str | None = None,
    root: Path = Path(),
    read_as: ReadAs = AS_USUAL,
) -> OpenedReference:
    """The reference, made here (its receipt names the extractor) or published (it may have a row of weights.tsv).

    Real images alone come as `outlined`, good to check a request against; `with_statistics` computes what a score needs.
    """
    if not path.exists() and name is None:
        raise InputError(f"{path}: no such file or folder; give a reference (npz), or real images as npz or folder")
    entry, sha256, source = None, None, None
    if receipt_path(path).exists():
        if receipt_of(path)["kind"] == KEPT:
            raise InputError(f"{path}: is what was kept of real images; give those images as --reference, it is read again from beside them")
        sha256, source = _made_here(path, extractor, "tensorflow")
    else:
        entry, sha256 = _checked_row(path, name, "reference", root)
    if source is None and holds_images_alone(path):
        bare = open_real_images(path, read_as)
        opened = OpenedReference(outlined(bare, extractor.extractor), bare.sha256, bare=bare)
    else:
        reference = read_reference(path, skip, read_as.key)
        opened = OpenedReference(reference, sha256 or sha256_of_file(path), source)
    if entry:
        record_sha256(entry, path, sha256, root)
    return opened


def with_statistics(opened: OpenedReference, extractor: OpenedExtractor, batch: int, device: str) -> OpenedReference:
    """The same reference, its statistics computed or read where it is of real images alone."""
    if opened.bare is None:
        return opened
    found = measured(opened.bare, extractor.extractor, extractor.sha256, batch, device)
    return replace(opened, reference=found.reference, bare=None, computed=True, statistics_sha256=found.sha256, features=found.features)


def open_pytorch_reference(path: Path, extractor: OpenedExtractor, beside: OpenedReference) -> OpenedReference:
    """The reference of FID-pytorch: made here with pytorch's resize, of the same images as the reference that it stands `beside`."""
    opened = _beside(path, extractor, beside, "pytorch")
    reference = opened.reference
    sizes = [real.images.shape[1:3] for real in (reference, beside.reference) if real.images is not None]
    if len(set(sizes)) > 1:
        raise InputError(f"{path}: its images are {sizes[0]} pixels, the reference's {sizes[1]}; make it of images of the same size")
    return opened


def open_second(source: Path, reference: Path, first: OpenedExtractor, beside: OpenedReference, device: str) -> OpenedSecond:
    """The folder of an extractor that was trained without labels, and a reference made with it of the same images as the one it stands `beside`."""
    train = "one that sra train-extractor --task rotation wrote"
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; give as --second-extractor {train}")
    second = open_extractor(source, device)
    if second.extractor.task == "labels":
        raise InputError(f"{source}: was trained on labels, as {first.extractor.name} was, and is no second opinion; give {train}")
    if not reference.exists():
        raise InputError(f"{reference}: no such file; make it by sra make-reference --images 0 with {second.extractor.name}")
    return OpenedSecond(second, _beside(reference, second, beside, "tensorflow"))


def refuse_without_classes(opened: OpenedExtractor) -> None:
    """Raises InputError for an extractor whose logits make no inception score."""
    if opened.extractor.task != "labels":
        raise InputError(
            f"extractor {opened.extractor.name}: was trained without classes, so its inception score would mean nothing; give it as "
            "--second-extractor with --secondary fd_selfsup, and a classifier as --extractor"
        )


def _beside(path: Path, extractor: OpenedExtractor, beside: OpenedReference, resize: Resize) -> OpenedReference:
    """A reference made here with the extractor and resize, of the same images as the first where that was made here too; its statistics alone."""
    sha256, source = _made_here(path, extractor, resize)
    if beside.source not in (None, source):
        raise InputError(f"{path}: was made of other images (index or split) than the reference; run sra make-reference --resize {resize} on its own")
    return OpenedReference(read_reference(path, ("sfid", "precision_recall")), sha256, source)


def _made_here(path: Path, extractor: OpenedExtractor, resize: Resize) -> tuple[str, tuple[str, str] | None]:
    """The reference's hash and what it was made of, after comparing its receipt with its bytes, the extractor and the resize."""
    _require_receipt(path, "make-reference")
    receipt = verify_contents(path, "reference")
    made_from, facts = receipt["made_from"], receipt["facts"]
    if made_from.get("extractor", extractor.sha256) != extractor.sha256:
        raise InputError(f"{path}: was made with another extractor than {extractor.extractor.name} as given; build the reference again")
    found = facts.get("resize", "tensorflow")
    if found != resize:
        where = "--pytorch-reference" if found == "pytorch" else "--reference"
        raise InputError(f"{path}: was made with {found}'s resize, expected {resize}'s; give it as {where}, or build one with --resize {resize}")
    return receipt["sha256"], (made_from["index"], facts.get("split", "train")) if "index" in made_from else None


def _require_receipt(path: Path, command: str) -> None:
    """Refuse a file that is not of sra `command`, saying what it is; one that is missing is another's matter."""
    if path.exists() and not receipt_path(path).exists():
        missing = f"its receipt {receipt_path(path).name} is missing (its content: {kind_of(path).name})"
        raise InputError(f"{path}: {missing}; give what sra {command} wrote, with the receipt beside it")


def _checked_row(file: Path, name: str | None, kind: str, root: Path) -> tuple[WeightsEntry | None, str | None]:
    """The row of weights.tsv and the hash of `file`, which must agree; nothing without a name."""
    if name is None:
        return None, None
    entry = entry_named(load_table(root / "config" / "weights.tsv", WeightsEntry), name, kind)
    if not file.is_file():
        raise InputError(how_to_fetch(entry, file))
    return entry, check_file(entry, file, root)


def read_real_features(path: Path, reference: OpenedReference, extractor: OpenedExtractor) -> RealFeatures:
    """What `sra reference-features` wrote, refused when it was made from another reference or by another extractor."""
    _require_receipt(path, "reference-features")
    made_from = verify_contents(path, FEATURES_KIND)["made_from"]
    for role, sha256 in (("reference", reference.sha256), ("extractor", extractor.sha256)):
        if made_from.get(role) != sha256:
            raise InputError(f"{path}: was made with another {role} than the one given; run sra reference-features again")
    arrays = read_npz(path)
    count = 0 if reference.reference.images is None else len(reference.reference.images)
    pooled, digests = (arrays.get(key, np.empty(0)) for key in ("pooled", "digests"))
    if pooled.ndim != 2 or len(pooled) != count or digests.shape != (count, DIGEST_BYTES):
        raise InputError(f"{path}: holds pooled {pooled.shape} and digests {digests.shape} for {count} images; run sra reference-features again")
    return RealFeatures(torch.from_numpy(np.array(pooled)), np.array(digests))
