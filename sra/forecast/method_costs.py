"""What the methods of a run add to its training, in closed form: parameters, FLOPs and what autograd keeps. One function a method.

As in `sra.forecast.flops`, one multiply-add is 2 FLOPs and only matrix products count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import MethodOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions, RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions
from sra.spec.run import ModelSpec

FP32 = 4  # bytes


@dataclass(frozen=True)
class PartCost:
    """Of one alignment, for one image in one step in which it acts.

    parameters: of what it trains beside the model.  heads: FLOPs of its head and of the products of its loss, forward and backward.
    teacher_block: how far the averaged model runs for it; 0 if it does not.
    kept_computed, kept_fp32: numbers that autograd keeps in the precision of the matrix products and in fp32.
    """

    parameters: int = 0
    heads: int = 0
    teacher_block: int = 0
    kept_computed: int = 0
    kept_fp32: int = 0


def part_cost(options: MethodOptions, model: ModelSpec, encoder_width: int | None = None) -> PartCost:
    """encoder_width: of the features that the run aligns with, which only methods with an encoder need."""
    if type(options) not in COSTS:
        raise TypeError(f"no cost is known for a part of method {options.method}")
    return COSTS[type(options)](options, model, encoder_width)


def _sra(options: SraOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """A head of one hidden layer of twice the width (section 3.2)."""
    widths = (model.width, 2 * model.width, model.width) if options.head == "mlp" else (model.width,)
    return _mlp(model.tokens, widths, teacher_block=options.teacher_block)


def _repa(options: RepaOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """A projector to the encoder's width (released build_mlp), or one convolution over the square of tokens (iREPA)."""
    if encoder_width is None:
        raise ValueError(f"REPA's cost depends on the width of encoder {options.encoder}; give it")
    # nt_xent compares every token with every target; a target has no gradient.
    contrast = 2 * 2 * model.tokens**2 * encoder_width if options.objective == "nt_xent" else 0
    if options.projector == "conv":
        weights = options.kernel**2 * model.width * encoder_width
        # The products of a convolution as torch counts them: at the edges of the square those with zeros too.
        return PartCost(weights + encoder_width, 3 * 2 * model.tokens * weights + contrast, kept_fp32=2 * model.tokens * encoder_width)
    hidden = [options.projector_width] * (options.projector_layers - 1)
    return _mlp(model.tokens + options.align_summary, (model.width, *hidden, encoder_width), more=contrast)


def _sra2(options: Sra2Options, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """A head to the numbers of a patch."""
    hidden = [round(options.head_width * model.width)] * (options.head_layers - 1)
    return _mlp(model.tokens, (model.width, *hidden, model.patch**2 * model.latent.channels))


def _layersync(options: LayerSyncOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """Two blocks in fp32, that is, the residual streams themselves and what a cosine keeps of them."""
    return PartCost()


def _dispersive(options: DispersiveOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """The products of each sample with all of its group; each of a pair gets gradient."""
    length = model.width * (model.tokens if options.tokens == "flat" else 1)
    return PartCost(heads=3 * 2 * options.group * length, kept_fp32=length)


def _contrastive(options: ContrastiveOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """A difference of latents."""
    return PartCost()


def _attention(options: AttentionOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """The scores of all heads once more in each block of the range; a cross-entropy keeps them as logarithms, beside the target's softmax."""
    blocks = options.last_block - options.first_block + 1
    return PartCost(heads=3 * 2 * blocks * model.tokens**2 * model.width, kept_fp32=blocks * 2 * model.heads * model.tokens**2)


def _dual_times(options: DualTimesOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """SRA's head, and the teacher's way. Attention within groups is counted as among all, and so are the products of one modulation a group."""
    return _mlp(model.tokens, (model.width, 2 * model.width, model.width), teacher_block=options.teacher_block)


def _summary(options: SummaryOptions, model: ModelSpec, encoder_width: int | None) -> PartCost:
    """Its layers are the model's."""
    return PartCost()


def _mlp(tokens: int, widths: tuple[int, ...], teacher_block: int = 0, more: int = 0) -> PartCost:
    """A head of linear layers that every token meets. It keeps hidden layers before and after SiLU; the loss prediction and target in fp32."""
    parameters = sum(into * out + out for into, out in pairwise(widths))
    products = 2 * tokens * sum(into * out for into, out in pairwise(widths))
    return PartCost(parameters, 3 * products + more, teacher_block, kept_computed=tokens * 2 * sum(widths[1:-1]), kept_fp32=tokens * 2 * widths[-1])


COSTS: dict[type[MethodOptions], Callable[..., PartCost]] = {
    SraOptions: _sra,
    RepaOptions: _repa,
    IrepaOptions: _repa,
    LayerSyncOptions: _layersync,
    DispersiveOptions: _dispersive,
    Sra2Options: _sra2,
    ContrastiveOptions: _contrastive,
    AttentionOptions: _attention,
    DualTimesOptions: _dual_times,
    SelfFlowOptions: _dual_times,
    SummaryOptions: _summary,
}
