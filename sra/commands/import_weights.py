"""Write a released checkpoint as the weights of a run: with --step to be sampled like weights trained here, without it to be trained on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sra.commands.options import Config, Output, Released, ReleasedBy, ReleasedName, ReleasedWeights, TimeOfData
from sra.core.errors import InputError
from sra.models.checkpoints import LoadedCheckpoint, read_released
from sra.models.claims import Claims
from sra.models.conversion import check_entry, check_steps, released_source, report, source_facts, write_weights
from sra.models.official import Converted, convert_tensors
from sra.spec.assets import record_sha256
from sra.spec.run import ModelSpec, RunSpec, read_run, size_of
from sra.spec.scale import PAPER_SIZES, Width

LABEL_TABLE = "y_embedder.embedding_table.weight"


def import_weights(
    config: Config,
    file: Released,
    family: ReleasedBy,
    output: Output,
    step: Annotated[
        int | None, typer.Option(min=1, help="training steps behind it, as its paper counts them; leave out where a run trains on")
    ] = None,
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
    time_of_data: TimeOfData = None,
) -> None:
    """Raises InputError when the file holds another model than the run's, or other steps."""
    root, spec = Path.cwd(), read_run(config)
    if step is None and spec.start is None:
        raise InputError(f"run {spec.run}: does not train on from a file; give --step for weights that are sampled as they are, or the run a start")
    if step is not None and spec.start:
        raise InputError(f"run {spec.run}: trains on from {spec.start.file}, at no step of another training; leave out --step")
    entry, sha256 = released_source(file, family, name, output, root)
    checkpoint = read_released(file, weights)
    if step is None:
        converted, drawn_anew = _to_train_on(spec, checkpoint, family, file, time_of_data)
        facts = {"drawn_anew": drawn_anew}
    else:
        check_steps(file, checkpoint, step, f"--step says {step}; give the number of the file")
        converted = _converted_for(spec, checkpoint, family, file, Claims(checkpoint.args, spec.model.classes, time_of_data))
        _check_model(file, converted.model, spec)
        facts = {} if converted.null_class else {"null_class": False}
    check_entry(file, converted.model.name, spec.image_size, entry)
    about = {"run": spec.run, "fingerprint": spec.fingerprint, **({"step": step} if step else {})}
    write_weights(output, converted, {**about, **source_facts(file, sha256, converted, spec.image_size), **facts}, {"config": config})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(report(file, checkpoint, converted, output))


def _to_train_on(spec: RunSpec, checkpoint: LoadedCheckpoint, family: str, file: Path, time_of_data: int | None) -> tuple[Converted, list[str]]:
    """The checkpoint and the names of tensors left out of it, which the run draws anew.

    That is a label table of other classes, or without the null class that training drops labels to; the notes say so.
    """
    rows = len(checkpoint.tensors.get(LABEL_TABLE, ()))
    fits, said = rows == spec.model.classes + 1, checkpoint.args.get("num_classes")
    claims = Claims(checkpoint.args, spec.model.classes if fits else said if isinstance(said, int) else rows - 1, time_of_data)
    converted = _converted_for(spec, checkpoint, family, file, claims)
    _check_model(file, converted.model.model_copy(update={"classes": spec.model.classes}), spec)
    if fits:
        return converted, []
    del converted.tensors[LABEL_TABLE]
    needed = f"{spec.model.classes} classes and the null class take {spec.model.classes + 1}"
    converted.notes.append(f"{LABEL_TABLE} has {rows} rows, {needed}: it is drawn anew")
    return converted, [LABEL_TABLE]


def _converted_for(spec: RunSpec, checkpoint: LoadedCheckpoint, family: str, file: Path, claims: Claims) -> Converted:
    """The checkpoint in our layout; it may be of the run's own size, which need not be one of the papers'."""
    own = (size_of(spec.model.name), Width(depth=spec.model.depth, width=spec.model.width, heads=spec.model.heads))
    return convert_tensors(checkpoint.tensors, family, str(file), checkpoint.taken, [own, *PAPER_SIZES.items()], claims)


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
