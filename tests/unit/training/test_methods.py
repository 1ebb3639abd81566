"""What every alignment method must keep, whatever it computes: nothing at weight 0, the same numbers however a batch is cut and a run interrupted."""

from dataclasses import replace

import pytest
import torch
from numbered_images import numbered_targets

from sra.core.errors import InputError
from sra.spec.machine import Machine
from sra.spec.methods.attention import AttentionOptions
from sra.spec.methods.base import BaselineOptions
from sra.spec.methods.contrastive import ContrastiveOptions
from sra.spec.methods.dispersive import DispersiveOptions
from sra.spec.methods.known import METHOD_OF
from sra.spec.methods.layersync import LayerSyncOptions
from sra.spec.methods.repa import IrepaOptions, RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.methods.sra2 import Sra2Options
from sra.spec.methods.summary import SummaryOptions
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions
from sra.training.distributed import World
from sra.training.loop import Trainer
from sra.training.setup import set_up

CPU = torch.device("cpu")
SRA = SraOptions(student_block=2, teacher_block=5)
REPA = RepaOptions(block=3, encoder="digits_vit", projector_width=24)
LAYERSYNC = LayerSyncOptions(student_block=2, target_block=5)
CONTRASTIVE = ContrastiveOptions(group=4)
IREPA = IrepaOptions(block=3, encoder="digits_vit")
REG = METHOD_OF["reg"](repa=REPA.model_copy(update={"align_summary": True}), summary=SummaryOptions(encoder="digits_vit"))
METHODS = {
    "sra": SRA,
    "repa": REPA,
    "layersync": LAYERSYNC,
    "dispersive": DispersiveOptions(block=2, group=4),
    "sra2": Sra2Options(block=2),
    "sra2 of means": Sra2Options(block=2, latent="mean"),
    "sra2 of standardised latents": Sra2Options(block=2, scale="unit"),
    "sra2 control": Sra2Options(block=2, predicts="velocity"),
    "irepa": IREPA,
    "contrastive": CONTRASTIVE,
    "contrastive, other classes": CONTRASTIVE.model_copy(update={"negatives": "other_class"}),
    "dts_as": DualTimesOptions(student_block=2, teacher_block=5),
    "dts_as, released defaults": DualTimesOptions(
        student_block=2, teacher_block=5, ratio=0.5, separation="none", teacher_times="minimum", cosine_axis="tokens_official"
    ),
    "dts_as, same times": DualTimesOptions(student_block=2, teacher_block=5, separation="student", teacher_times="same", teacher_labels="shared"),
    "as": DualTimesOptions(student_block=2, teacher_block=5, times="one"),
    "self_flow": SelfFlowOptions(student_block=2, teacher_block=5),
    "haste": METHOD_OF["haste"](repa=REPA, attention=AttentionOptions(first_block=2, last_block=3, encoder="digits_vit")),
    "reg": REG,
    "repa+sra": METHOD_OF["repa+sra"](repa=REPA, sra=SRA),
    "irepa+sra": METHOD_OF["irepa+sra"](irepa=IREPA, sra=SRA),
    "sra+contrastive": METHOD_OF["sra+contrastive"](sra=SRA, contrastive=CONTRASTIVE),
    "layersync+contrastive": METHOD_OF["layersync+contrastive"](layersync=LAYERSYNC, contrastive=CONTRASTIVE),
}


@pytest.fixture
def trainer(tiny_run, tiny_stores):
    """`trainer(options)`: a run of eight blocks of width 16 on batches of eight, at step 0."""

    def make(options, machine: Machine = Machine(), world: World = World(), **training) -> Trainer:
        spec = tiny_run("sit_b2", training=training).model_copy(update={"alignment": options})
        if options is REG or options == weightless(REG):
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"summary_width": 12})})
        online = numbered_targets(len(tiny_stores[0])) if spec.encodes_in_step else None
        features = tiny_stores[1] if spec.encoder and online is None else None
        return set_up(spec, tiny_stores[0], features, CPU, machine, world, online)

    return make


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in trainer.state.model.named_parameters()}


def largest_difference(first: Trainer, second: Trainer) -> float:
    ones, others = first.state.tensors(), second.state.tensors()
    assert ones.keys() == others.keys()
    return max((ones[name] - others[name]).abs().max().item() for name in ones)


def weightless(options):
    """The same with every weight 0."""
    if options.parts == (options,):
        return options.model_copy(update={"weight": 0.0})
    return options.model_copy(update={name: weightless(getattr(options, name)) for name in options.part_fields()})


every_method = pytest.mark.parametrize("options", METHODS.values(), ids=METHODS)


@pytest.mark.parametrize("options", [options for options in METHODS.values() if not any(part.CHANGES_TIMES for part in options.parts)])
def test_at_weight_zero_a_step_is_the_baselines(trainer, options):
    """But for what changes the batch itself, whose control has no weight either."""
    plain, silent = trainer(BaselineOptions()), trainer(weightless(options))
    for run in (plain, silent):
        run.train(3)
    expected = weights_of(plain)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights_of(silent).items())


@every_method
def test_segments_equal_one_run_bit_for_bit(trainer, options, tmp_path):
    whole = trainer(options)
    whole.train(6)
    for until in (3, 6):
        part = trainer(options)
        if until > 3:
            part.state.restore(tmp_path / "state.safetensors")
        part.train(until)
        part.state.save(tmp_path / "state.safetensors")
    assert largest_difference(whole, part) == 0


@every_method
def test_parts_of_a_batch_give_the_gradients_of_the_whole(trainer, options):
    whole, parts = trainer(options), trainer(options, Machine(micro_batch=4))
    gradients = []
    for run in (whole, parts):
        batch = run.batch(0)
        losses = run._gradients(batch, {name: part.weight(0) for name, part in run.state.alignments.items()})
        gradients.append({name: tensor.grad for name, tensor in run.state.trained.items()})
    assert all(tensor is None or torch.allclose(tensor, gradients[1][name], rtol=1e-3, atol=1e-6) for name, tensor in gradients[0].items())
    assert losses["total"].isfinite()


@every_method
def test_shares_of_two_processes_are_the_batch_of_one(trainer, options, monkeypatch):
    """The shares average to the whole batch's loss, with the same draws."""
    whole = trainer(options)
    weights = {name: part.weight(0) for name, part in whole.state.alignments.items()}
    expected, _ = whole.objective(whole._encoded(whole.batch(2)), weights, whole.state.teacher)
    shares = []
    monkeypatch.setattr("sra.training.setup.DistributedDataParallel", lambda objective, **_: objective)  # nothing is exchanged here
    for rank in range(2):
        batches = trainer(options, world=World(rank=rank, size=2)).batches
        shares.append(whole.objective(whole._encoded(batches.at(2)), weights, whole.state.teacher)[0])
    torch.testing.assert_close(sum(shares) / 2, expected, rtol=1e-5, atol=1e-6)


@every_method
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_it_trains_in_half_precision(trainer, options, precision):
    run, exact = trainer(options, precision=precision), trainer(options)
    for one in (run, exact):
        one.train(10)
    assert run.state.curve[0]["loss"] == pytest.approx(exact.state.curve[0]["loss"], rel=0.05)


@every_method
def test_its_loss_moves_the_student(trainer, options):
    """It learns: after thirty steps on one batch the whole loss has fallen, and each alignment's own but for contrast's."""
    run = trainer(options, learning_rate=3e-3)
    generator = torch.Generator().manual_seed(1)
    for parameter in run.state.model.parameters():  # blocks start as the identity, which makes all of them agree
        parameter.data.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    batch, weights = run._encoded(run.batch(0)), {name: part.weight(0) for name, part in run.state.alignments.items()}
    run.batches = type("Same", (), {"at": lambda self, step: batch})()
    total, first = run.objective(batch, weights, run.state.teacher)
    run.train(30)
    total_then, last = run.objective(batch, weights, run.state.teacher)
    assert total_then < total
    assert all(last[name] < first[name] for name in weights if name != "contrastive")


@every_method
def test_exported_weights_hold_nothing_but_the_model(trainer, options):
    run = trainer(options)
    assert {name for name in run.state.tensors() if name.startswith("ema.")} == {f"ema.{name}" for name, _ in run.state.model.named_parameters()}
    assert not any("alignment" in name for name, _ in run.state.model.named_parameters())


def test_groups_that_a_process_or_a_part_would_cut_are_refused(trainer):
    options = METHODS["dispersive"]
    with pytest.raises(InputError, match=r"groups of 4, which micro_batch 6 cuts; give a multiple of 4, or none"):
        trainer(options, Machine(micro_batch=6))
    with pytest.raises(InputError, match=r"which do not divide the 2 images that each of 4 processes has"):
        trainer(options, world=replace(World(), size=4))
