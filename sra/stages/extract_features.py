"""Stage: every training image through a vision encoder once. Nothing augments the images, so REPA's targets are constants."""

from pathlib import Path

import torch

from sra.core.progress import Progress
from sra.core.receipts import read_receipt, recorded_sha256
from sra.data.images import ImageSplit
from sra.data.store import shard_path, shard_rows, write_manifest, write_shard
from sra.encoders.vision import WEIGHTS, VisionEncoder

BATCH = 64  # fixed: it is part of what the bytes depend on
ROWS_IN_A_SHARD = 50_000  # 20 GB of DINOv2-B tokens


def extract_features(index: Path, encoder: str, output: Path, grid: int | None = None, device: str = "cpu") -> None:
    """Write the store whose manifest is `output`: patch tokens (N, tokens, width) of the train split.

    encoder: folder of a saved model, or a name of timm's hub.  grid: tokens on a side, those of the diffusion model (16 at 256 pixels);
    None keeps the encoder's own.
    """
    read_receipt(index, "index")
    images = ImageSplit(index, "train")
    network = VisionEncoder.load(encoder, grid, device)
    inputs = {"index": Path(index)}
    if Path(encoder).is_dir():
        inputs |= {"encoder": Path(encoder) / WEIGHTS, "encoder_config": Path(encoder) / "config.json"}
    sha256 = recorded_sha256(inputs["encoder"]) if "encoder" in inputs else network.sha256()
    of = -(-len(images) // ROWS_IN_A_SHARD)
    shards = [shard_path(Path(output).parent, "features", number, of) for number in range(of)]
    with Progress("features", len(images), "images") as progress:

        def blocks(rows: range):
            for batch in images.batches(rows, BATCH):
                yield network.tokens(torch.from_numpy(batch)).cpu().numpy()
                progress.advance(len(batch))

        for number, shard in enumerate(shards):
            rows = shard_rows(len(images), number, of)
            write_shard(shard, "features", rows, blocks(rows), inputs, encoder_sha256=sha256)
    write_manifest(output, "features", shards, images.labels, inputs, encoder=str(encoder), encoder_sha256=sha256)
