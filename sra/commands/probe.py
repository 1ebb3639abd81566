"""Accuracy of a linear classifier on each block's pooled features, for images that it has not seen.

Example: sra probe config.json --weights m400k.safetensors --latents store.json --milestone m400k --time 0.1 --block 3 --block 8 --output p.json
"""

from typing import Annotated

import numpy as np
import typer

from sra.analysis.features import pooled_features, refuse_unfit
from sra.analysis.probe import held_out_rows, probe_accuracies
from sra.commands.options import SHARE_OF_TIME, Blocks, Config, Device, Milestone, Output, TrainedLatents, TrainedWeights
from sra.core.errors import InputError
from sra.core.files import folder_beside, write_checked_json
from sra.core.receipts import versions
from sra.data.store import ArrayStore
from sra.diffusion.process import build_process
from sra.models.device import choose_device
from sra.sampling.trained_model import load_trained
from sra.spec.load import checked_json
from sra.spec.probe import ProbeRecord
from sra.spec.run import read_run
from sra.spec.scale import ProbeTraining
from sra.training.batches import check_inputs


def probe(
    config: Config,
    weights: TrainedWeights,
    latents: TrainedLatents,
    milestone: Milestone,
    time: Annotated[float, typer.Option(help=SHARE_OF_TIME)],
    block: Blocks,
    output: Output,
    training: Annotated[str, typer.Option(help="how probes are trained, as JSON; by default as in the paper")] = "{}",
    device: Device = "auto",
) -> ProbeRecord:
    """Write and return the accuracies of one probe a block."""
    if not 0 <= time < 1:
        raise InputError(f"--time {time:g}: expected a {SHARE_OF_TIME}")
    settings = checked_json(training, ProbeTraining, "--training")
    spec = read_run(config)
    refuse_unfit(spec, block)
    store = ArrayStore.open(latents, "latents")
    check_inputs(spec, store)
    train, held_out = held_out_rows(len(store), settings)
    chosen = choose_device(device)
    model, receipt = load_trained(spec, weights)
    with folder_beside(output) as scratch:
        features = pooled_features(model.to(chosen), build_process(spec.process), store, time, block, settings.seed, scratch / "features.npy", chosen)
        labels = np.asarray(store.labels, dtype=np.int64)
        found = probe_accuracies(features, labels, spec.model.classes, settings, chosen, f"probe {spec.run} at {time:g}")
        del features  # before its folder goes
    record = ProbeRecord(
        preset=spec.preset,
        run=spec.run,
        milestone=milestone,
        step=receipt["facts"]["step"],
        fingerprint=spec.fingerprint,
        time=time,
        accuracy=dict(zip(block, found, strict=True)),
        train_images=len(train),
        held_out_images=len(held_out),
        training=settings,
        weights=receipt["sha256"],
        latents=store.sha256,
        versions=versions(),
        device=chosen.type,
    )
    write_checked_json(output, record.as_json())
    return record
