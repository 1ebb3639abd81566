"""Join the shards of a sample set in index order: one uncompressed npz that the ADM evaluator reads as it is. Needs no torch."""

from pathlib import Path

import numpy as np

from sra.core.errors import InputError
from sra.core.npz import Blocks, read_npz, write_npz
from sra.core.receipts import verify_contents, write_receipt

KIND = "samples"
SAME_IN_ALL = ("run", "fingerprint", "step", "preset", "sampler", "count", "shards", "vae_scaling_factor", "device")


def pack_samples(shards: list[Path], count: int, milestone: str, sampler_name: str, paper_count: int, output: Path) -> None:
    """Write arr_0 (count, H, W, 3) uint8 and labels (count,) int64, and the receipt that a score quotes."""
    receipts = [verify_contents(shard, "sample shard") for shard in shards]
    ordered = sorted(zip(shards, receipts, strict=True), key=lambda pair: pair[1]["facts"]["first"])
    first = ordered[0][1]
    next_index = 0
    for path, receipt in ordered:
        differs = [name for name in SAME_IN_ALL if receipt["facts"][name] != first["facts"][name]]
        if differs or receipt["made_from"] != first["made_from"]:
            raise InputError(f"{path}: differs from {ordered[0][0].name} in {(differs or ['weights'])[0]}; delete the shards and sample again")
        if receipt["facts"]["first"] != next_index:
            raise InputError(f"{path}: starts at image {receipt['facts']['first']}, expected {next_index}; give every shard once")
        next_index += receipt["facts"]["rows"]
    if next_index != count or first["facts"]["count"] != count:
        raise InputError(f"{output}: the shards hold {next_index} images, expected {count}; too few samples cannot be scored")
    members = [read_npz(path) for path, _ in ordered]
    shape = (count, *members[0]["arr_0"].shape[1:])
    write_npz(
        output,
        {
            "arr_0": Blocks(shape, np.dtype(np.uint8), (member["arr_0"] for member in members)),
            "labels": np.concatenate([member["labels"] for member in members]),
        },
    )
    facts = {name: first["facts"][name] for name in SAME_IN_ALL if name != "shards"}
    write_receipt(
        output,
        KIND,
        hashes=first["made_from"],
        **facts,
        milestone=milestone,
        sampler_name=sampler_name,
        paper_count=paper_count,
        label_policy=facts["sampler"]["labels"],
        seed=facts["sampler"]["seed"],
    )
