"""Join latent shards under one manifest with labels and checksums."""

from pathlib import Path
from typing import Annotated

import typer

from sra.commands.options import Index, Output
from sra.core.errors import InputError
from sra.data.images import ImageSplit
from sra.data.preprocessed import foreign_fact
from sra.data.store import receipts_of, write_manifest
from sra.encoders.vae import vae_files


def finish_latents(index: Index, vae: Annotated[str, typer.Option()], output: Output, shards: list[Path]) -> None:
    """Write the store's manifest, after checking that this index and this autoencoder made the shards."""
    inputs = {"index": index, **vae_files(vae)}
    receipts = receipts_of(shards, "latents", inputs)
    for shard, receipt in zip(shards, receipts, strict=True):
        if receipt["facts"].get("vae") != (None if "vae" in inputs else vae):
            raise InputError(f"{shard}: was made by the autoencoder {receipt['facts'].get('vae', 'of a folder')}, not {vae}; delete it and run again")
    # The hub's weights have no file here: the shards say their hash, and must all say the same.
    made_from, facts = receipts[0]["made_from"], receipts[0]["facts"]
    hashes = {} if "vae" in inputs else {"vae": made_from["vae"]}
    labels = ImageSplit(index, "train").labels
    foreign = foreign_fact([receipt["facts"] for receipt in receipts])
    kept = {key: facts[key] for key in ("scaling_factor", "precision", "vae") if key in facts}
    write_manifest(output, "latents", shards, labels, inputs, hashes=hashes, **kept, **foreign, vae_sha256=made_from["vae"])
