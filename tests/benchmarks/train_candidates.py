"""Who takes part in the benchmark of training steps. Each `build_...` runs in a process of its own and returns its candidates; see apart.Group."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from harness import ROOT, ceiling_candidates
from straight import StraightLoop
from torch import Tensor, nn

from sra.alignment.build import build_alignments
from sra.content.catalogue import Catalogue
from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.diffusion.process import build_process
from sra.models.build import build_model
from sra.models.products import set_float32_products
from sra.spec.machine import Machine
from sra.spec.run import RunSpec
from sra.training.batches import Batches, TrainingBatch
from sra.training.conditions import ClassLabels, StoredCaptions
from sra.training.distributed import World
from sra.training.ema import update_average
from sra.training.loop import Trainer
from sra.training.precision import gradient_norm
from sra.training.setup import set_up

SIZES = ("B", "L", "XL")
RUNS = {size: (f"sit_{size.lower()}2", f"sit_{size.lower()}2_sra") for size in SIZES}
RUNS |= {f"DiT-{size}": (f"dit_{size.lower()}2", f"dit_{size.lower()}2_sra") for size in SIZES} | {"mmdit": ("mmdit", "mmdit_sra")}
OURS, ALIGNED, STRAIGHT, STRAIGHT_ALIGNED, DIFFUSERS = "ours", "ours + SRA", "straight", "straight + SRA", "diffusers"
BATCH, UPDATE, COPY, WRITE = "a batch", "clipping, AdamW and average", "a copy of the state", "the state on the disk"
IMAGES = 64  # that batches are drawn from, or as many as are in one
CAPTIONED_DEPTH = 12  # of MMDiT's 24 blocks: two trainers of all would not fit in 24 GB


def spec_of(run: str, batch: int, precision: str = "fp32") -> RunSpec:
    """A run of the paper's registry, with a small batch; of MMDiT with half the blocks, SRA's at the same shares of the depth."""
    spec = Catalogue(ROOT, "paper").spec(run)
    update = {"training": spec.training.model_copy(update={"batch": batch, "precision": precision})}
    if spec.model.text:
        update["model"] = spec.model.model_copy(update={"depth": CAPTIONED_DEPTH})
        if spec.alignment.method == "sra":
            halves = {end: getattr(spec.alignment, end) * CAPTIONED_DEPTH // spec.model.depth for end in ("student_block", "teacher_block")}
            update["alignment"] = spec.alignment.model_copy(update=halves)
    return spec.model_copy(update=update)


def write_stores(folder: Path, batch: int) -> None:
    """Random moments of images of 256 pixels, enough for a batch, and as many random captions and the empty one."""
    random, images = np.random.default_rng(0), max(IMAGES, batch)
    moments = random.standard_normal((images, 8, 32, 32)).astype(np.float32)
    moments[:, 4:] = 0.1
    _write_store(folder, "latents", moments, np.arange(images), scaling_factor=0.18215)
    text = spec_of("mmdit", 1).model.text
    captions = random.standard_normal((images + 1, text.tokens, text.width)).astype(np.float32)
    _write_store(folder, "text", captions, np.append(np.arange(images), -1), encoder_sha256="", split="train", empty_row=images)


def _write_store(folder: Path, kind: str, rows: np.ndarray, labels: np.ndarray, **facts) -> None:
    shard = shard_path(folder / kind, kind, 0, 1)
    write_shard(shard, kind, range(len(rows)), [rows], {})
    write_manifest(shard.parent / "store.json", kind, [shard], labels, {}, **facts)


def opened(folder: str, kind: str) -> ArrayStore:
    return ArrayStore.open(Path(folder, kind, "store.json"), kind)


def captions_of(spec: RunSpec, folder: str) -> StoredCaptions | None:
    return StoredCaptions(opened(folder, "text")) if spec.model.text else None


def batches_of(spec: RunSpec, folder: str) -> Callable[[int], TrainingBatch]:
    """Those that our trainer takes."""
    latents = opened(folder, "latents")
    conditions = captions_of(spec, folder) or ClassLabels(latents, spec.model.classes)
    return Batches(spec, latents, conditions, None, build_process(spec.process), World()).at


def norms(model: nn.Module) -> list[float]:
    return [parameter.detach().double().norm().item() for _, parameter in sorted(model.named_parameters())]


def trainer_of(folder: str, run: str, batch: int, device: str, precision: str, compiled: bool, graphs: bool = False) -> Trainer:
    set_float32_products(precision)
    spec, machine = spec_of(run, batch, precision), Machine(device=device, compile=compiled, cuda_graphs=graphs)
    return set_up(spec, opened(folder, "latents"), None, torch.device(device), machine, captions=captions_of(spec, folder))


def build_ours(name: str, **options):
    trainer = trainer_of(**options)
    return {name: trainer.step}, partial(norms, trainer.state.model)


def build_both(**options):
    """One run whose alignment weighs something in one candidate, and nothing in the other."""
    trainer = trainer_of(**options)
    alignment = trainer.state.alignments["sra"]

    def plain() -> None:
        weight, alignment.weight = alignment.weight, lambda step: 0.0
        trainer.step()
        alignment.weight = weight

    return {ALIGNED: trainer.step, OURS: plain}, None


def build_parts(**options):
    """What a step and the saving of a state do beside the networks. The state is written as a rolling one is, but training waits for it."""
    trainer = trainer_of(**options)
    trainer.step()
    state, count = trainer.state, iter(range(1 << 30))
    gradients = [tensor.grad for tensor in state.trained.values()]
    average, weights = list(state.teacher.parameters()), [parameter.detach() for parameter in state.model.parameters()]

    def update() -> None:
        _, divisor = gradient_norm(gradients, trainer.spec.training.gradient_clip, None)
        state.optimizer.update(divisor)
        update_average(average, weights, trainer.spec.training.ema.decay)

    copies = {COPY: partial(state.snapshot, copied=True), WRITE: partial(state.save, Path(options["folder"], "state.safetensors"))}
    return {ALIGNED: trainer.step, BATCH: lambda: trainer.batch(next(count)), UPDATE: update} | copies, None


def build_straight(name: str, folder: str, run: str, batch: int, device: str):
    """As released on a GPU: fp16, and TF32 for what stays float32, the teacher among it."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    spec, mixed = spec_of(run, batch), torch.float16 if device == "cuda" else None
    alignments = build_alignments(spec, None, spec.training.seed)
    head = alignments["sra"].head if "sra" in alignments else None
    weights = build_model(spec.model, spec.training.seed).state_dict()
    loop, batches, count = StraightLoop(spec, weights, head, torch.device(device), mixed), batches_of(spec, folder), iter(range(1 << 30))
    return {name: lambda: loop.step(batches(next(count)))}, lambda: None if loop.left_out else norms(loop.model)


def diffusers_dit(spec: RunSpec) -> nn.Module:
    """Of the size of the run's model."""
    from diffusers import DiTTransformer2DModel

    model = spec.model
    return DiTTransformer2DModel(
        num_attention_heads=model.heads,
        attention_head_dim=model.width // model.heads,
        in_channels=model.latent.channels,
        out_channels=model.latent.channels,
        num_layers=model.depth,
        sample_size=model.latent.size,
        patch_size=model.patch,
        num_embeds_ada_norm=model.classes,
    )


def diffusers_mmdit(spec: RunSpec) -> nn.Module:
    """Of the size of the run's model; beside time it is told the mean of a caption's tokens, in two small layers more."""
    from diffusers import SD3Transformer2DModel

    model = spec.model
    return SD3Transformer2DModel(
        sample_size=model.latent.size,
        patch_size=model.patch,
        in_channels=model.latent.channels,
        out_channels=model.latent.channels,
        num_layers=model.depth,
        attention_head_dim=model.width // model.heads,
        num_attention_heads=model.heads,
        joint_attention_dim=model.text.width,
        caption_projection_dim=model.width,
        pooled_projection_dim=model.text.width,
        pos_embed_max_size=model.latent.size // model.patch,
    )


def diffusers_network(spec: RunSpec) -> tuple[nn.Module, Callable[[Tensor, Tensor, Tensor], Tensor]]:
    """The network, and it as a function of noisy latents (B, C, H, W), time (B,) and the condition."""
    if spec.model.text:
        mmdit = diffusers_mmdit(spec)
        return mmdit, lambda x, time, text: mmdit(x, encoder_hidden_states=text, pooled_projections=text.mean(1), timestep=time).sample
    dit = diffusers_dit(spec)
    return dit, lambda x, time, labels: dit(x, timestep=time, class_labels=labels.clamp(max=spec.model.classes - 1)).sample


def build_diffusers(name: str, folder: str, run: str, batch: int, device: str):
    """Its transformer and its average of the weights, in the plainest loop."""
    from diffusers.training_utils import EMAModel

    torch.backends.cuda.matmul.fp32_precision = "tf32"
    spec = spec_of(run, batch)
    model, predict = diffusers_network(spec)
    model.to(device)
    average, batches, count = EMAModel(model.parameters(), decay=spec.training.ema.decay), batches_of(spec, folder), iter(range(1 << 30))
    average.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.training.learning_rate, weight_decay=0)

    def step() -> float:
        noisy = batches(next(count)).moved(lambda tensor: tensor.to(device)).noisy
        predicted = predict(noisy.noisy, noisy.timestep, noisy.condition)
        loss = (predicted - (noisy.noise - noisy.latents)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.training.gradient_clip)
        optimizer.step()
        average.step(model.parameters())
        return loss.item()

    return {name: step}, None


def build_ceilings(device: str, precision: str):
    return ceiling_candidates(device, precision)[0], None
