"""Oracles: the network itself (parameters, torch's FLOP counter, what autograd keeps, a state on disk) and published numbers."""

import math
from itertools import product

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from sra.alignment.base import StudentPass
from sra.alignment.build import build_alignments
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.encoders.targets import Targets
from sra.forecast.flops import block_flops, forward_flops, head_parameters, images_at_once, parameters, state_bytes, training_flops, training_memory
from sra.models.build import build_model, empty_model
from sra.spec.machine import Machine
from sra.spec.methods.base import BaselineOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.known import RepaSraOptions
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions, RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.run import model_named
from sra.spec.scale import Latent, Text
from sra.training.state import TrainingState

LATENT = Latent(channels=4, size=32)
ENCODER_WIDTH = 12
SCALARS = 64  # bytes that a loss may keep whatever the batch
SRA = SraOptions(student_block=1, teacher_block=2)
NO_HEAD = SRA.model_copy(update={"head": "none"})
REPA = RepaOptions(block=1, projector_width=24)
DEEP_NT_XENT = RepaOptions(block=1, projector_width=24, projector_layers=4, objective="nt_xent")
LINEAR = RepaOptions(block=1, projector_layers=1)
BOTH = RepaSraOptions(repa=REPA, sra=SRA)
LAYERSYNC = LayerSyncOptions(student_block=1, target_block=2)
DISPERSIVE = DispersiveOptions(block=1, group=2)
SRA2 = Sra2Options(block=1)
IREPA, NARROW_IREPA = IrepaOptions(block=1), IrepaOptions(block=1, kernel=1)
CONTRASTIVE = ContrastiveOptions(group=2)
RELATIVES = (LAYERSYNC, DISPERSIVE, SRA2, IREPA, NARROW_IREPA)
EVERY = (BaselineOptions(), SRA, NO_HEAD, REPA, DEEP_NT_XENT, BOTH, *RELATIVES)
CLIP = Text(tokens=77, width=768)  # ViT-L/14, REPA's text encoder
# Fewer text tokens than the image's 64, and more.
TEXTS = [None, Text(tokens=24, width=20), Text(tokens=100, width=48)]


def has_text(text):
    return f"{text.tokens} text tokens" if text else "classes"


def counted_parameters(model):
    with FakeTensorMode():  # shapes without numbers
        return sum(parameter.numel() for parameter in empty_model(model).parameters())


@pytest.fixture
def run_of(tiny_run):
    """`run_of(SRA)`: 3 blocks of width 32 on 64 tokens."""

    def make(alignment, precision="fp32", batch=4, text=None, learns_variance=False):
        spec = tiny_run("sit_b2")
        model = {"depth": 3, "width": 32, "heads": 2, "latent": Latent(channels=4, size=16), "learns_variance": learns_variance}
        model |= {"text": text, "classes": None if text else spec.model.classes}
        return spec.model_copy(
            update={
                "model": spec.model.model_copy(update=model),
                "alignment": alignment,
                "training": spec.training.model_copy(update={"precision": precision, "batch": batch}),
            }
        )

    return make


class Step:
    """Forward passes and loss of one training step as the loop makes them, on random inputs."""

    def __init__(self, run, images, checkpointing=False):
        self.run, self.images, latent = run, images, run.model.latent
        self.student, self.teacher = build_model(run.model, 0), build_model(run.model, 1).requires_grad_(False)
        self.student.recompute_blocks = checkpointing
        self.alignments = build_alignments(run, ENCODER_WIDTH, 0)
        text = run.model.text
        condition = torch.randn(images, text.tokens, text.width) if text else torch.zeros(images, dtype=torch.long)
        latents, noise = torch.randn(2, images, latent.channels, latent.size, latent.size)
        self.batch = NoisyBatch(latents, noise, torch.rand(images), condition, Flow())
        self.targets = Targets(torch.randn(images, run.model.tokens, ENCODER_WIDTH))
        self.draws = {name: torch.rand(images, *shape) for part in self.alignments.values() for name, shape in part.draws.items()}

    def loss(self):
        taps = tuple({tap for part in self.alignments.values() for tap in part.taps})
        batch = self.batch
        output, features = self.student(batch.noisy, batch.timestep, batch.condition, taps=taps)
        seen = StudentPass(batch, features, output, self.teacher, self.draws, self.targets)
        return output.square().mean() + sum(part.loss(seen) for part in self.alignments.values())

    def kept_bytes(self, dtype):
        """What autograd holds after the forward pass besides the weights themselves, each storage once."""
        modules = (self.student, self.teacher, self.alignments)
        weights = {parameter.untyped_storage().data_ptr() for module in modules for parameter in module.parameters()}
        kept = {}

        def remember(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage  # held, so that its address is not used again
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor)
        with hooks, torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            self.loss()
        return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("family", ["SiT", "DiT"])
@pytest.mark.parametrize("size", ["S", "B", "L", "XL"])
def test_parameters_are_those_of_the_network(family, size):
    model = model_named(f"{family}-{size}/2", LATENT, 1000)
    assert parameters(model) == counted_parameters(model)


def test_parameters_of_text_to_image_are_those_of_the_network():
    """REPA's size: 24 blocks of width 768."""
    model = model_named("MMDiT/2", LATENT, 1000, text=CLIP)
    assert parameters(model) == counted_parameters(model) == 505_070_608


@pytest.mark.parametrize("text", TEXTS, ids=has_text)
@pytest.mark.parametrize("changes", [{"depth": 4}, {"patch": 4, "depth": 1}, {"latent": Latent(channels=3, size=8)}])
def test_parameters_of_small_networks(run_of, changes, text):
    model = run_of(SRA, text=text).model.model_copy(update=changes)
    assert parameters(model) == counted_parameters(model)


def test_parameters_of_a_network_that_learns_the_variance(run_of):
    model = run_of(SRA, learns_variance=True).model.model_copy(update={"classes": 7})
    assert parameters(model) == counted_parameters(model)


def test_parameters_of_the_published_checkpoint():
    """The 675,129,632 numbers of DiT-XL/2 count its 256 fixed positions too."""
    model = model_named("DiT-XL/2", LATENT, 1000)
    assert parameters(model) + model.tokens * model.width == 675_129_632


@pytest.mark.parametrize("options", [SRA, NO_HEAD, REPA, DEEP_NT_XENT, LINEAR, *RELATIVES, CONTRASTIVE])
def test_head_parameters_are_those_of_the_head(run_of, options):
    run = run_of(options)
    built = sum(parameter.numel() for parameter in build_alignments(run, ENCODER_WIDTH, 0).parameters())
    assert head_parameters(options, run.model, ENCODER_WIDTH) == built
    assert (built == 0) == (options in (NO_HEAD, LAYERSYNC, DISPERSIVE, CONTRASTIVE))


@pytest.mark.parametrize(("size", "published"), [("S", 6.06), ("B", 23.01), ("L", 80.71), ("XL", 118.64)])
def test_forward_flops_are_twice_the_published_multiply_adds(size, published):
    """Peebles & Xie 2023, Table 1, counts the norms too."""
    assert forward_flops(model_named(f"DiT-{size}/2", LATENT, 1000)) / 2e9 == pytest.approx(published, rel=1e-3)


def counted_flops(run):
    kernels = {  # of a CPU, which not every torch counts
        torch.ops.mkldnn._linear_pointwise: linear_flops,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda query, key, value, *rest, **named: sdpa_flop_count(query, key, value),
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *shapes, **named: sdpa_backward_flop_count(*shapes[:4]),
    }
    with FlopCounterMode(display=False, custom_mapping=kernels) as counter:
        run()
    return counter.get_total_flops()


def linear_flops(x_shape, weight_shape, *rest, **named):
    """Of a teacher's linear layer together with its GELU."""
    return 2 * math.prod(x_shape) * weight_shape[0]


def inputs_of(model):
    """One image without numbers."""
    condition = torch.empty(1, model.text.tokens, model.text.width) if model.text else torch.empty(1, dtype=torch.long)
    return torch.empty(1, 4, model.latent.size, model.latent.size), torch.empty(1), condition


@pytest.mark.parametrize("name", ["SiT-S/2", "SiT-XL/2", "DiT-B/4", "MMDiT/2"])
def test_forward_flops_are_those_that_torch_counts(name):
    model = model_named(name, LATENT, 1000, text=CLIP if name == "MMDiT/2" else None)
    with FakeTensorMode():  # shapes without numbers
        network, image = empty_model(model), inputs_of(model)
        whole, cut = counted_flops(lambda: network(*image)), counted_flops(lambda: network.features(*image, until=3))
    assert forward_flops(model) == whole
    assert forward_flops(model, 3) == cut


@pytest.mark.parametrize("text", TEXTS, ids=has_text)
def test_flops_up_to_each_block_and_of_each_block(run_of, text):
    """The last block of an MMDiT has less text than the others, and a teacher may stop there too."""
    model = run_of(SRA, text=text).model
    with FakeTensorMode():
        network, image = empty_model(model), inputs_of(model)
        found = [counted_flops(lambda until=until: network.features(*image, until=until)) for until in (1, 2, 3)]
    assert [forward_flops(model, until) for until in (1, 2, 3)] == found
    assert [block_flops(model, block) for block in (2, 3)] == [found[1] - found[0], found[2] - found[1]]
    assert block_flops(model) == block_flops(model, 2)
    assert (block_flops(model, 3) < block_flops(model)) == (text is not None)


@pytest.mark.parametrize(
    ("alignment", "text"),
    [
        *((options, None) for options in (BaselineOptions(), SRA, NO_HEAD, REPA, DEEP_NT_XENT, BOTH, *RELATIVES)),
        *product((SRA, BOTH, CONTRASTIVE), TEXTS[1:]),
    ],
)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_flops_are_those_that_torch_counts(run_of, alignment, text, checkpointing):
    images = 2
    run = run_of(alignment, text=text, learns_variance=text is None)
    step = Step(run, images, checkpointing)
    counted = counted_flops(lambda: step.loss().backward())
    model, ours = run.model, training_flops(run, ENCODER_WIDTH, checkpointing)
    # Latents, times and texts need no gradient. Fused attention computes its scores once more in the backward pass (5 products for 2).
    inputs = 2 * (model.tokens * 16 * model.width + 256 * model.width + (text.tokens * text.width * model.width if text else 0))
    scores_again = model.depth * 2 * (model.tokens + (text.tokens if text else 0)) ** 2 * model.width
    assert counted == images * (ours.total - inputs + scores_again)
    assert inputs < 0.05 * ours.total


@pytest.mark.parametrize("text", TEXTS, ids=has_text)
def test_a_teacher_costs_only_the_way_to_its_block(run_of, text):
    shallow, deep = (training_flops(run_of(SRA.model_copy(update={"teacher_block": block}), text=text)) for block in (2, 3))
    model = run_of(SRA, text=text).model
    assert deep.teacher - shallow.teacher == (forward_flops(model, 3) - forward_flops(model, 2)) > 0
    assert deep.teacher < forward_flops(model)
    assert training_flops(run_of(BaselineOptions())).surcharge == 0


@pytest.mark.parametrize(("size", "blocks", "surcharge"), [("B", (3, 8), 1.248), ("L", (6, 16), 1.236), ("XL", (8, 20), 1.250)])
def test_what_sra_adds_at_the_papers_sizes(run_of, size, blocks, surcharge):
    options = SraOptions(student_block=blocks[0], teacher_block=blocks[1])
    run = run_of(options).model_copy(update={"model": model_named(f"SiT-{size}/2", LATENT, 1000)})
    assert 1 + training_flops(run).surcharge == pytest.approx(surcharge, abs=1e-3)


def test_an_alignment_without_weight_costs_nothing_but_its_parameters(run_of):
    off = run_of(SRA.model_copy(update={"weight": 0.0}))
    assert training_flops(off) == training_flops(run_of(BaselineOptions()))
    assert training_memory(off, Machine()).activations == training_memory(run_of(BaselineOptions()), Machine()).activations
    assert training_memory(off, Machine()).weights == training_memory(run_of(SRA), Machine()).weights


@pytest.mark.parametrize(
    ("alignment", "text"),
    [
        *((options, None) for options in (BaselineOptions(), SRA, REPA, *RELATIVES, CONTRASTIVE)),
        (BaselineOptions(), TEXTS[1]),
        (REPA, TEXTS[1]),
        (SRA, TEXTS[2]),
    ],
)
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_activations_are_what_autograd_keeps(run_of, alignment, text, precision, dtype):
    run = run_of(alignment, precision, batch=4, text=text)
    kept, twice = (Step(run, images).kept_bytes(dtype) for images in (4, 8))
    ours = training_memory(run, Machine(), ENCODER_WIDTH)
    assert ours.activations == pytest.approx(twice - kept, rel=0.05)
    # What does not grow with the images are autocast's copies of the weights; those of biases it holds without autograd.
    weights = 2 * kept - twice
    assert weights - SCALARS <= ours.copies <= 1.05 * weights
    assert (ours.copies > 0) == (precision != "fp32")


@pytest.mark.parametrize(("alignment", "text"), [(BaselineOptions(), None), (SRA, None), *product((BaselineOptions(), SRA), TEXTS[1:])])
def test_checkpointing_keeps_the_blocks_inputs_and_one_opened_block(run_of, alignment, text):
    run = run_of(alignment, batch=4, text=text)
    kept, twice = (Step(run, images, checkpointing=True).kept_bytes(torch.float32) for images in (4, 8))
    one_block = 4 * run.model.width * 4 * ((run.model.tokens + text.tokens) * 21 if text else run.model.tokens * 20)
    ours = training_memory(run, Machine(activation_checkpointing=True)).activations
    assert ours - one_block == pytest.approx(twice - kept, rel=0.1)
    assert ours < 0.7 * training_memory(run, Machine()).activations


def test_weights_gradients_moments_and_teacher_are_fp32(run_of):
    run = run_of(SRA, "bf16")
    memory = training_memory(run, Machine())
    trained = parameters(run.model) + head_parameters(SRA, run.model)
    assert (memory.weights, memory.gradients, memory.moments) == (4 * trained, 4 * trained, 8 * trained)
    assert memory.teacher == 4 * parameters(run.model)
    assert memory.total == 16 * trained + memory.teacher + memory.copies + memory.activations


def test_activations_follow_the_images_at_once(run_of):
    run = run_of(SRA, batch=32)
    whole = training_memory(run, Machine()).activations
    assert images_at_once(run, Machine(processes=4)) == 8
    assert images_at_once(run, Machine(processes=4, micro_batch=16)) == 8
    assert training_memory(run, Machine(micro_batch=4)).activations == whole / 8
    assert training_memory(run, Machine(processes=4, micro_batch=4)).activations == whole / 8


@pytest.mark.parametrize("text", TEXTS, ids=has_text)
def test_a_state_on_disk_has_the_predicted_bytes(run_of, tmp_path, text):
    run = run_of(BOTH, text=text)
    student, teacher = build_model(run.model, 0), build_model(run.model, 0)
    TrainingState(run, {}, student, build_alignments(run, ENCODER_WIDTH, 0), teacher).save(tmp_path / "state.safetensors")
    header = (tmp_path / "state.safetensors").stat().st_size - state_bytes(run, ENCODER_WIDTH)
    assert 0 < header < 50_000


def test_repa_needs_the_encoders_width(run_of):
    with pytest.raises(ValueError, match="width of encoder dinov2b"):
        training_flops(run_of(REPA))
