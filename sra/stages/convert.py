"""Released checkpoints into weights files of ours: alone (`sra convert`), or as what a run samples from or trains on (`sra import-weights`)."""

import json
import shlex
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from sra.core.errors import InputError, unknown
from sra.core.files import sha256_of_file, written_whole
from sra.core.receipts import write_receipt
from sra.models.checkpoints import LoadedCheckpoint, read_released
from sra.models.claims import Claims
from sra.models.official import FAMILIES, Converted, convert_tensors
from sra.spec.assets import WeightsEntry, check_file, entry_named, how_to_fetch, load_table, record_sha256
from sra.spec.run import ModelSpec, RunSpec, read_run, size_of
from sra.spec.scale import PAPER_SIZES, Width

KIND = "weights"
LABEL_TABLE = "y_embedder.embedding_table.weight"
# Papers count epochs of 5,000 steps of 256 images, their trainers 5,004; another milestone is further away.
STEPS_APART = 0.01
DEFAULT_VAE = "stabilityai/sd-vae-ft-ema"


def convert(
    file: Path,
    family: str,
    output: Path,
    weights: str = "ema",
    name: str | None = None,
    root: Path = Path(),
    classes: int | None = None,
    time_of_data: int | None = None,
) -> None:
    """Write a released checkpoint in our layout and print what was read, taken, dropped and rewritten, and the command that draws from it.

    name: its entry in config/weights.tsv under `root`; the file must then be that entry's, and its hash is held from first use on.
    classes, time_of_data: what the file does not tell, as in `Claims`.
    """
    entry, sha256 = _source(file, family, name, output, root)
    checkpoint = read_released(file, weights)
    claims = Claims(checkpoint.args, classes, time_of_data)
    converted = convert_tensors(checkpoint.tensors, family, str(file), checkpoint.taken, claims=claims)
    _check_entry(file, converted.model.name, converted.resolution, entry)
    if entry:
        _check_steps(file, checkpoint, entry.step, f"config/weights.tsv says {entry.step} for {entry.name}; give the file of that entry")
    # It belongs to no run; `import-weights` makes the file that a run samples from.
    about = {"run": file.name, "fingerprint": None, **_source_facts(file, sha256, converted, converted.resolution)}
    about |= {"step": checkpoint.steps} if checkpoint.steps else {}
    about |= {"network": converted.model.model_dump(mode="json"), "null_class": converted.null_class}
    _write(output, converted, about, {})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(_report(file, checkpoint, converted, output))
    print(f"  next        {_next_command(converted.model, output)}")


def import_weights(
    config: Path,
    file: Path,
    family: str,
    name: str | None,
    output: Path,
    step: int,
    weights: str = "ema",
    root: Path = Path(),
    time_of_data: int | None = None,
) -> None:
    """Write a released checkpoint as the weights of the run in `config` at `step`, the paper's, which its training had reached.

    Raises InputError when the file holds another model than the run's, or other steps. name, root, time_of_data: as in `convert`.
    """
    spec = read_run(config)
    if spec.start:
        raise InputError(f"run {spec.run}: trains on from {spec.start.file}, at no step of another training; leave out --step")
    entry, sha256 = _source(file, family, name, output, root)
    checkpoint = read_released(file, weights)
    _check_steps(file, checkpoint, step, f"--step says {step}; give the number of the file")
    converted = _converted_for(spec, checkpoint, family, file, Claims(checkpoint.args, spec.model.classes, time_of_data))
    _check_model(file, converted.model, spec)
    _check_entry(file, converted.model.name, spec.image_size, entry)
    about = {"run": spec.run, "fingerprint": spec.fingerprint, "step": step, **_source_facts(file, sha256, converted, spec.image_size)}
    about |= {} if converted.null_class else {"null_class": False}
    _write(output, converted, about, {"config": config})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(_report(file, checkpoint, converted, output))


def import_start(
    config: Path,
    file: Path,
    family: str,
    name: str | None,
    output: Path,
    weights: str = "ema",
    root: Path = Path(),
    time_of_data: int | None = None,
) -> None:
    """Write a released checkpoint as the weights that the run in `config` trains on.

    A label table of other classes, or without the null class that training drops labels to, is left out: the run draws it anew, and this says so.
    Raises InputError when the file holds another model than the run's. name, root, time_of_data: as in `convert`.
    """
    spec = read_run(config)
    if spec.start is None:
        raise InputError(f"run {spec.run}: does not train on from a file; give --step for weights that are sampled as they are, or the run a start")
    entry, sha256 = _source(file, family, name, output, root)
    checkpoint = read_released(file, weights)
    rows = len(checkpoint.tensors.get(LABEL_TABLE, ()))
    fits, said = rows == spec.model.classes + 1, checkpoint.args.get("num_classes")
    claims = Claims(checkpoint.args, spec.model.classes if fits else said if isinstance(said, int) else rows - 1, time_of_data)
    converted = _converted_for(spec, checkpoint, family, file, claims)
    _check_model(file, converted.model.model_copy(update={"classes": spec.model.classes}), spec)
    _check_entry(file, converted.model.name, spec.image_size, entry)
    drawn_anew = [] if fits else [LABEL_TABLE]
    for key in drawn_anew:
        del converted.tensors[key]
        converted.notes.append(
            f"{key} has {rows} rows, {spec.model.classes} classes and the null class take {spec.model.classes + 1}: it is drawn anew"
        )
    about = {"run": spec.run, "fingerprint": spec.fingerprint, **_source_facts(file, sha256, converted, spec.image_size), "drawn_anew": drawn_anew}
    _write(output, converted, about, {"config": config})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(_report(file, checkpoint, converted, output))


def _source(file: Path, family: str, name: str | None, output: Path, root: Path) -> tuple[WeightsEntry | None, str]:
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


def _converted_for(spec: RunSpec, checkpoint: LoadedCheckpoint, family: str, file: Path, claims: Claims) -> Converted:
    """The checkpoint in our layout; it may be of the run's own size, which need not be one of the papers'."""
    own = (size_of(spec.model.name), Width(depth=spec.model.depth, width=spec.model.width, heads=spec.model.heads))
    return convert_tensors(checkpoint.tensors, family, str(file), checkpoint.taken, [own, *PAPER_SIZES.items()], claims)


def _check_entry(file: Path, model: str, resolution: int, entry: WeightsEntry | None) -> None:
    if entry and (model, resolution) != (entry.model, entry.resolution):
        held, said = f"{model} for {resolution} px", f"{entry.model} for {entry.resolution} px"
        raise InputError(f"{file}: holds {held}, config/weights.tsv says {said} for {entry.name}; give the file of that entry")


def _check_steps(file: Path, checkpoint: LoadedCheckpoint, expected: int, otherwise: str) -> None:
    if checkpoint.steps and abs(checkpoint.steps - expected) > STEPS_APART * expected:
        raise InputError(f"{file}: was saved after {checkpoint.steps} steps, {otherwise}")


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
        **({"args": converted.network_args} if converted.network_args else {}),
    }


def _write(output: Path, converted: Converted, about: dict[str, Any], inputs: dict[str, Path]) -> None:
    with written_whole(output) as temporary:
        # One metadata key: safetensors keeps several in no fixed order, and equal weights must be equal bytes.
        save_file(converted.tensors, temporary, {"sra": json.dumps(about, sort_keys=True)})
    write_receipt(output, KIND, inputs, {"released": about["source_sha256"]}, **about)


def _next_command(model: ModelSpec, output: Path) -> str:
    """What draws the first images from converted weights: the paper's sampler of their process, without guidance."""
    sampler = "ddpm250" if model.learns_variance else "sde250"
    given = f"--weights {shlex.quote(str(output))} --vae {DEFAULT_VAE} --sampler {sampler}"
    return f"sra sample {given} --count 16 --output {shlex.quote(f'{output.stem}_samples.npz')}"


def _report(file: Path, checkpoint: LoadedCheckpoint, converted: Converted, output: Path) -> str:
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
