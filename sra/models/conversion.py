"""What `sra convert` and `sra import-weights` share: the released file held against its row of weights.tsv, what is written, and what is said."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from sra.core.errors import InputError, unknown
from sra.core.files import sha256_of_file, written_whole
from sra.core.receipts import write_receipt
from sra.models.checkpoints import LoadedCheckpoint
from sra.models.official import FAMILIES, Converted
from sra.spec.assets import WeightsEntry, check_file, entry_named, how_to_fetch, load_table

# Papers count epochs of 5,000 steps of 256 images, their trainers 5,004; another milestone is further away.
STEPS_APART = 0.01


def released_source(file: Path, family: str, name: str | None, output: Path, root: Path) -> tuple[WeightsEntry | None, str]:
    """The entry that the file claims to be, if any, and the file's SHA-256, checked against that entry."""
    entry = entry_named(load_table(root / "config" / "weights.tsv", WeightsEntry), name, "checkpoint") if name else None
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES, where="--from")
    if entry and entry.family != family:
        raise InputError(f"--from {family}: {name} is a checkpoint of family {entry.family} in config/weights.tsv; give --from {entry.family}")
    if file.is_dir():
        raise InputError(f"{file}: is a folder; give the file of weights in it, .pt or .safetensors")
    if not file.is_file():
        raise InputError(how_to_fetch(entry, file) if entry else f"{file}: no such file; config/weights.tsv says where to download one")
    if output.suffix != ".safetensors" or output.resolve() == file.resolve():
        raise InputError(f"{output}: expected a new file ending in .safetensors; give another name")
    return entry, check_file(entry, file, root) if entry else sha256_of_file(file)


def check_entry(file: Path, model: str, resolution: int, entry: WeightsEntry | None) -> None:
    if entry and (model, resolution) != (entry.model, entry.resolution):
        held, said = f"{model} for {resolution} px", f"{entry.model} for {entry.resolution} px"
        raise InputError(f"{file}: holds {held}, config/weights.tsv says {said} for {entry.name}; give the file of that entry")


def check_steps(file: Path, checkpoint: LoadedCheckpoint, expected: int, otherwise: str) -> None:
    if checkpoint.steps and abs(checkpoint.steps - expected) > STEPS_APART * expected:
        raise InputError(f"{file}: was saved after {checkpoint.steps} steps, {otherwise}")


def source_facts(file: Path, sha256: str, converted: Converted, resolution: int) -> dict[str, Any]:
    return {
        "source": file.name,
        "source_sha256": sha256,
        "family": converted.family,
        "model": converted.model.name,
        "resolution": resolution,
        "taken": converted.taken,
        "dropped": converted.dropped,
        "notes": converted.notes,
        **({"args": converted.network_args} if converted.network_args else {}),
    }


def write_weights(output: Path, converted: Converted, about: dict[str, Any], inputs: dict[str, Path]) -> None:
    with written_whole(output) as temporary:
        # One metadata key: safetensors keeps several in no fixed order, and equal weights must be equal bytes.
        save_file(converted.tensors, temporary, {"sra": json.dumps(about, sort_keys=True)})
    write_receipt(output, "weights", inputs, {"released": about["source_sha256"]}, **about)


def report(file: Path, checkpoint: LoadedCheckpoint, converted: Converted, output: Path) -> str:
    model = converted.model
    stated = converted.network_args | ({"steps": checkpoint.steps} if checkpoint.steps else {})
    lines = [
        f"{file}",
        f"  family      {converted.family}",
        f"  model       {model.name}, {model.depth} blocks of width {model.width}, {model.classes} classes",
        f"  resolution  {converted.resolution} px, latents {model.latent.channels} x {model.latent.size} x {model.latent.size}",
        f"  weights     {converted.taken}, {converted.dtype}",
        f"  it says     {', '.join(f'{name} {value}' for name, value in stated.items()) or 'nothing of its training: the family is as --from says'}",
        *(f"  dropped     {key}: {why}" for key, why in converted.dropped.items()),
        *(f"  note        {note}" for note in converted.notes),
        f"  written     {output}, {len(converted.tensors)} tensors, float32",
    ]
    return "\n".join(lines)
