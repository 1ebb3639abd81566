"""Write an encoder that timm does not have as a file for --encoder. Nothing in the checkpoint is executed.

Example: sra convert-encoder vit-b-300ep.pth.tar --from mocov3 --out vit_base_patch16_224.mocov3.safetensors
"""

from pathlib import Path
from typing import Annotated

import typer
from safetensors.torch import save_file

from sra.commands.options import writable
from sra.core.errors import InputError
from sra.core.files import sha256_of_file, written_whole
from sra.core.receipts import write_receipt
from sra.encoders.released import read_released
from sra.encoders.repa_targets import family_of


def convert_encoder(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint as downloaded")],
    family: Annotated[str, typer.Option("--from", help="mocov3 or ijepa")],
    output: Annotated[Path, typer.Option("--out", callback=writable, help="ARCHITECTURE.TAG.safetensors to write")],
) -> None:
    """Write the tensors and their receipt. The file's name says which network they are for and how it is fed."""
    tensors = read_released(checkpoint, family)
    architecture, _, tag = output.name.removesuffix(".safetensors").partition(".")
    named = family_of(architecture, tag)
    if output.suffix != ".safetensors" or named is None or named.name != family:
        raise InputError(f"{output}: name the file ARCHITECTURE.TAG.safetensors with {family} at the end of the tag; it says how it is fed")
    with written_whole(output) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    write_receipt(output, "encoder", hashes={"checkpoint": sha256_of_file(checkpoint)}, family=family, tensors=len(tensors))
