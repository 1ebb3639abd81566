"""SRA 2: an early block predicts the clean latent of its own patches; or, as a control, what the network is trained to predict.

Source: arXiv 2601.17830 (first called VAE-REPA), no public code.
"""

from typing import Self

import torch
from torch import Generator, Tensor

from sra.alignment.base import Alignment, StudentPass
from sra.alignment.distances import distance_of
from sra.alignment.weight_schedule import WeightSchedule
from sra.diffusion.batch import NoisyBatch
from sra.models.heads import Initialize, Projector, initialization_of
from sra.models.initial import initialize_linears
from sra.models.patches import patches_of
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.run import ModelSpec, RunSpec


class Sra2Alignment(Alignment):
    """dist( head( student block m ), the latent in tokens ), averaged over tokens and the numbers of a patch; the latent gets no gradient."""

    def __init__(
        self,
        options: Sra2Options,
        model: ModelSpec,
        schedule: WeightSchedule,
        generator: Generator | None = None,
        initialize: Initialize = initialize_linears,
    ):
        super().__init__(schedule, taps=(options.block,))
        self.options, self.patch = options, model.patch
        wanted = {"latent_mean": options.predicts == "latent" and options.latent == "mean", "channels": options.scale == "unit"}
        self.reads = frozenset(name for name, is_read in wanted.items() if is_read)
        hidden, numbers = round(options.head_width * model.width), model.patch**2 * model.latent.channels
        self.head = Projector(model.width, hidden, numbers, generator, options.head_layers, initialize)
        self.distance = distance_of(options)

    @classmethod
    def of_run(cls, options: Sra2Options, run: RunSpec, encoder_width: int | None, generator: Generator) -> Self:
        return cls(options, run.model, WeightSchedule.of_run(options, run), generator, initialization_of(run.model))

    def loss(self, seen: StudentPass) -> Tensor:
        predicted = self.head(seen.features[self.options.block])
        image = self._predicted_image(seen.batch)
        with torch.autocast(predicted.device.type, enabled=False):
            return self.distance(predicted, patches_of(image, self.patch))

    def _predicted_image(self, batch: NoisyBatch) -> Tensor:
        """(B, C, H, W) float32, as the network sees latents, or standardised."""
        if self.options.predicts == "velocity":
            return batch.process.target(batch)
        latents = batch.latents if self.options.latent == "sample" else batch.latent_mean
        if self.options.scale == "model":
            return latents
        mean, deviation = batch.channels[:, :, :, None, None].unbind(dim=1)
        return (latents - mean) / deviation
