"""From the stores to the noisy batch of a step: a function of (seed, step), of which each process makes its own share."""

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.data.latents import sample_posterior
from sra.data.order import batch_indices
from sra.data.store import ArrayStore
from sra.diffusion.batch import NoisyBatch, Process
from sra.spec.run import RunSpec
from sra.training.conditions import Conditions
from sra.training.distributed import World
from sra.training.draws import draw_step

FLIPPED_SHARE = 0.5


@dataclass(frozen=True)
class TrainingBatch:
    """What a step trains on. draw: (B,) uniform in [0, 1) for the alignments.

    targets: (B, N, E) encoder tokens, or None.  images: (B, S, S, 3) uint8 that targets are still to be made from, or None.
    """

    noisy: NoisyBatch
    draw: Tensor
    targets: Tensor | None
    images: Tensor | None = None

    def __len__(self) -> int:
        return len(self.draw)

    @property
    def tensors(self) -> list[Tensor]:
        """Those that there are, always in the same order."""
        noisy = self.noisy
        every = (noisy.latents, noisy.noise, noisy.timestep, noisy.condition, self.draw, self.targets, self.images)
        return [tensor for tensor in every if tensor is not None]

    def part(self, rows: slice) -> "TrainingBatch":
        targets, images = (None if tensor is None else tensor[rows] for tensor in (self.targets, self.images))
        return TrainingBatch(self.noisy.part(rows), self.draw[rows], targets, images)

    def moved(self, move: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        targets, images = (None if tensor is None else move(tensor) for tensor in (self.targets, self.images))
        return TrainingBatch(self.noisy.moved(move), move(self.draw), targets, images)


class Batches:
    """Batches by step on the CPU. latents: store of posterior moments. conditions: what the model is told of each image.

    For REPA alone, features: store of encoder tokens, or pixels: of images.

    reads_targets: whether a step (from 0) reads targets; what it does not read is not fetched either.
    """

    def __init__(
        self,
        spec: RunSpec,
        latents: ArrayStore,
        conditions: Conditions,
        features: ArrayStore | None,
        process: Process,
        world: World,
        pixels: ArrayStore | None = None,
        reads_targets: Callable[[int], bool] = lambda step: True,
    ):
        self.spec, self.latents, self.conditions, self.process = spec, latents, conditions, process
        self.features, self.pixels, self.reads_targets = features, pixels, reads_targets
        share = spec.training.batch // world.size  # the stage refuses what does not divide
        self.share = slice(world.rank * share, (world.rank + 1) * share)

    def at(self, step: int) -> TrainingBatch:
        """This process's share of the batch of a step (from 0)."""
        training, latent = self.spec.training, self.spec.model.latent
        # Drawn for the whole batch, then cut: numbers belong to places, not to processes.
        draws = draw_step(training.seed, step, (training.batch, latent.channels, latent.size, latent.size)).part(self.share)
        rows = batch_indices(len(self.latents), training.batch, training.seed, step)[self.share]
        moments = torch.from_numpy(self.latents.rows(rows))
        flipped = draws.flip < FLIPPED_SHARE if training.flips == "latents" else None
        if flipped is not None:
            moments = mirrored(moments, flipped, width=3)
        dropped = (draws.dropout < training.condition_dropout).numpy()
        noisy = NoisyBatch(
            latents=sample_posterior(moments, draws.posterior, self.latents.facts["scaling_factor"]),
            noise=draws.noise,
            timestep=self.process.timesteps(draws.time),
            condition=self.conditions.at(training.seed, step, rows, self.share.start, dropped),
            process=self.process,
        )
        stores = (self.features, self.pixels) if self.reads_targets(step) else (None, None)
        targets, images = (torch.from_numpy(store.rows(rows)) if store else None for store in stores)
        if flipped is not None:
            targets = None if targets is None else mirrored_tokens(targets, flipped)
            images = None if images is None else mirrored(images, flipped, width=2)
        return TrainingBatch(noisy, draws.interval, targets, images)


def mirrored(values: Tensor, chosen: Tensor, width: int) -> Tensor:
    """Values (B, ...), those of the chosen (B,) bool reversed along dimension `width`."""
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), values.flip(width), values)


def mirrored_tokens(tokens: Tensor, chosen: Tensor) -> Tensor:
    """Tokens (B, N, E) in reading order of a square grid, of which the chosen (B,) bool are those of the mirrored image, as far as places go."""
    side = math.isqrt(tokens.shape[1])
    return mirrored(tokens.unflatten(1, (side, side)), chosen, width=2).flatten(1, 2)


def check_inputs(
    spec: RunSpec, latents: ArrayStore, features: ArrayStore | None = None, pixels: ArrayStore | None = None, text: ArrayStore | None = None
) -> None:
    """Raises InputError when the stores are not those that the run needs. features, pixels: one of them where the run has an encoder."""
    latent = spec.model.latent
    expected = (2 * latent.channels, latent.size, latent.size)
    if latents.row_shape != expected:
        raise InputError(
            f"{latents.manifest}: rows are {latents.row_shape}, run {spec.run} needs {expected}; extract the latents with the VAE of its preset"
        )
    if spec.model.classes and len(latents.labels) and int(latents.labels.max()) >= spec.model.classes:
        raise InputError(f"{latents.manifest}: holds class {int(latents.labels.max())}, the model has {spec.model.classes}")
    if spec.encoder and features is None and pixels is None:
        raise InputError(
            f"run {spec.run}: needs the features of encoder {spec.encoder}; give --features STORE.json, or --pixels STORE.json and --encoder"
        )
    if features and (len(features) != len(latents) or features.row_shape[0] != spec.model.tokens):
        raise InputError(
            f"{features.manifest}: {len(features)} images of {features.row_shape[0]} tokens, run {spec.run} "
            f"needs {len(latents)} of {spec.model.tokens}; extract features of the same images"
        )
    side = spec.image_size
    if pixels and (len(pixels) != len(latents) or pixels.row_shape != (side, side, 3)):
        raise InputError(
            f"{pixels.manifest}: {len(pixels)} images of shape {pixels.row_shape}, run {spec.run} needs {len(latents)} of {(side, side, 3)}; "
            f"pack the images of the same index"
        )
    if text:
        _check_text(spec, latents, text)
    for store in filter(None, (features, pixels, text)):
        if None not in (store.index_sha256, latents.index_sha256) and store.index_sha256 != latents.index_sha256:
            raise InputError(f"{store.manifest}: was made from another index of images than {latents.manifest}; extract both from one index")


def _check_text(spec: RunSpec, latents: ArrayStore, text: ArrayStore) -> None:
    wanted = spec.model.text
    if wanted is None:
        raise InputError(f"run {spec.run}: is told classes, not captions; leave out {text.manifest}")
    if text.row_shape != (wanted.tokens, wanted.width):
        raise InputError(
            f"{text.manifest}: captions are {text.row_shape}, run {spec.run} needs {(wanted.tokens, wanted.width)}; encode them with the text "
            f"encoder of its preset, or correct text_to_image.text there"
        )
    if text.facts.get("split") != "train" or int(text.labels.max()) + 1 != len(latents):
        raise InputError(
            f"{text.manifest}: captions of {int(text.labels.max()) + 1} images of split {text.facts.get('split')}, run {spec.run} trains on "
            f"{len(latents)} of split train; encode the captions of the same images"
        )


class Prefetched:
    """The next step's batch is read and drawn by a thread while the GPU works, in pinned memory that copies without waiting."""

    def __init__(self, batches: Batches, pin: bool):
        self.batches, self.pin = batches, pin
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self.ahead: tuple[int, Future] | None = None

    def at(self, step: int) -> TrainingBatch:
        future = self.ahead[1] if self.ahead and self.ahead[0] == step else self.pool.submit(self._make, step)
        self.ahead = (step + 1, self.pool.submit(self._make, step + 1))
        return future.result()

    def wait_until_idle(self) -> None:
        """Wait until the thread has nothing to do: pinning memory calls CUDA."""
        if self.ahead:
            wait([self.ahead[1]])

    def _make(self, step: int) -> TrainingBatch:
        batch = self.batches.at(step)
        return batch.moved(Tensor.pin_memory) if self.pin else batch
