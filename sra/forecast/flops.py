"""What a run costs, in closed form: parameters, FLOPs of training, of sampling and of the networks around it, memory, bytes on disk.

One multiply-add is 2 FLOPs. Only matrix products count, attention's included; norms, activations and the optimiser move bytes but
compute little. The "Gflops" of Peebles & Xie 2023 (arXiv 2212.09748, Table 1), which SiT, REPA and SRA take over, are multiply-adds:
double them to compare. The layers are those of figure 3 there and of figure 2 in Esser et al. 2024 (arXiv 2403.03206); the tests hold every
formula against the network itself.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from math import ceil

from sra.forecast.method_costs import FP32, part_cost
from sra.spec.machine import Machine
from sra.spec.methods.base import MethodOptions
from sra.spec.run import ModelSpec, RunSpec
from sra.spec.samplers import EulerSampler, HeunSampler, Sampler, SdeSampler

TIME_FREQUENCIES = 256
HALF = 2  # bytes


# Of one image, by its size; counted by torch's FLOP counter in the tests.
DECODER_FLOPS = {
    "sd_vae_ft_ema": {256: 622_187_282_432, 512: 2_514_518_933_504},
    "digits_vae": {32: 31_787_008, 64: 127_148_032},
    "scenes_vae": {32: 31_787_008},
    "fashion_vae": {32: 125_962_240},
    "fashion_toy_vae": {32: 31_787_008},
    "fashion_cpu_vae": {32: 31_787_008},
}
ENCODER_FLOPS = {
    "sd_vae_ft_ema": {256: 272_722_165_760, 512: 1_116_658_466_816},
    "digits_vae": {32: 12_083_200, 64: 48_332_800},
    "scenes_vae": {32: 12_083_200},
    "fashion_vae": {32: 46_833_664},
    "fashion_toy_vae": {32: 12_083_200},
    "fashion_cpu_vae": {32: 12_083_200},
}
# Inception sees 299 x 299 pixels whatever the image has.
EXTRACTOR_FLOPS = {
    "inception_2015": 11_422_336_192,
    "digits_cnn": 2_544_896,
    "fashion_cnn": 9_513_472,
    "fashion_toy_cnn": 2_544_896,
    "fashion_cpu_cnn": 9_513_472,
    "fashion_rotation": 30_065_664,
    "fashion_toy_rotation": 7_823_872,
    "fashion_cpu_rotation": 7_823_872,
}


@dataclass(frozen=True)
class _Stream:
    """What a block does to the tokens of one modality but for the attention's scores, which all modalities share. Counts, of a width D."""

    tokens: int
    maps: int  # D x D weights that every token meets
    biases: int  # of those maps, D each
    modulations: int  # shifts, scales and gates: each a map of the condition, with its bias, whatever the tokens
    kept_fp32: int  # tensors of tokens x D that autograd keeps in fp32 whatever the precision of the matrix products
    kept_computed: int  # and in that precision

    def parameters(self, width: int) -> int:
        return (self.maps + self.modulations) * width**2 + (self.biases + self.modulations) * width

    def flops(self, width: int) -> int:
        return 2 * (self.tokens * self.maps + self.modulations) * width**2

    def kept_bytes(self, width: int, computed: int) -> int:
        return self.tokens * width * (self.kept_fp32 * FP32 + self.kept_computed * computed)


def _streams(model: ModelSpec, block: int) -> list[_Stream]:
    """The modalities of a block, counted from 1: the image, and the text where the condition is one."""
    if model.text is None:
        return [_whole(model.tokens + (model.summary_width is not None))]
    text = (_only_attended_to if block == model.depth else _in_joint_block)(model.text.tokens)
    return [_in_joint_block(model.tokens), text]


def _whole(tokens: int) -> _Stream:
    """qkv 3, projection 1 and the MLP 4 + 4 with two norms, each shifted, scaled and gated.

    It keeps the residual stream and its norm, twice, in fp32; as they are computed it keeps qkv (3), attention's output, the MLP's hidden layer
    before and after GELU (8), and twice a branch's input and output (4).
    """
    return _Stream(tokens, maps=12, biases=9, modulations=6, kept_fp32=4, kept_computed=16)


def _in_joint_block(tokens: int) -> _Stream:
    """The same, and its part of attention's output a second time, apart from the other modality's."""
    return replace(_whole(tokens), kept_computed=17)


def _only_attended_to(tokens: int) -> _Stream:
    """The text in the last block of an MMDiT: qkv of one norm, shifted and scaled. It keeps stream and norm; input, qkv and attention's output."""
    return _Stream(tokens, maps=3, biases=3, modulations=2, kept_fp32=2, kept_computed=5)


@dataclass(frozen=True)
class TrainingFlops:
    """Of one image in one training step."""

    student: int  # forward and backward, without the extra token
    teacher: int  # forward to the target's block, no backward
    heads: int  # of the alignments, with their losses' products, forward and backward
    recomputed: int  # the blocks' second forward under activation checkpointing
    extra_token: int = 0  # what it adds to the student, forward and backward (REG)
    encoder: int = 0  # forward of a vision encoder that makes REPA's targets in each step
    text_encoder: int = 0  # forward of one that encodes the caption in each step

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def surcharge(self) -> float:
        """What alignment adds, as a share of the same training without it."""
        added = self.teacher + self.heads + self.extra_token + self.encoder
        return added / (self.total - added)


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


def parameters(model: ModelSpec, blocks: int | None = None) -> int:
    """Learnt numbers of the transformer; its fixed positions (tokens x width) are not among them.

    With `blocks`, only those of the embeddings and of so many blocks, as a teacher runs. That is what SRA, Table 7 counts as extra parameters:
    B to block 8 comes to 86.6 M, L to 16 to 304.6 M, XL to 20 to 480.9 M, printed as 87M, 305M and 481M.
    """
    d = model.width
    in_blocks = sum(stream.parameters(d) for block in _blocks(model)[:blocks] for stream in _streams(model, block))
    embeddings = (_patch_inputs(model) + 1) * d + _time_parameters(model) + _label_parameters(model) + _text_parameters(model)
    if blocks is not None:
        return embeddings + in_blocks
    return embeddings + in_blocks + 2 * d**2 + 2 * d + (d + 1) * _patch_outputs(model) + summary_parameters(model)


def summary_parameters(model: ModelSpec) -> int:
    """Of the extra token, which stay in the model: into it, its norm, and out of it."""
    width = model.summary_width
    return (width + 1) * model.width + 2 * model.width + (model.width + 1) * width if width else 0


def head_parameters(options: MethodOptions, model: ModelSpec, encoder_width: int | None = None) -> int:
    """Of an alignment's head; dropped after training. `encoder_width` is that of the encoder's features, for methods that have one."""
    return part_cost(options, model, encoder_width).parameters


@cache  # a plan asks for a few models thousands of times
def forward_flops(model: ModelSpec, blocks: int | None = None) -> int:
    """One image through the model; with `blocks`, only until that block, as a teacher runs: no later block and no final layer."""
    n, d = model.tokens, model.width
    embeddings = n * _patch_inputs(model) * d + TIME_FREQUENCIES * d + d**2
    if model.text:
        embeddings += model.text.tokens * model.text.width * d
    final = 2 * d**2 + n * d * _patch_outputs(model)
    if model.summary_width:
        embeddings += model.summary_width * d
        final += model.summary_width * d
    if blocks is not None:
        return 2 * embeddings + sum(block_flops(model, block) for block in _blocks(model)[:blocks])
    return 2 * (embeddings + final) + _all_blocks_flops(model)


def block_flops(model: ModelSpec, block: int = 1) -> int:
    """One image through one block: the streams of its modalities, and attention among all tokens, scores and values T D each a token."""
    streams = _streams(model, block)
    attention = 2 * sum(stream.tokens for stream in streams) ** 2 * model.width
    return 2 * attention + sum(stream.flops(model.width) for stream in streams)


def sampling_flops(model: ModelSpec, sampler: Sampler) -> int:
    """One image by a sampler, without decoding. A guided evaluation is two forward passes."""
    scale, (low, high) = sampler.guidance.scale, sampler.guidance.interval
    times = _deciding_times(sampler)
    guided = sum(scale != 1 and low <= time <= high for time in times)
    return forward_flops(model) * (len(times) + guided)


def _deciding_times(sampler: Sampler) -> list[float]:
    """Of each evaluation, the time that decides about guidance, as a share of the time range. The grids are those of sra/diffusion."""
    count = sampler.evaluations
    if isinstance(sampler, SdeSampler):
        return [1 - (1 - sampler.last_step) * number / max(count - 1, 1) for number in range(count)]
    if isinstance(sampler, EulerSampler):
        return [1 - number / count for number in range(count)]
    if isinstance(sampler, HeunSampler):  # both evaluations of a step follow its first time, and the last step has one
        steps = (count + 1) // 2
        return [1 - (number // 2) / steps for number in range(2 * steps - 1)]
    return [number / count for number in range(count)]  # of a respaced chain, nearly


def training_flops(run: RunSpec, encoder_width: int | None = None, checkpointing: bool = False, step: int = 0) -> TrainingFlops:
    """At a step, counted from 0. A backward pass costs two forward passes: the gradients of each layer's input and of its weights.

    An alignment of weight 0 costs nothing, since the loop then leaves out its head and its teacher; so does one that has stopped.
    """
    model = run.model
    plain = 3 * forward_flops(model.model_copy(update={"summary_width": None}))
    costs = [part_cost(part, model, encoder_width) for part in run.acting_at(step)]
    return TrainingFlops(
        student=plain,
        extra_token=3 * forward_flops(model) - plain,
        teacher=sum(forward_flops(model, cost.teacher_block) for cost in costs if cost.teacher_block),
        heads=sum(cost.heads for cost in costs),
        recomputed=_all_blocks_flops(model) if checkpointing else 0,
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
    """Images, each view counted, in one process's forward pass: its share of the batch, or a micro-batch of it."""
    share = ceil(run.training.batch / machine.world) * run.training.views
    return min(share, machine.micro_batch or share)


def state_bytes(run: RunSpec, encoder_width: int | None = None) -> int:
    """A training state on disk: student, averaged model and two moments in fp32, with the heads. Its header adds some kilobytes."""
    in_model = parameters(run.model)
    return FP32 * (3 * (in_model + _heads_parameters(run, encoder_width)) + in_model)


def _activation_bytes(run: RunSpec, checkpointing: bool, encoder_width: int | None) -> int:
    """What autograd keeps of one image. Left out: what is smaller than tokens x width, such as the condition and attention's logsumexp."""
    model, computed = run.model, HALF if _is_half(run) else FP32
    kept = [sum(stream.kept_bytes(model.width, computed) for stream in _streams(model, block)) for block in _blocks(model)]
    # Checkpointing keeps each block's input, and all of the one block that the backward pass is at.
    blocks = model.depth * _block_input_bytes(model) + max(kept) if checkpointing else sum(kept)
    # The final layer keeps its input, its norm and that modulated; around it all stand the input's patches and the loss's error.
    ends = model.tokens * model.width * (2 * FP32 + computed) + model.tokens * (_patch_inputs(model) * computed + _patch_outputs(model) * FP32)
    text = model.text.tokens * model.text.width * computed if model.text else 0
    costs = [part_cost(part, model, encoder_width) for part in run.alignment.parts if part.weight]
    heads = sum(cost.kept_computed * computed + cost.kept_fp32 * FP32 for cost in costs)
    return blocks + ends + text + heads


def _block_input_bytes(model: ModelSpec) -> int:
    """The residual streams, fp32 whatever the precision of the products."""
    return FP32 * model.width * (model.tokens + (model.text.tokens if model.text else 0))


def _heads_parameters(run: RunSpec, encoder_width: int | None) -> int:
    return sum(head_parameters(part, run.model, encoder_width) for part in run.alignment.parts)


def _time_parameters(model: ModelSpec) -> int:
    return (TIME_FREQUENCIES + 1) * model.width + (model.width + 1) * model.width


def _label_parameters(model: ModelSpec) -> int:
    """One row a class and one for "no class"."""
    return (model.classes + 1) * model.width if model.classes else 0


def _text_parameters(model: ModelSpec) -> int:
    return (model.text.width + 1) * model.width if model.text else 0


def _blocks(model: ModelSpec) -> range:
    return range(1, model.depth + 1)


def _all_blocks_flops(model: ModelSpec) -> int:
    return sum(block_flops(model, block) for block in _blocks(model))


def _patch_inputs(model: ModelSpec) -> int:
    return model.patch**2 * model.latent.channels


def _patch_outputs(model: ModelSpec) -> int:
    return _patch_inputs(model) * (2 if model.learns_variance else 1)


def _is_half(run: RunSpec) -> bool:
    return run.training.precision in ("bf16", "fp16")
