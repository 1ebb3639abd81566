"""From the stores to the noisy batch of a step: a function of (seed, step), of which each process makes its own share."""

import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.data.channels import channel_statistics
from sra.data.latents import posterior_mean, sample_posterior
from sra.data.order import batch_indices
from sra.data.store import ArrayStore
from sra.diffusion.batch import NoisyBatch, Process
from sra.encoders.targets import Targets
from sra.spec.run import RunSpec
from sra.training.conditions import Conditions
from sra.training.distributed import World
from sra.training.draws import MethodDraws, draw_step

FLIPPED_SHARE = 0.5
OF_ENCODER = frozenset({"tokens", "summary", "attention"})


@dataclass(frozen=True)
class TrainingBatch:
    """What a step trains on. draws: (B, ...) uniform in [0, 1) for the alignments, by name.

    targets: of an encoder, or None.  images: (B, S, S, 3) uint8 that targets are still to be made from, or None.
    """

    noisy: NoisyBatch
    draws: dict[str, Tensor]
    targets: Targets | None = None
    images: Tensor | None = None

    def __len__(self) -> int:
        return len(self.noisy.latents)

    @property
    def tensors(self) -> list[Tensor]:
        """Those that there are, always in the same order."""
        images = [] if self.images is None else [self.images]
        return [*self.noisy.tensors, *self.draws.values(), *(self.targets.tensors if self.targets else []), *images]

    def part(self, rows: slice) -> "TrainingBatch":
        """Some of the samples."""
        return self.moved(lambda tensor: tensor[rows])

    def moved(self, move: Callable[[Tensor], Tensor]) -> "TrainingBatch":
        """The batch with every tensor passed through `move`."""
        draws = {name: move(draw) for name, draw in self.draws.items()}
        images = None if self.images is None else move(self.images)
        return TrainingBatch(self.noisy.moved(move), draws, self.targets and self.targets.moved(move), images)


class Batches:
    """Batches by step on the CPU. latents: store of posterior moments. conditions: what the model is told of each image.

    For REPA alone, features: store of encoder tokens, or pixels: of images.

    reads: what the alignments of a step (from 0) read; what none reads is not fetched either.  draws: their random numbers.
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
        reads: Callable[[int], frozenset[str]] = lambda step: frozenset({"tokens"}),
        draws: MethodDraws = MethodDraws(),
    ):
        self.spec, self.latents, self.conditions, self.process = spec, latents, conditions, process
        self.features, self.pixels, self.reads, self.draws = features, pixels, reads, draws
        share = spec.training.batch // world.size  # the stage refuses what does not divide
        self.share = slice(world.rank * share, (world.rank + 1) * share)

    def at(self, step: int) -> TrainingBatch:
        """This process's share of the batch of a step (from 0)."""
        training, latent = self.spec.training, self.spec.model.latent
        # Drawn for the whole batch, then cut: numbers belong to places, not to processes.
        shape = (training.batch, latent.channels, latent.size, latent.size)
        views = [draw_step(training.seed, step, shape, self.draws, view).part(self.share) for view in range(training.views)]
        draws = views[0]  # what belongs to an image and not to a view: whether it is flipped, or its condition dropped
        reads = self.reads(step)
        rows = batch_indices(len(self.latents), training.batch, training.seed, step)[self.share]
        moments = torch.from_numpy(self.latents.rows(rows))
        flipped = draws.flip < FLIPPED_SHARE if training.flips == "latents" else None
        if flipped is not None:
            moments = mirrored(moments, flipped, width=3)
        dropped = (draws.dropout < training.condition_dropout).numpy()
        scaling = self.latents.facts["scaling_factor"]
        noisy = NoisyBatch(
            latents=interleaved([sample_posterior(moments, view.posterior, scaling) for view in views]),
            noise=interleaved([view.noise for view in views]),
            timestep=self.process.timesteps(interleaved([view.time for view in views])),
            condition=interleaved([self._conditions(step, rows, dropped)] * len(views)),
            process=self.process,
            latent_mean=posterior_mean(moments, scaling) if "latent_mean" in reads else None,
            channels=self._channels.expand(len(rows), -1, -1) if "channels" in reads else None,
            undropped=self._conditions(step, rows, np.zeros_like(dropped)) if "undropped" in reads else None,
        )
        stores = (self.features, self.pixels) if reads & OF_ENCODER else (None, None)
        tokens, images = (torch.from_numpy(store.rows(rows)) if store else None for store in stores)
        if flipped is not None:
            tokens = None if tokens is None else mirrored_tokens(tokens, flipped)
            images = None if images is None else mirrored(images, flipped, width=2)
        return TrainingBatch(noisy, draws.methods, None if tokens is None else Targets(tokens), images)

    @cached_property
    def _channels(self) -> Tensor:
        """Of the whole store, (2, C); read when the first step asks for it."""
        return torch.from_numpy(channel_statistics(self.latents))

    def _conditions(self, step: int, rows: np.ndarray, dropped: np.ndarray) -> Tensor:
        return self.conditions.at(self.spec.training.seed, step, rows, self.share.start, dropped)


def interleaved(views: list[Tensor]) -> Tensor:
    """Views (B, ...) of the same images as one tensor (V B, ...), those of one image after each other, so that every part of a batch has both."""
    return views[0] if len(views) == 1 else torch.stack(views, dim=1).flatten(0, 1)


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
