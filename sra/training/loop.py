"""The training loop: one step is a function of (run, state, step number), for every family and method."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from sra.alignment.build import build_alignments
from sra.core.errors import InputError, StageError
from sra.core.progress import Progress
from sra.data.store import ArrayStore
from sra.diffusion.process import build_process
from sra.models.build import Transformer, build_model
from sra.spec.machine import Machine
from sra.spec.run import RunSpec
from sra.training.batches import Batches, Prefetched, TrainingBatch, check_inputs
from sra.training.conditions import ClassLabels, Conditions, OnlineCaptions
from sra.training.distributed import World
from sra.training.ema import ema_decay, update_average
from sra.training.graphs import CudaRecorder, GraphedUpdate, Update, Updated, check_can_graph
from sra.training.objective import Objective, Weights
from sra.training.precision import autocast, gradient_norm
from sra.training.rolling import RollingStates
from sra.training.state import TrainingState
from sra.training.targets import OnlineTargets

STEPS_BETWEEN_ENTRIES = 10
NEVER = 2**62


class Trainer:
    """One run in one process. latents: store of posterior moments; features: store of encoder tokens, for REPA alone, or online instead.

    captions: what a text-to-image model is told; other models are told the classes beside the latents.
    """

    def __init__(
        self,
        spec: RunSpec,
        latents: ArrayStore,
        features: ArrayStore | None,
        device: torch.device,
        machine: Machine = Machine(),
        world: World = World(),
        online: OnlineTargets | None = None,
        captions: Conditions | None = None,
    ):
        if machine.cuda_graphs:
            check_can_graph(spec.run, device, world, online is not None or isinstance(captions, OnlineCaptions))
        check_inputs(spec, latents, features, online.pixels if online else None, getattr(captions, "text", None))
        if (captions is None) != (spec.model.text is None):
            raise InputError(f"run {spec.run}: a text-to-image model needs captions, and no other takes them; give --text STORE.json or leave it out")
        self.spec, self.device, self.machine, self.world, self.online = spec, device, machine, world, online
        process = build_process(spec.process)
        model = self._built(spec)
        teacher = self._built(spec).requires_grad_(False).eval()
        encoder_width = online.width if online else features.row_shape[-1] if features else None
        alignments = build_alignments(spec, encoder_width, spec.training.seed).to(device)
        # Moved before the state is built: the optimiser's moments are made where the weights are.
        stores = {"latents": latents} | ({"features": features} if features else {}) | ({"pixels": online.pixels} if online else {})
        self.conditions = captions or ClassLabels(latents, spec.model.classes)
        data = {role: store.sha256 for role, store in stores.items()} | (online.hashes if online else {}) | self.conditions.hashes
        data |= {"foreign_latents": latents.facts["foreign"]["sha256"]} if "foreign" in latents.facts else {}
        self.state = TrainingState(spec, data, model, alignments, teacher)
        self._average = list(teacher.parameters())
        self._weights = [parameter.detach() for parameter in model.parameters()]

        batches = Batches(spec, latents, self.conditions, features, process, world, online.pixels if online else None, self._reads_targets)
        self.batches = Prefetched(batches, pin=True) if device.type == "cuda" else batches
        self.objective = Objective(process, model, alignments)
        if world.size > 1:
            self.objective = DistributedDataParallel(self.objective, gradient_as_bucket_view=True)
        self.update: Update = self._update
        if machine.cuda_graphs:
            self.update = GraphedUpdate(self._update, device, CudaRecorder(), self._before_recording)
        self._first_bad = torch.full((), NEVER, device=device)
        self._watched = "the curve"

    def train(self, until: int, rolling: RollingStates | None = None) -> None:
        """Train from the state's step to step `until`. Raises StageError when the loss is no longer finite."""
        state = self.state
        if rolling:
            rolling.begin(state)
            self._watched = str(rolling.curve)
        with Progress(f"train {self.spec.run}", until, "steps", done=state.step, shown=self.world.leads) as progress:
            while state.step < until:
                entry = self.step()
                progress.advance(1, **({"loss": entry["loss"]} if entry else {}))
                if rolling and entry:
                    rolling.log(entry)
                if rolling and rolling.due():
                    self.check_finite()
                    rolling.save(state)
        self.check_finite()

    def step(self) -> dict[str, float | None] | None:
        """One optimiser step; returns the curve's entry when this step is logged."""
        state, spec = self.state, self.spec.training
        batch = self.batch(state.step)
        weights = {name: alignment.weight(state.step) for name, alignment in state.alignments.items()}

        # Weights, then their average.
        losses, norm = self.update(batch, {name: weight for name, weight in weights.items() if weight})
        decay = ema_decay(spec.ema, state.step, spec.ema_steps, spec.paper_steps_per_step)
        update_average(self._average, self._weights, decay)
        state.step += 1

        # Whether all was finite is kept on the device: asking at every step would wait for the GPU.
        finite = losses["total"].isfinite() if state.loss_scale else losses["total"].isfinite() & norm.isfinite()
        self._first_bad = torch.where(finite, self._first_bad, self._first_bad.clamp(max=state.step))
        return None if state.step % STEPS_BETWEEN_ENTRIES else self._log(losses, weights, norm, decay)

    def batch(self, step: int) -> TrainingBatch:
        """This process's share of the batch of a step, on the device; in pinned memory where a graph has places on the device for it."""
        batch = self.batches.at(step)
        return batch if self.machine.cuda_graphs else batch.moved(lambda tensor: tensor.to(self.device, non_blocking=True))

    def check_finite(self) -> None:
        """Raises StageError when some step since the start was not finite: what came after it must not be saved."""
        first_bad = self.world.least(int(self._first_bad))
        if first_bad < NEVER:
            source = f"the last good state is {self.state.on_disk}" if self.state.on_disk else "no state was saved before it"
            raise StageError(
                f"run {self.spec.run}: the loss or its gradient was not finite at step {first_bad}; {source}. Look at {self._watched}; "
                f"try a lower learning rate or alignment weight, or precision {'bf16 or fp32' if self.state.loss_scale else 'fp32'}"
            )
        if self.state.loss_scale:
            self.state.loss_scale.check(self.spec.run, self.state.step)

    def _update(self, batch: TrainingBatch, weights: Weights) -> Updated:
        """One update of the trained weights. A CUDA graph may repeat it, so it asks the device for nothing and keeps nothing in Python."""
        state = self.state
        # Gradients of the whole batch, added up over its parts; the update clips them by their global norm.
        self._drop_gradients()
        losses = self._gradients(batch, weights)
        norm, divisor = gradient_norm([tensor.grad for tensor in state.trained.values()], self.spec.training.gradient_clip, state.loss_scale)

        # In fp16 a step that overflowed changes no weight.
        overflowed = None if state.loss_scale is None else (~norm.isfinite()).float()
        state.optimizer.update(divisor, overflowed)
        if state.loss_scale:
            state.loss_scale.after_step(overflowed)
        return losses, norm

    def _drop_gradients(self) -> None:
        for tensor in self.state.trained.values():
            tensor.grad = None

    def _before_recording(self) -> None:
        self._drop_gradients()
        self.batches.settle()

    def _gradients(self, batch: TrainingBatch, weights: Weights) -> dict[str, Tensor]:
        """Backward through each part of the batch. Returns the whole batch's mean losses by name, `total` among them, detached."""
        size = self.machine.micro_batch or len(batch)
        starts = range(0, len(batch), size)
        sums: dict[str, Tensor] = {}
        for start in starts:
            part = self._encoded(batch.part(slice(start, start + size)))
            share = len(part) / len(batch)
            with self._collecting(last=start == starts[-1]):
                with autocast(self.spec.training.precision, self.device):
                    total, losses = self.objective(part, weights, self.state.teacher)
                loss = total * share
                (loss * self.state.loss_scale.scale if self.state.loss_scale else loss).backward()
            for name, value in {**losses, "total": total.detach()}.items():
                sums[name] = sums.get(name, 0.0) + value * share
        return sums

    def _reads_targets(self, step: int) -> bool:
        """Whether an alignment that compares with an encoder weighs anything at a step."""
        return any(alignment.reads_targets and alignment.weight(step) for alignment in self.state.alignments.values())

    def _encoded(self, part: TrainingBatch) -> TrainingBatch:
        """The same with its captions as the model reads them and the targets that its images give.

        The vision encoder runs under the run's autocast, as in REPA's train.py; the text encoder in float32, as where features are stored.
        """
        part = replace(part, noisy=replace(part.noisy, condition=self.conditions.encoded(part.noisy.condition)))
        if part.images is None:
            return part
        products = autocast(self.spec.training.precision, self.device)
        return replace(part, images=None, targets=self.online.tokens(part.images, products))

    def _collecting(self, last: bool) -> AbstractContextManager:
        """Processes exchange gradients once a step, with its last part."""
        return nullcontext() if last or self.world.size == 1 else self.objective.no_sync()

    def _log(self, losses: dict[str, Tensor], weights: dict[str, float], norm: Tensor, decay: float) -> dict[str, float | None]:
        """Every tenth step's losses over all processes; reading them waits for the GPU, so not every step's."""
        self.check_finite()
        names = list(losses)
        means = dict(zip(names, self.world.mean(torch.stack([losses[name].float() for name in names])).tolist(), strict=True))
        total = means.pop("total")
        entry = {"step": self.state.step, "loss": total, **means, "ema_decay": decay}
        entry["gradient_norm"] = norm.item() if norm.isfinite() else None  # an overflow of fp16, whose step changed nothing
        entry |= {f"{name}_weight": weight for name, weight in weights.items()}
        entry["alignment_share"] = sum(weight * means.get(name, 0.0) for name, weight in weights.items()) / total
        if self.state.loss_scale:
            entry["loss_scale"] = self.state.loss_scale.scale.item()
        self.state.curve.append(entry)
        return entry

    def _built(self, spec: RunSpec) -> Transformer:
        model = build_model(spec.model, spec.training.seed).to(self.device)
        model.recompute_blocks = self.machine.activation_checkpointing
        if self.machine.compile:
            # Block by block: one graph serves all blocks, and which of them are tapped makes no new one.
            for block in model.blocks:
                block.compile(dynamic=False)
        return model
