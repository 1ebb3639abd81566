"""The training loop: one step is a function of (run, state, step number), for every family and method."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from sra.core.errors import StageError
from sra.core.progress import Progress
from sra.models.products import autocast
from sra.spec.machine import Machine
from sra.spec.run import RunSpec
from sra.training.batches import Batches, Prefetched, TrainingBatch
from sra.training.conditions import Conditions
from sra.training.distributed import World
from sra.training.ema import ema_decay, update_average
from sra.training.graphs import CudaRecorder, GraphedUpdate, Update, Updated
from sra.training.objective import Objective, Weights
from sra.training.precision import gradient_norm
from sra.training.rolling import RollingStates
from sra.training.state import TrainingState
from sra.training.targets import OnlineTargets

STEPS_BETWEEN_ENTRIES = 10
NEVER = 2**62


class NotFinite(StageError):
    """The loss or its gradient was not finite. step: the first such one."""

    def __init__(self, step: int, message: str):
        super().__init__(message)
        self.step = step


@dataclass
class Trainer:
    """One run in one process, its parts put together by `sra.training.setup`.

    conditions: the classes or captions that condition the model.  online: what makes the targets in each step, where they are not stored.
    """

    spec: RunSpec
    machine: Machine
    world: World
    device: torch.device
    state: TrainingState
    batches: Batches | Prefetched
    objective: Objective | DistributedDataParallel
    conditions: Conditions
    online: OnlineTargets | None = None

    def __post_init__(self):
        self.update: Update = self._update
        if self.machine.cuda_graphs:
            self.update = GraphedUpdate(self._update, self.device, CudaRecorder(), self._before_recording)
        self._average = list(self.state.teacher.parameters())
        self._weights = [parameter.detach() for parameter in self.state.model.parameters()]
        self._first_bad = torch.full((), NEVER, device=self.device)
        self._watched = "the curve"

    def train(self, until: int, rolling: RollingStates | None = None) -> None:
        """Train from the state's step to step `until`. Raises NotFinite when the loss is no longer finite."""
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

    def end_exchange(self) -> None:
        """Let go of the other processes, before `World.leave`: no step can follow."""
        if isinstance(self.objective, DistributedDataParallel):
            self.objective = self.objective.module

    def check_finite(self) -> None:
        """Raises NotFinite when some step since the start was not finite: what came after it must not be saved."""
        first_bad = self.world.minimum(int(self._first_bad))
        if first_bad < NEVER:
            source = f"the last good state is {self.state.on_disk}" if self.state.on_disk else "no state was saved before it"
            raise NotFinite(
                first_bad,
                f"run {self.spec.run}: the loss or its gradient was not finite at step {first_bad}; {source}. Look at {self._watched}; "
                f"try a lower learning rate or alignment weight, or precision {'bf16 or fp32' if self.state.loss_scale else 'fp32'}",
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
        self.batches.wait_until_idle()

    def _gradients(self, batch: TrainingBatch, weights: Weights) -> dict[str, Tensor]:
        """Backward through each part of the batch. Returns the whole batch's mean losses by name, `total` among them, detached."""
        size = self.machine.micro_batch or len(batch)
        starts = range(0, len(batch), size)
        sums: dict[str, Tensor] = {}
        for start in starts:
            part = self._encoded(batch.part(slice(start, start + size)))
            share = len(part) / len(batch)
            with self._gradient_exchange(last=start == starts[-1]):
                with autocast(self.spec.training.precision, self.device):
                    total, losses = self.objective(part, weights, self.state.teacher)
                loss = total * share
                (loss * self.state.loss_scale.scale if self.state.loss_scale else loss).backward()
            for name, value in {**losses, "total": total.detach()}.items():
                sums[name] = sums.get(name, 0.0) + value * share
        return sums

    def _encoded(self, part: TrainingBatch) -> TrainingBatch:
        """The part with its captions as the model reads them, and with the targets that its images give.

        The vision encoder runs under the run's autocast, as in REPA's train.py; the text encoder in float32, as where features are stored.
        """
        part = replace(part, noisy=replace(part.noisy, condition=self.conditions.encoded(part.noisy.condition)))
        if part.images is None:
            return part
        products = autocast(self.spec.training.precision, self.device)
        reads = frozenset().union(*(alignment.reads for alignment in self.state.alignments.values()))
        return replace(part, images=None, targets=self.online.encode(part.images, products, reads))

    def _gradient_exchange(self, last: bool) -> AbstractContextManager:
        """A context for one part's backward pass: processes exchange gradients once a step, with its last part."""
        return nullcontext() if last or self.world.size == 1 else self.objective.no_sync()

    def _log(self, losses: dict[str, Tensor], weights: dict[str, float], norm: Tensor, decay: float) -> dict[str, float | None]:
        """The curve's entry of a step, its losses averaged over all processes. Reading them waits for the GPU, so only every tenth step has one."""
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
