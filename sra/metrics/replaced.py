"""A score is hours of work: the file of other samples' score is not replaced unless that was said."""

from pathlib import Path

from sra.core.errors import InputError
from sra.core.files import read_json

Set = tuple[str, str | None]  # hash of the samples, and the key of the array that was scored


def check_replaced(output: Path, sets: list[Set], allowed: bool) -> None:
    """Raise InputError when `output` is there and is not the score of these very sets, in whatever order; `allowed`: it may be."""
    if allowed or not output.exists():
        return
    remedy = "name another file by --output, or give --replace"
    try:
        there = _sets_in(output)
    except InputError:
        there = []
    if not there:
        raise InputError(f"{output}: is there already and is no score that can be read; {remedy}")
    left = [sample.get("sha256") for sample in there]
    if sorted(map(str, left)) != sorted(sha256 for sha256, _ in sets) or not all(_same_key(sample, sets) for sample in there):
        names = ", ".join(str(sample.get("name") or "a set of the workflow") for sample in there)
        raise InputError(f"{output}: holds the score of other samples ({names}); {remedy}")


def _sets_in(output: Path) -> list[dict]:
    """What the score says of its samples: one entry a set, none for a file that is no score."""
    found = read_json(output)
    records = found.get("sets", [found]) if isinstance(found, dict) else []
    samples = [record.get("samples") for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    return [one for one in samples if isinstance(one, dict) and "sha256" in one]


def _same_key(sample: dict, sets: list[Set]) -> bool:
    """Scores of before do not say which array was taken."""
    return sample.get("key") is None or (sample["sha256"], sample["key"]) in sets
