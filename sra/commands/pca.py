"""Three principal components of an image's tokens as colours, for each block and time."""

from math import isqrt
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from sra.analysis.features import block_features, image_noise, refuse_unfit
from sra.analysis.pca import component_colours
from sra.commands.options import SHARE_OF_TIME, Blocks, Config, Device, Milestone, Output, TrainedLatents, TrainedWeights
from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.data.images import ImageSplit
from sra.data.store import ArrayStore
from sra.diffusion.process import build_process
from sra.models.device import choose_device
from sra.sampling.trained_model import load_trained
from sra.spec.run import read_run
from sra.spec.scale import class_here
from sra.training.batches import check_inputs


def pca(
    config: Config,
    weights: TrainedWeights,
    latents: TrainedLatents,
    index: Annotated[Path, typer.Option(help="index.json of the same images")],
    milestone: Milestone,
    time: Annotated[list[float], typer.Option(help=f"{SHARE_OF_TIME}; again for each")],
    block: Blocks,
    output: Output,
    image_class: Annotated[int, typer.Option("--class", min=0, help="the first image of this class, counted round the classes")] = 88,
    seed: Annotated[int, typer.Option(help="of the noise")] = 0,
    device: Device = "auto",
) -> None:
    """Write npz: colours (T, K, g, g, 3) uint8 for times and blocks, and the image (S, S, 3) uint8, the first of its class.

    The latent is the posterior's mean, the noise one draw for all times.
    """
    for share in time:
        if not 0 <= share < 1:
            raise InputError(f"--time {share:g}: expected a {SHARE_OF_TIME}")
    spec = read_run(config)
    refuse_unfit(spec, block)
    store, images = ArrayStore.open(latents, "latents"), ImageSplit(index, "train")
    check_inputs(spec, store)
    store.check_index(index)
    if len(images) != len(store):
        raise InputError(f"{index}: lists {len(images)} training images, {store.manifest} holds {len(store)}; give the index that it was made from")
    label = class_here(image_class, spec.model.classes)
    of_class = np.flatnonzero(np.asarray(store.labels) == label)
    if not len(of_class):
        raise InputError(f"{store.manifest}: holds no image of class {label}; give another --class")
    row, chosen, shape = int(of_class[0]), choose_device(device), (spec.model.latent.channels, spec.model.latent.size, spec.model.latent.size)
    model, _ = load_trained(spec, weights)
    model.to(chosen)
    mean = torch.from_numpy(store.rows(np.array([row])))[:, : shape[0]] * store.facts["scaling_factor"]
    noise, process, side = image_noise(seed, "components", [row], shape), build_process(spec.process), isqrt(spec.model.tokens)
    colours = [_of_time(block_features(model, process, mean.to(chosen), noise.to(chosen), share, block), block, side) for share in time]
    image = next(images.batches(range(row, row + 1), 1))[0]
    write_npz(output, {"colours": np.stack(colours), "image": image})
    facts = {"run": spec.run, "milestone": milestone, "times": time, "blocks": block, "image": row, "label": label, "seed": seed}
    write_receipt(output, "components", {"weights": weights, "index": index}, {"latents": store.sha256}, **facts, device=chosen.type)


def _of_time(features: dict[int, torch.Tensor], blocks: list[int], side: int) -> np.ndarray:
    """(K, g, g, 3) uint8. Raises InputError for features that are not finite, which have no components."""
    for block in blocks:
        if not features[block].isfinite().all():
            raise InputError(f"block {block}: its features are not finite in float32; check the weights of this run")
    return torch.stack([component_colours(features[block][0]).unflatten(0, (side, side)) for block in blocks]).cpu().numpy()
