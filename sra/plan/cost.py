"""What training a run costs, in closed form: parameters, FLOPs, memory, bytes on disk.

One multiply-add is 2 FLOPs. Only matrix products count, attention's included; norms, activations and the optimiser move bytes but
compute little. The "Gflops" of Peebles & Xie 2023 (arXiv 2212.09748, Table 1), which SiT, REPA and SRA take over, are multiply-adds:
double them to compare. The layers are those of figure 3 there; the tests hold every formula against the network itself.
"""

from dataclasses import dataclass, fields
from itertools import pairwise
from math import ceil

from sra.spec.machine import Machine
from sra.spec.method import MethodOptions, RepaOptions, SraOptions
from sra.spec.run import ModelSpec, RunSpec

TIME_FREQUENCIES = 256
FP32, HALF = 4, 2  # bytes


@dataclass(frozen=True)
class TrainingFlops:
    """Of one image in one training step, at a step where every alignment with a weight is on."""

    student: int  # forward and backward
    teacher: int  # forward to the target's block, no backward
    heads: int  # SRA's head and REPA's projector with their losses' products, forward and backward
    recomputed: int  # the blocks' second forward under activation checkpointing

    @property
    def total(self) -> int:
        return self.student + self.teacher + self.heads + self.recomputed

    @property
    def surcharge(self) -> float:
        """What alignment adds, as a share of the same training without it."""
        return (self.teacher + self.heads) / (self.student + self.recomputed)


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes in one process at the end of a forward pass, the peak but for what one layer needs while it runs."""

    weights: int  # student and heads
    gradients: int
    moments: int  # AdamW's two
    teacher: int  # the averaged model
    copies: int  # half-precision weights that autocast holds until the backward pass is done
    activations: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


def parameters(model: ModelSpec) -> int:
    """Learnt numbers of the transformer; its fixed positions (tokens x width) are not among them."""
    d = model.width
    block = 18 * d**2 + 15 * d
    final = 2 * d**2 + 2 * d + (d + 1) * _patch_outputs(model)
    return model.depth * block + (_patch_inputs(model) + 1) * d + _time_parameters(model) + _label_parameters(model) + final


def head_parameters(options: MethodOptions, width: int, encoder_width: int | None = None) -> int:
    """Of an alignment's head; dropped after training. `encoder_width` is that of the encoder's features, for REPA alone."""
    return sum(into * out + out for into, out in pairwise(_head_widths(options, width, encoder_width)))


def forward_flops(model: ModelSpec, blocks: int | None = None) -> int:
    """One image through the model; with `blocks`, only until that block, as a teacher runs: no later block and no final layer."""
    n, d = model.tokens, model.width
    embeddings = n * _patch_inputs(model) * d + TIME_FREQUENCIES * d + d**2
    final = 2 * d**2 + n * d * _patch_outputs(model)
    if blocks is not None:
        return 2 * embeddings + blocks * block_flops(model)
    return 2 * (embeddings + final) + model.depth * block_flops(model)


def block_flops(model: ModelSpec) -> int:
    """One image through one block. Per token 12 d^2 multiply-adds: qkv 3, projection 1, the MLP 4 + 4; scores and values n d each.

    adaLN takes 6 d^2 an image, whatever the tokens.
    """
    n, d = model.tokens, model.width
    return 2 * (12 * n * d**2 + 2 * n**2 * d + 6 * d**2)


def training_flops(run: RunSpec, encoder_width: int | None = None, checkpointing: bool = False) -> TrainingFlops:
    """A backward pass costs two forward passes: the gradients of each layer's input and of its weights.

    An alignment of weight 0 costs nothing, since the loop then leaves out its head and its teacher.
    """
    model, parts = run.model, [part for part in run.alignment.parts if part.weight]
    return TrainingFlops(
        student=3 * forward_flops(model),
        teacher=sum(forward_flops(model, part.teacher_block) for part in parts if isinstance(part, SraOptions)),
        heads=sum(_head_flops(part, model, encoder_width) for part in parts),
        recomputed=model.depth * block_flops(model) if checkpointing else 0,
    )


def training_memory(run: RunSpec, machine: Machine, encoder_width: int | None = None) -> TrainingMemory:
    """Of one training process. Compiled code keeps fewer activations than this."""
    model = run.model
    in_model = parameters(model)
    trained = in_model + _heads_parameters(run, encoder_width)
    # Label and time embeddings stay in fp32; the teacher's copies are dropped layer by layer, as it needs no gradients.
    cast = trained - _label_parameters(model) - _time_parameters(model) if _is_half(run) else 0
    return TrainingMemory(
        weights=FP32 * trained,
        gradients=FP32 * trained,
        moments=2 * FP32 * trained,
        teacher=FP32 * in_model,
        copies=HALF * cast,
        activations=images_at_once(run, machine) * _activation_bytes(run, machine.activation_checkpointing, encoder_width),
    )


def images_at_once(run: RunSpec, machine: Machine) -> int:
    """Images in one process's forward pass: its share of the batch, or a micro-batch of it."""
    share = ceil(run.training.batch / machine.processes)
    return min(share, machine.micro_batch or share)


def state_bytes(run: RunSpec, encoder_width: int | None = None) -> int:
    """A training state on disk: student, averaged model and two moments in fp32, with the heads. Its header adds some kilobytes."""
    in_model = parameters(run.model)
    return FP32 * (3 * (in_model + _heads_parameters(run, encoder_width)) + in_model)


def _activation_bytes(run: RunSpec, checkpointing: bool, encoder_width: int | None) -> int:
    """What autograd keeps of one image. Left out: what is smaller than tokens x width, such as the condition and attention's logsumexp."""
    model, computed = run.model, HALF if _is_half(run) else FP32
    stream = model.tokens * model.width
    # A block keeps the residual stream and its norm, twice, in fp32 whatever the precision of the matrix products. In that precision
    # it keeps qkv (3), attention's output, the MLP's hidden layer before and after GELU (8), and twice a branch's input and output (4).
    block = stream * (4 * FP32 + 16 * computed)
    # Checkpointing keeps each block's input, and all of the one block that the backward pass is at.
    blocks = model.depth * stream * FP32 + block if checkpointing else model.depth * block
    # The final layer keeps its input, its norm and that modulated; around it all stand the input's patches and the loss's error.
    ends = stream * (2 * FP32 + computed) + model.tokens * (_patch_inputs(model) * computed + _patch_outputs(model) * FP32)
    heads = sum(_head_activation_bytes(part, model, encoder_width, computed) for part in run.alignment.parts if part.weight)
    return blocks + ends + heads


def _head_activation_bytes(options: MethodOptions, model: ModelSpec, encoder_width: int | None, computed: int) -> int:
    """Hidden layers before and after SiLU; the loss keeps prediction and target in fp32."""
    *hidden, out = _head_widths(options, model.width, encoder_width)
    return model.tokens * (2 * sum(hidden[1:]) * computed + 2 * out * FP32)


def _head_flops(options: MethodOptions, model: ModelSpec, encoder_width: int | None) -> int:
    widths = _head_widths(options, model.width, encoder_width)
    head = 2 * model.tokens * sum(into * out for into, out in pairwise(widths))
    # nt_xent compares every token with every target; a target has no gradient.
    contrast = 2 * model.tokens**2 * widths[-1] if isinstance(options, RepaOptions) and options.objective == "nt_xent" else 0
    return 3 * head + 2 * contrast


def _heads_parameters(run: RunSpec, encoder_width: int | None) -> int:
    return sum(head_parameters(part, run.model.width, encoder_width) for part in run.alignment.parts)


def _head_widths(options: MethodOptions, width: int, encoder_width: int | None) -> tuple[int, ...]:
    """Widths of a head's layers from the student's features to the target's (SRA, section 3.2; REPA's released build_mlp)."""
    if isinstance(options, SraOptions):
        return (width, 2 * width, width) if options.head == "mlp" else (width,)
    if isinstance(options, RepaOptions):
        if encoder_width is None:
            raise ValueError(f"REPA's cost depends on the width of encoder {options.encoder}; give it")
        return (width, *[options.projector_width] * (options.projector_layers - 1), encoder_width)
    raise TypeError(f"no cost is known for a part of method {options.method}")


def _time_parameters(model: ModelSpec) -> int:
    return (TIME_FREQUENCIES + 1) * model.width + (model.width + 1) * model.width


def _label_parameters(model: ModelSpec) -> int:
    """One row a class and one for "no class"."""
    return (model.classes + 1) * model.width


def _patch_inputs(model: ModelSpec) -> int:
    return model.patch**2 * model.latent.channels


def _patch_outputs(model: ModelSpec) -> int:
    return _patch_inputs(model) * (2 if model.learns_variance else 1)


def _is_half(run: RunSpec) -> bool:
    return run.training.precision in ("bf16", "fp16")
