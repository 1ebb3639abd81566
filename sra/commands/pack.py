"""Join sample shards in index order to one npz that the ADM evaluator reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from sra.commands.options import Output
from sra.core.errors import InputError
from sra.core.npz import Blocks, read_npz, write_npz
from sra.core.receipts import verify_contents, write_receipt
from sra.spec.run import check_place
from sra.spec.score import PACKED

BLOCK = 256  # images in memory at a time
SAME_IN_ALL = ("run", "fingerprint", "step", "preset", "sampler", "count", "shards", "vae_scaling_factor", "precision", "device")


def pack(
    count: Annotated[int, typer.Option(min=1)],
    milestone: Annotated[str, typer.Option()],
    sampler_name: Annotated[str, typer.Option()],
    paper_count: Annotated[int, typer.Option()],
    output: Output,
    shards: list[Path],
) -> None:
    """Write arr_0 (count, H, W, 3) uint8 with labels (count,) int64 or captions (count,), uncompressed, and the receipt that a score quotes."""
    receipts = [verify_contents(shard, "sample shard") for shard in shards]
    for shard, receipt in zip(shards, receipts, strict=True):
        check_place(shard, receipt["facts"]["run"])
    ordered = sorted(zip(shards, receipts, strict=True), key=lambda pair: pair[1]["facts"]["first"])
    first = ordered[0][1]
    for path, receipt in ordered:
        differs = [name for name in SAME_IN_ALL if receipt["facts"][name] != first["facts"][name]]
        roles = receipt["made_from"] | first["made_from"]
        differs += [role for role in roles if receipt["made_from"].get(role) != first["made_from"].get(role)]
        if differs:
            raise InputError(f"{path}: differs from {ordered[0][0].name} in {differs[0]}; delete the shards and sample again")
    if first["facts"]["count"] != count:
        raise InputError(
            f"{ordered[0][0]}: belongs to a set of {first['facts']['count']} images, expected {count}; delete the shards and sample again"
        )
    shard_of, row_of = _places(ordered, count)
    members = [read_npz(path) for path, _ in ordered]
    shape = (count, *members[0]["arr_0"].shape[1:])

    def gathered(name: str) -> Iterator[np.ndarray]:
        for start in range(0, count, BLOCK):
            where, rows = shard_of[start : start + BLOCK], row_of[start : start + BLOCK]
            block = np.empty((len(rows), *members[0][name].shape[1:]), members[0][name].dtype)
            for number in np.unique(where):
                block[where == number] = members[number][name][rows[where == number]]
            yield block

    asked = "captions" if "captions" in members[0] else "labels"
    images, conditions = Blocks(shape, np.dtype(np.uint8), gathered("arr_0")), Blocks((count,), members[0][asked].dtype, gathered(asked))
    write_npz(output, {"arr_0": images, asked: conditions})
    facts = {name: first["facts"][name] for name in SAME_IN_ALL if name != "shards"}
    write_receipt(
        output,
        PACKED,
        hashes=first["made_from"],
        **facts,
        classes=first["facts"].get("classes"),
        milestone=milestone,
        sampler_name=sampler_name,
        paper_count=paper_count,
        label_policy=facts["sampler"]["labels"] if asked == "labels" else None,
        caption_policy=facts["sampler"]["captions"] if asked == "captions" else None,
        seed=facts["sampler"]["seed"],
    )


def _places(ordered: list[tuple[Path, dict]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each image of the set lies, (count,) each: the number of its shard, and its row there."""
    shard_of, row_of = np.full(count, -1), np.empty(count, dtype=np.int64)
    for number, (path, receipt) in enumerate(ordered):
        rows = receipt["facts"]["rows"]
        first, stride = receipt["facts"]["first"], receipt["facts"]["stride"]
        indices = first + stride * np.arange(rows)
        if (indices >= count).any() or (shard_of[indices] >= 0).any():
            raise InputError(f"{path}: holds images that another shard holds or the set of {count} does not have; give every shard once")
        shard_of[indices], row_of[indices] = number, np.arange(rows)
    if (shard_of < 0).any():
        raise InputError(f"{ordered[0][0]}: no shard holds image {(shard_of < 0).argmax()} of {count}; give every shard once")
    return shard_of, row_of
