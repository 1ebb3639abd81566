"""The training loop: one step is a function of (run, state, step number), for every family and method."""

import math
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from sra.alignment.build import build_alignment
from sra.core.errors import InputError, StageError
from sra.core.progress import Progress
from sra.data.latents import sample_posterior
from sra.data.order import batch_indices
from sra.data.store import ArrayStore
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.process import build_process
from sra.models.dit import build_model
from sra.spec.run import RunSpec
from sra.training.draws import draw_step
from sra.training.ema import ema_decay, update_average
from sra.training.rolling import RollingStates
from sra.training.state import TrainingState

STEPS_BETWEEN_ENTRIES = 10


class Trainer:
    """One run on one device. latents: store of posterior moments; features: store of encoder tokens, for REPA alone."""

    def __init__(self, spec: RunSpec, latents: ArrayStore, features: ArrayStore | None, device: torch.device):
        self.spec, self.latents, self.features, self.device = spec, latents, features, device
        self.process = build_process(spec.process)
        model = build_model(spec.model, spec.training.seed)
        alignment = build_alignment(spec, features.row_shape[-1] if features else None, spec.training.seed)
        teacher = build_model(spec.model, spec.training.seed).requires_grad_(False)
        self._check_inputs(alignment.needs_targets)
        # Moved before the state is built: the optimiser's moments are made where the weights are.
        self.state = TrainingState(spec, model.to(device), alignment.to(device), teacher.to(device).eval())
        self._average = list(teacher.parameters())
        self._weights = [parameter.detach() for parameter in model.parameters()]

    def train(self, until: int, rolling: RollingStates | None = None) -> None:
        """Train from the state's step to step `until`. Raises StageError when the loss is no longer finite."""
        state = self.state
        with Progress(f"train {self.spec.run}", until, "steps", done=state.step) as progress:
            while state.step < until:
                entry = self.step()
                shown = {"loss": entry["loss"]} if entry else {}
                progress.advance(1, **shown)
                if rolling:
                    rolling.after_step(state)

    def step(self) -> dict[str, float] | None:
        """One optimiser step; returns the curve's entry when this step is logged."""
        state, spec = self.state, self.spec.training
        batch, draw, targets = self.batch(state.step)

        # Generation loss, and the alignment where it weighs anything: at weight 0 neither head nor teacher runs.
        weight = state.alignment.weight(state.step)
        with self._autocast():
            output, features = state.model(batch.noisy, batch.timestep, batch.labels, taps=state.alignment.taps if weight else ())
            generation = self.process.loss(output, batch).mean()
            alignment = state.alignment.loss(batch, features, state.teacher, draw, targets) if weight else None
        loss = generation if alignment is None else generation + weight * alignment

        # Gradients, clipped by their global norm.
        for tensor in state.trained.values():
            tensor.grad = None
        loss.backward()
        for tensor in state.trained.values():
            if tensor.grad is None:  # a head whose loss has weight 0 at this step
                tensor.grad = torch.zeros_like(tensor)
        norm = torch.nn.utils.clip_grad_norm_(state.trained.values(), spec.gradient_clip)

        # Weights, then their average.
        state.optimizer.update(state.step)
        decay = ema_decay(spec.ema, state.step, spec.ema_steps, spec.paper_steps_per_step)
        update_average(self._average, self._weights, decay)
        state.step += 1
        return self._log(generation, alignment, weight, norm, decay)

    def batch(self, step: int) -> tuple[NoisyBatch, Tensor, Tensor | None]:
        """The noisy batch of a step, the alignment's uniform draw (B,), and encoder tokens (B, N, E) for REPA."""
        spec = self.spec
        rows = batch_indices(len(self.latents), spec.training.batch, spec.training.seed, step)
        shape = (len(rows), spec.model.latent.channels, spec.model.latent.size, spec.model.latent.size)
        draws = draw_step(spec.training.seed, step, shape)
        moments = torch.from_numpy(self.latents.rows(rows))
        labels = torch.from_numpy(np.array(self.latents.labels[rows]))
        # Student and teacher share the dropped labels (released code, SiT-SRA/train.py).
        labels = torch.where(draws.dropout < spec.training.label_dropout, self.state.model.null_label, labels)
        targets = torch.from_numpy(self.features.rows(rows)).to(self.device) if self.features else None
        batch = NoisyBatch(
            latents=sample_posterior(moments, draws.posterior, self.latents.facts["scaling_factor"]).to(self.device),
            noise=draws.noise.to(self.device),
            timestep=self.process.timesteps(draws.time).to(self.device),
            labels=labels.to(self.device),
            process=self.process,
        )
        return batch, draws.interval.to(self.device), targets

    def _log(self, generation: Tensor, alignment: Tensor | None, weight: float, norm: Tensor, decay: float) -> dict[str, float] | None:
        """Every tenth step's losses; reading them from a GPU waits for it, so not every step's."""
        if self.state.step % STEPS_BETWEEN_ENTRIES:
            return None
        entry = {
            "step": self.state.step,
            "loss": generation.item() + (weight * alignment.item() if alignment is not None else 0.0),
            "generation": generation.item(),
            "alignment": alignment.item() if alignment is not None else None,
            "weight": weight,
            "gradient_norm": norm.item(),
            "ema_decay": decay,
        }
        if not math.isfinite(entry["loss"]) or not math.isfinite(entry["gradient_norm"]):
            raise StageError(
                f"run {self.spec.run}: the loss is {entry['loss']} and the gradient norm {entry['gradient_norm']} at step {entry['step']}; "
                f"see the curve and lower the learning rate or the alignment weight, or train in float32"
            )
        self.state.curve.append(entry)
        return entry

    def _autocast(self):
        if self.spec.training.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.spec.training.precision))

    def _check_inputs(self, needs_features: bool) -> None:
        latent = self.spec.model.latent
        expected = (2 * latent.channels, latent.size, latent.size)
        if self.latents.row_shape != expected:
            raise InputError(
                f"{self.latents.manifest}: rows are {self.latents.row_shape}, run {self.spec.run} needs {expected}; "
                f"extract the latents with the VAE of its preset"
            )
        if len(self.latents.labels) and int(self.latents.labels.max()) >= self.spec.model.classes:
            raise InputError(f"{self.latents.manifest}: holds class {int(self.latents.labels.max())}, the model has {self.spec.model.classes}")
        if needs_features and self.features is None:
            raise InputError(f"run {self.spec.run}: needs the features of encoder {self.spec.alignment.encoder}; give --features STORE.json")
        if self.features and (len(self.features) != len(self.latents) or self.features.row_shape[0] != self.spec.model.tokens):
            raise InputError(
                f"{self.features.manifest}: {len(self.features)} images of {self.features.row_shape[0]} tokens, run {self.spec.run} "
                f"needs {len(self.latents)} of {self.spec.model.tokens}; extract features of the same images"
            )
