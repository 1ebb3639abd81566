"""Released checkpoints into weights files of ours: alone (`sra convert`), or as the weights of a run (`sra import-weights`)."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from sra.core.errors import InputError, unknown
from sra.core.files import sha256_of_file, written_whole
from sra.core.receipts import write_receipt
from sra.models.official import FAMILIES, Converted, convert_tensors, read_released
from sra.spec.assets import WeightsEntry, check_file, entry_named, how_to_fetch, load_table, record_sha256
from sra.spec.run import ModelSpec, RunSpec, read_run, size_of
from sra.spec.scale import PAPER_SIZES, Width

KIND = "weights"


def convert(file: Path, family: str, output: Path, weights: str = "ema", name: str | None = None, root: Path = Path()) -> None:
    """Write a released checkpoint in our layout and print what was taken, dropped and rewritten.

    name: its entry in config/weights.tsv under `root`; the file must then be that entry's, and its hash is held from first use on.
    """
    entry, sha256 = _source(file, family, name, output, root)
    tensors, taken = read_released(file, weights)
    converted = convert_tensors(tensors, family, str(file), taken)
    _check_entry(file, converted.model.name, converted.resolution, entry)
    # It belongs to no run and has no step; `import-weights` makes the file that a run samples from.
    about = {"run": file.name, "fingerprint": None, **_source_facts(file, sha256, converted, converted.resolution)}
    _write(output, converted, about, {})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(_report(file, converted, output))


def import_weights(
    config: Path,
    file: Path,
    family: str,
    name: str | None,
    output: Path,
    step: int,
    weights: str = "ema",
    root: Path = Path(),
) -> None:
    """Write a released checkpoint as the weights of the run in `config` at `step`, the paper's, which its training had reached.

    Raises InputError when the file holds another model than the run's. name, root: as in `convert`.
    """
    spec = read_run(config)
    entry, sha256 = _source(file, family, name, output, root)
    tensors, taken = read_released(file, weights)
    own = (size_of(spec.model.name), Width(depth=spec.model.depth, width=spec.model.width, heads=spec.model.heads))
    converted = convert_tensors(tensors, family, str(file), taken, [own, *PAPER_SIZES.items()])
    _check_model(file, converted.model, spec)
    _check_entry(file, converted.model.name, spec.image_size, entry)
    about = {"run": spec.run, "fingerprint": spec.fingerprint, "step": step, **_source_facts(file, sha256, converted, spec.image_size)}
    _write(output, converted, about, {"config": config})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(_report(file, converted, output))


def _source(file: Path, family: str, name: str | None, output: Path, root: Path) -> tuple[WeightsEntry | None, str]:
    """The entry that the file claims to be, if any, and the file's SHA-256, checked against that entry."""
    entry = entry_named(load_table(root / "config" / "weights.tsv", WeightsEntry), name, "checkpoint") if name else None
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES, where="--from")
    if entry and entry.family != family:
        raise InputError(f"--from {family}: {name} is a checkpoint of family {entry.family} in config/weights.tsv; give --from {entry.family}")
    if not file.is_file():
        raise InputError(how_to_fetch(entry, file) if entry else f"{file}: no such file; config/weights.tsv says where to download one")
    if output.suffix != ".safetensors" or output.resolve() == file.resolve():
        raise InputError(f"{output}: expected a new file ending in .safetensors; give another name")
    return entry, check_file(entry, file, root) if entry else sha256_of_file(file)


def _check_entry(file: Path, model: str, resolution: int, entry: WeightsEntry | None) -> None:
    if entry and (model, resolution) != (entry.model, entry.resolution):
        held, said = f"{model} for {resolution} px", f"{entry.model} for {entry.resolution} px"
        raise InputError(f"{file}: holds {held}, config/weights.tsv says {said} for {entry.name}; give the file of that entry")


def _check_model(file: Path, held: ModelSpec, spec: RunSpec) -> None:
    """Refuse a model that differs from the run's, naming the first number that does."""
    theirs, ours = _numbers(held), _numbers(spec.model)
    for key, value in ours.items():
        if theirs[key] != value:
            raise InputError(
                f"{file}: holds {held.name} with {key} {theirs[key]}, run {spec.run} is {spec.model.name} with {key} {value}; "
                f"give a checkpoint of that model"
            )


def _numbers(model: ModelSpec) -> dict[str, Any]:
    numbers = model.model_dump(exclude={"name", "latent"})
    return {**numbers, **{f"latent {key}": value for key, value in model.latent.model_dump().items()}}


def _source_facts(file: Path, sha256: str, converted: Converted, resolution: int) -> dict[str, Any]:
    return {
        "source": file.name,
        "source_sha256": sha256,
        "family": converted.family,
        "model": converted.model.name,
        "resolution": resolution,
        "taken": converted.taken,
        "dropped": converted.dropped,
        "notes": converted.notes,
    }


def _write(output: Path, converted: Converted, about: dict[str, Any], inputs: dict[str, Path]) -> None:
    with written_whole(output) as temporary:
        # One metadata key: safetensors keeps several in no fixed order, and equal weights must be equal bytes.
        save_file(converted.tensors, temporary, {"sra": json.dumps(about, sort_keys=True)})
    write_receipt(output, KIND, inputs, {"released": about["source_sha256"]}, **about)


def _report(file: Path, converted: Converted, output: Path) -> str:
    model = converted.model
    lines = [
        f"{file}",
        f"  family      {converted.family}",
        f"  model       {model.name}, {model.depth} blocks of width {model.width}, {model.classes} classes",
        f"  resolution  {converted.resolution} px, latents {model.latent.channels} x {model.latent.size} x {model.latent.size}",
        f"  weights     {converted.taken}, {converted.dtype}",
        *(f"  dropped     {key}: {why}" for key, why in converted.dropped.items()),
        *(f"  note        {note}" for note in converted.notes),
        f"  written     {output}, {len(converted.tensors)} tensors, float32",
    ]
    return "\n".join(lines)
