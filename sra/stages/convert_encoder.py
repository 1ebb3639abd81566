"""Stage: a released encoder that timm does not have, as a safetensors file that `--encoder` takes."""

from pathlib import Path

from safetensors.torch import save_file

from sra.core.errors import InputError
from sra.core.files import sha256_of_file, written_whole
from sra.core.receipts import write_receipt
from sra.encoders.released import read_released
from sra.encoders.repa_targets import family_of


def convert_encoder(checkpoint: Path, family: str, output: Path) -> None:
    """Write the tensors and their receipt. The file's name says which network they are for and how it is fed."""
    tensors = read_released(checkpoint, family)
    architecture, _, tag = Path(output).name.removesuffix(".safetensors").partition(".")
    named = family_of(architecture, tag)
    if Path(output).suffix != ".safetensors" or named is None or named.name != family:
        raise InputError(f"{output}: name the file ARCHITECTURE.TAG.safetensors with {family} at the end of the tag; it says how it is fed")
    with written_whole(output) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    write_receipt(output, "encoder", hashes={"checkpoint": sha256_of_file(checkpoint)}, family=family, tensors=len(tensors))
