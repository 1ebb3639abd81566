"""Receipts: the small JSON beside each artefact that says what it is, what it was made from and by which versions.

Receipts chain data -> latents -> weights -> samples -> score by SHA-256. They hold no clock and no host, so the same work gives
the same bytes; times and memory are in the `benchmarks` folder.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, NotRequired

from pydantic import ConfigDict, JsonValue, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes Python's own from 3.12 on

import sra
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_checked_json

VERSIONS_THAT_MATTER = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "diffusers",
    "timm",
    "transformers",
    "tokenizers",
    "torch-fidelity",
    "scikit-learn",
    "safetensors",
)


@with_config(ConfigDict(extra="allow"))
class _FactTypes(TypedDict, total=False):
    """What stages read of one another's facts; each kind of file has some of them, and others that are for people."""

    run: str
    fingerprint: str | None
    step: NonNegativeInt
    machine: dict[str, JsonValue]
    first_row: NonNegativeInt
    rows: NonNegativeInt
    row_shape: list[PositiveInt]
    dtype: str
    first: NonNegativeInt
    stride: PositiveInt
    count: NonNegativeInt
    sampler: dict[str, JsonValue]
    encoder: str
    split: str
    truncated: NonNegativeInt
    held_out_accuracy: float | None


class _Receipt(TypedDict):
    kind: str
    bytes: NonNegativeInt
    sha256: str
    made_from: dict[str, str]
    facts: _FactTypes
    versions: NotRequired[dict[str, str]]


_RECEIPT = TypeAdapter(_Receipt)


class Named(dict):
    """A dictionary whose missing keys are an error of the file that it was read from."""

    def __init__(self, entries: dict[str, Any], where: str, remedy: str):
        super().__init__(entries)
        self.where, self.remedy = where, remedy

    def __missing__(self, key: str):
        raise InputError(f"{self.where}: {key} is missing; {self.remedy}")


REBUILD = "delete it and the file that it is of, and build that again"


def receipt_path(path: Path | str) -> Path:
    path = Path(path)
    return path.with_name(path.name + ".receipt.json")


def write_receipt(
    path: Path | str, kind: str, inputs: dict[str, Path | str] | None = None, hashes: dict[str, str] | None = None, **facts: Any
) -> dict[str, Any]:
    """Write and return the receipt of the finished file at `path`.

    inputs: the files it was made from, by role.  hashes: those known by SHA-256 alone.
    """
    path = Path(path)
    receipt = {
        "kind": kind,
        "bytes": path.stat().st_size,
        "sha256": sha256_of_file(path),
        "made_from": {role: recorded_sha256(file) for role, file in (inputs or {}).items()} | (hashes or {}),
        "facts": facts,
        "versions": versions(),
    }
    write_checked_json(receipt_path(path), receipt)
    return receipt


def recorded_sha256(path: Path | str) -> str:
    """The hash in the file's receipt, or of the file itself when it has none: a large input is not read twice."""
    return receipt_of(path)["sha256"] if receipt_path(path).exists() else sha256_of_file(path)


def checked_sha256(path: Path | str) -> str:
    """The hash of the file's bytes, read now. Raises InputError when it has a receipt and that says another."""
    found = sha256_of_file(path)
    if receipt_path(path).exists() and receipt_of(path)["sha256"] != found:
        raise InputError(f"{path}: its contents differ from its receipt; delete it and build it again")
    return found


def receipt_of(path: Path | str) -> dict[str, Any]:
    """The receipt beside `path`, whatever became of the file itself. Raises InputError for one that is missing or no receipt."""
    where = receipt_path(path)
    content = read_json(where)
    try:
        receipt = dict(_RECEIPT.validate_python(content, strict=True))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{where}: is not a receipt ({f'{key}: ' if key else ''}{first['msg']}); {REBUILD}") from None
    return receipt | {part: Named(receipt[part], f"{where}: {part}", REBUILD) for part in ("made_from", "facts")}


def read_receipt(path: Path | str, kind: str) -> dict[str, Any]:
    """The receipt of `path`, checked for kind and size (cheap; `verify_contents` reads every byte).

    Raises InputError when the artefact or its receipt is missing, truncated or of another kind.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; snakemake builds it")
    if not receipt_path(path).exists():
        raise InputError(f"{path}: its receipt {receipt_path(path).name} is missing; bring it along, or build the file here")
    receipt = receipt_of(path)
    if receipt["kind"] != kind:
        raise InputError(f"{path}: is a {receipt['kind']}, expected a {kind}")
    if path.stat().st_size != receipt["bytes"]:
        raise InputError(f"{path}: has {path.stat().st_size} bytes, its receipt says {receipt['bytes']}; delete it and build it again")
    return receipt


def verify_contents(path: Path | str, kind: str) -> dict[str, Any]:
    """`read_receipt`, and every byte compared with the recorded hash."""
    receipt = read_receipt(path, kind)
    if sha256_of_file(path) != receipt["sha256"]:
        raise InputError(f"{path}: its contents differ from its receipt; delete it and build it again")
    return receipt


def versions() -> dict[str, str]:
    """Versions that a number can depend on, without importing anything heavy."""
    return {"sra": sra.__version__, "python": python_version(), **installed(VERSIONS_THAT_MATTER)}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are there, by name, without importing them."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
