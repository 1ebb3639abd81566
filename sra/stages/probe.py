"""Stage: linear probes on the blocks of a trained model at one time."""

from pathlib import Path

import numpy as np
import torch

from sra.analysis.features import block_features, image_noise
from sra.analysis.probe import held_out_rows, probe_accuracies
from sra.core.errors import InputError
from sra.core.files import folder_beside, write_checked_json
from sra.core.progress import Progress
from sra.core.receipts import versions
from sra.data.latents import sample_posterior
from sra.data.store import ArrayStore, mapped_file
from sra.data.stored import first_not_finite
from sra.diffusion.batch import Process
from sra.diffusion.process import build_process
from sra.models.trunk import Transformer
from sra.spec.probe import ProbeRecord
from sra.spec.run import RunSpec, read_run
from sra.spec.scale import ProbeTraining
from sra.stages.device import choose_device
from sra.stages.trained_model import load_trained
from sra.training.batches import check_inputs

BATCH = 256  # images at a time; pooled features round with it, so it is fixed


def probe(
    config: Path,
    weights: Path,
    latents: Path,
    milestone: str,
    time: float,
    blocks: list[int],
    training: ProbeTraining,
    output: Path,
    device: str = "auto",
) -> ProbeRecord:
    """Write and return the accuracies of one probe a block. time: share of the time range.  blocks: of this run's model, from 1."""
    spec = read_run(config)
    refuse_unfit(spec, blocks)
    store = ArrayStore.open(latents, "latents")
    check_inputs(spec, store)
    train, held_out = held_out_rows(len(store), training)
    chosen = choose_device(device)
    model, receipt = load_trained(spec, weights)
    with folder_beside(output) as scratch:
        features = _pooled(model.to(chosen), build_process(spec.process), store, time, blocks, training.seed, scratch / "features.npy", chosen)
        labels = np.asarray(store.labels, dtype=np.int64)
        found = probe_accuracies(features, labels, spec.model.classes, training, chosen, f"probe {spec.run} at {time:g}")
        del features  # before its folder goes
    record = ProbeRecord(
        preset=spec.preset,
        run=spec.run,
        milestone=milestone,
        step=receipt["facts"]["step"],
        fingerprint=spec.fingerprint,
        time=time,
        accuracy=dict(zip(blocks, found, strict=True)),
        train_images=len(train),
        held_out_images=len(held_out),
        training=training,
        weights=receipt["sha256"],
        latents=store.sha256,
        versions=versions(),
        device=chosen.type,
    )
    write_checked_json(output, record.as_json())
    return record


def refuse_unfit(spec: RunSpec, blocks: list[int]) -> None:
    """Raises InputError for a run that is not looked into, and for a block that its model does not have."""
    if spec.model.text:
        raise InputError(f"run {spec.run}: is told captions; probes and components are of models of classes")
    for block in blocks:
        if block > spec.model.depth:
            raise InputError(f"--block {block}: {spec.model.name} of run {spec.run} has blocks 1 to {spec.model.depth}; give one of them")


def _pooled(
    model: Transformer, process: Process, store: ArrayStore, time: float, blocks: list[int], seed: int, file: Path, device: torch.device
) -> np.ndarray:
    """Mean over the tokens of each block's features, (N, K, D) float32, as a memory map: ImageNet's eight blocks of XL take 47 GB."""
    channels, side = model.spec.latent.channels, model.spec.latent.size
    features = mapped_file(file, np.float32, (len(store), len(blocks), model.spec.width))
    with Progress(f"features at {time:g}", len(store), "images") as progress:
        for start in range(0, len(store), BATCH):
            rows = np.arange(start, min(start + BATCH, len(store)))
            shape = (channels, side, side)
            latents = sample_posterior(
                torch.from_numpy(store.rows(rows)), image_noise(seed, "probe posterior", rows, shape), store.facts["scaling_factor"]
            )
            noise = image_noise(seed, "probe noise", rows, shape)
            found = block_features(model, process, latents.to(device), noise.to(device), time, blocks)
            pooled = torch.stack([found[block].mean(1) for block in blocks], dim=1)
            features[rows] = pooled.cpu().numpy()
            broken = first_not_finite(features[rows])
            if broken is not None:
                raise InputError(f"{store.manifest}: image {start + broken} gives features that are not finite in float32; check the weights")
            progress.advance(len(rows))
    return features
