"""Write the mean of a store's training latents, which samplers of a corrected velocity need.

Example: sra latent-mean --latents results/shared/digits/latents/digits_vae/store.json --output latent_mean.npz
"""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Output
from sra.data.latent_mean import write_latent_mean
from sra.data.store import ArrayStore


def latent_mean(latents: Annotated[Path, typer.Option(help="store.json of the latents")], output: Output) -> None:
    """Of every image once: the mean of its posterior, in the scale in which the network sees latents."""
    write_latent_mean(ArrayStore.open(latents, "latents"), output)
