"""Write the averaged weights of a training state: what is sampled, evaluated and shared."""

import json
from pathlib import Path
from typing import Annotated

import typer
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file  # no torch: tensors pass through numpy

from sra.commands.options import Config, Output
from sra.core.errors import InputError
from sra.core.files import check_room, written_whole
from sra.core.receipts import verify_contents, write_receipt
from sra.spec.run import read_run
from sra.spec.scratch import clear_scratch, scratch_folder


def export(config: Config, state: Annotated[Path, typer.Option(help="training state")], output: Output) -> None:
    """Write the EMA model's parameters under their model names. Raises InputError for a state of another run."""
    spec = read_run(config)
    receipt = verify_contents(state, "training state")
    facts = receipt["facts"]
    if facts["fingerprint"] != spec.fingerprint:
        raise InputError(f"{state}: belongs to run {facts['run']} with other settings, not to {spec.run}; delete it and train again")
    try:
        with safe_open(state, framework="np") as file:
            tensors = {name.removeprefix("ema."): file.get_tensor(name) for name in file.keys() if name.startswith("ema.")}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{state}: not a readable safetensors file ({error}); delete it and train again") from None
    about = {"run": spec.run, "fingerprint": spec.fingerprint, "step": facts["step"], "machine": facts["machine"]}
    check_room(output, sum(tensor.nbytes for tensor in tensors.values()))
    with written_whole(output) as temporary:
        save_file(tensors, temporary, {"sra": json.dumps(about, sort_keys=True)})
    # What captions were encoded by must encode them again where they are drawn.
    text_encoder = {role: sha256 for role, sha256 in receipt["made_from"].items() if role == "text_encoder"}
    write_receipt(output, "weights", {"config": config, "state": state}, text_encoder, **about)
    # Only now: had the training's end been lost, they would have been needed once more.
    clear_scratch(scratch_folder(config, spec), facts["step"])
