"""From a run and its stores to a trainer at step 0: networks, alignments, batches and what they are made from."""

import torch
from torch.nn.parallel import DistributedDataParallel

from sra.alignment.build import build_alignments
from sra.core.errors import InputError
from sra.data.store import ArrayStore
from sra.diffusion.process import build_process
from sra.models.build import build_model
from sra.models.trunk import Transformer
from sra.spec.machine import Machine
from sra.spec.run import RunSpec
from sra.training.batches import Batches, Prefetched
from sra.training.conditions import ClassLabels, Conditions, OnlineCaptions
from sra.training.distributed import World
from sra.training.draws import MethodDraws
from sra.training.graphs import check_can_graph
from sra.training.loop import Trainer
from sra.training.objective import Objective
from sra.training.state import TrainingState
from sra.training.targets import OnlineTargets


def set_up(
    spec: RunSpec,
    latents: ArrayStore,
    features: ArrayStore | None,
    device: torch.device,
    machine: Machine = Machine(),
    world: World = World(),
    online: OnlineTargets | None = None,
    captions: Conditions | None = None,
) -> Trainer:
    """The run at step 0. That the stores are the run's own is for `check_inputs` to say, before anything is built.

    latents: store of posterior moments.  features: store of encoder tokens, for REPA alone, or online instead.  captions: what a text-to-image
    model is told; other models are told the classes beside the latents. Raises InputError for what no trainer can be made of.
    """
    if machine.cuda_graphs:
        check_can_graph(spec.run, device, world, online is not None or isinstance(captions, OnlineCaptions))
    check_groups(spec, machine, world.size)
    if (captions is None) != (spec.model.text is None):
        raise InputError(f"run {spec.run}: a text-to-image model needs captions, and no other takes them; give --text STORE.json or leave it out")
    process, model, teacher = build_process(spec.process), _network(spec, device, machine), _network(spec, device, machine)
    encoder_width = online.width if online else features.row_shape[-1] if features else None
    # Moved before the state is built: the optimiser's moments are made where the weights are.
    alignments = build_alignments(spec, encoder_width, spec.training.seed).to(device)

    stores = {"latents": latents} | ({"features": features} if features else {}) | ({"pixels": online.pixels} if online else {})
    conditions = captions or ClassLabels(latents, spec.model.classes)
    data = {role: store.sha256 for role, store in stores.items()} | (online.hashes if online else {}) | conditions.hashes
    data |= {"foreign_latents": latents.facts["foreign"]["sha256"]} if "foreign" in latents.facts else {}
    state = TrainingState(spec, data, model, alignments, teacher.requires_grad_(False).eval())

    def reads(step: int) -> frozenset[str]:
        """What the alignments that weigh anything at a step read."""
        return frozenset().union(*(alignment.reads_at(step) for alignment in alignments.values()))

    uniform, normal = ({name: shape for part in alignments.values() for name, shape in getattr(part, kind).items()} for kind in ("draws", "noises"))
    draws = MethodDraws(uniform, normal)
    batches = Batches(spec, latents, conditions, features, process, world, online.pixels if online else None, reads, draws)
    objective = Objective(process, model, alignments)
    return Trainer(
        spec,
        machine,
        world,
        device,
        state,
        Prefetched(batches, pin=True) if device.type == "cuda" else batches,
        DistributedDataParallel(objective, gradient_as_bucket_view=True) if world.size > 1 else objective,
        conditions,
        online,
    )


def check_groups(spec: RunSpec, machine: Machine, processes: int) -> None:
    """Raises InputError where a loss that compares samples of a group would see parts of one."""
    share = spec.training.batch // processes
    for part in spec.alignment.parts:
        if share % part.groups_of:
            raise InputError(
                f"run {spec.run}: method {part.method} compares samples in groups of {part.groups_of}, which do not divide the {share} images that "
                f"each of {processes} processes has; use fewer processes"
            )
        if (machine.micro_batch or 0) % part.groups_of:
            raise InputError(
                f"run {spec.run}: method {part.method} compares samples in groups of {part.groups_of}, which micro_batch {machine.micro_batch} cuts; "
                f"give a multiple of {part.groups_of}, or none"
            )


def _network(spec: RunSpec, device: torch.device, machine: Machine) -> Transformer:
    model = build_model(spec.model, spec.training.seed).to(device)
    model.recompute_blocks = machine.activation_checkpointing
    if machine.compile:
        # Block by block: one graph serves all blocks, and which of them are tapped makes no new one.
        for block in model.blocks:
            block.compile(dynamic=False)
    return model
