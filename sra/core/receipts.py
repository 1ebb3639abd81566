"""Receipts: the small JSON beside each artefact that says what it is, what it was made from and by which versions.

Receipts chain data -> latents -> weights -> samples -> score by SHA-256. They hold no clock and no host, so the same work gives
the same bytes; times and memory are in the `benchmarks` folder.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import sra
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json

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
    write_json(receipt_path(path), receipt)
    return receipt


def recorded_sha256(path: Path | str) -> str:
    """The hash in the file's receipt, or of the file itself when it has none: a large input is not read twice."""
    return read_json(receipt_path(path))["sha256"] if receipt_path(path).exists() else sha256_of_file(path)


def read_receipt(path: Path | str, kind: str) -> dict[str, Any]:
    """The receipt of `path`, checked for kind and size (cheap; `verify_contents` reads every byte).

    Raises InputError when the artefact or its receipt is missing, truncated or of another kind.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; snakemake builds it")
    if not receipt_path(path).exists():
        raise InputError(f"{path}: its receipt {receipt_path(path).name} is missing; delete the file and build it again")
    receipt = read_json(receipt_path(path))
    if not isinstance(receipt, dict) or not {"kind", "bytes", "sha256"} <= receipt.keys():
        raise InputError(f"{receipt_path(path)}: is not a receipt; delete it and {path.name}, and build the file again")
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
    found = {"sra": sra.__version__, "python": python_version()}
    for package in VERSIONS_THAT_MATTER:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
