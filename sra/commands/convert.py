"""Write a released checkpoint in the layout used here and say what was read, taken, dropped and rewritten. Nothing in it is executed.

Example: sra convert DiT-XL-2-256x256.pt --from dit --name dit_xl2_256 --out dit_xl2.safetensors
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Released, ReleasedBy, ReleasedName, ReleasedWeights, TimeOfData, writable
from sra.models.checkpoints import read_released
from sra.models.claims import Claims
from sra.models.conversion import check_entry, check_steps, released_source, report, source_facts, write_weights
from sra.models.official import convert_tensors
from sra.spec.assets import record_sha256
from sra.spec.run import ModelSpec

DEFAULT_VAE = "stabilityai/sd-vae-ft-ema"


def convert(
    file: Released,
    family: ReleasedBy,
    output: Annotated[Path, typer.Option("--out", callback=writable, help="weights file to write, .safetensors")],
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="classes of the model, where the file does not tell whether its last label is for none")
    ] = None,
    time_of_data: TimeOfData = None,
) -> None:
    """Also print the command that draws from it. The weights belong to no run; `sra import-weights` makes those that a run samples from."""
    root = Path.cwd()
    entry, sha256 = released_source(file, family, name, output, root)
    checkpoint = read_released(file, weights)
    claims = Claims(checkpoint.args, classes, time_of_data)
    converted = convert_tensors(checkpoint.tensors, family, str(file), checkpoint.taken, claims=claims)
    check_entry(file, converted.model.name, converted.resolution, entry)
    if entry:
        check_steps(file, checkpoint, entry.step, f"config/weights.tsv says {entry.step} for {entry.name}; give the file of that entry")
    about = {"run": file.name, "fingerprint": None, **source_facts(file, sha256, converted, converted.resolution)}
    about |= {"step": checkpoint.steps} if checkpoint.steps else {}
    about |= {"network": converted.model.model_dump(mode="json"), "null_class": converted.null_class}
    write_weights(output, converted, about, {})
    if entry:
        record_sha256(entry, file, sha256, root)
    print(report(file, checkpoint, converted, output))
    print(f"  next        {_next_command(converted.model, output)}")


def _next_command(model: ModelSpec, output: Path) -> str:
    """What draws the first images from converted weights: the paper's sampler of their process, without guidance."""
    sampler = "ddpm250" if model.learns_variance else "sde250"
    given = f"--weights {shlex.quote(str(output))} --vae {DEFAULT_VAE} --sampler {sampler}"
    return f"sra sample {given} --count 16 --output {shlex.quote(f'{output.stem}_samples.npz')}"
