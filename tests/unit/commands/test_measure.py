"""`sra measure`: the training loop's own steps, timed to the tick, what they hold counted on the models themselves, and nothing kept."""

from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from sra.commands import app
from sra.commands.measure import measure
from sra.core.errors import InputError, StageError
from sra.core.files import sha256_of_file
from sra.core.memory import peak_resident, resident
from sra.forecast.flops import block_flops, forward_flops
from sra.models.build import build_model
from sra.spec.machine import Machine
from sra.spec.measured import read_cost
from sra.spec.recipe import WeightsFrom
from sra.spec.run import write_run
from sra.training import timing
from sra.training.inputs import Inputs, trainer_of
from sra.training.loop import Trainer
from sra.training.setup import set_up
from sra.training.timing import peak_memory, timed_steps

CPU = Machine(device="cpu")


@pytest.fixture(autouse=True)
def _growing(monkeypatch):
    """The process of the tests has memory to spare that a tiny model fits in; a command's process has not."""
    monkeypatch.setattr(timing, "peak_resident", lambda: max(peak_resident(), resident() + 1_000_000))


@pytest.fixture
def inputs(tiny_stores):
    def of(spec):
        latents, features = tiny_stores
        return Inputs(latents.manifest, features.manifest if spec.encoder else None)

    return of


@pytest.fixture
def measured(tiny_run, inputs, tmp_path):
    """`measured("sit_b2_sra")` -> run and record of a model of seconds."""

    def make(run, machine=CPU, training=None, **options):
        spec = tiny_run(run, training)
        write_run(tmp_path / "run" / "config.json", spec)
        where = {"config": tmp_path / "run" / "config.json", "output": tmp_path / "cost.json"}
        measure(**where, **vars(inputs(spec)), **machine.model_dump(), **{"warm_up": 1, "blocks": 2} | options)
        return spec, read_cost(tmp_path / "cost.json")

    return make


@pytest.mark.parametrize("run", ["sit_b2", "sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_dinov2b", "sit_xl2_repa_sra"])
def test_parameters_are_those_of_the_models(run, measured, inputs):
    spec, cost = measured(run)
    with trainer_of(spec, inputs(spec), CPU) as trainer:
        model, heads = trainer.state.model, trainer.state.alignments
    assert cost.parameters.model == sum(parameter.numel() for parameter in model.parameters())
    assert cost.parameters.heads == sum(parameter.numel() for parameter in heads.parameters())
    # What the teacher runs: all but the blocks after the target and the final layer.
    after = 0
    parts = [part for part in spec.alignment.parts if part.method == "sra"]
    if parts:
        kept = {id(parameter) for block in model.blocks[: parts[0].teacher_block] for parameter in block.parameters()}
        blocks = {id(parameter) for parameter in model.blocks.parameters()}
        final = {id(parameter) for name, parameter in model.named_parameters() if name.startswith("final")}
        assert final
        after = sum(parameter.numel() for parameter in model.parameters() if id(parameter) in kept or id(parameter) not in blocks | final)
    assert cost.parameters.extra_forward == after


def test_the_steps_are_those_of_training(measured, tiny_run, inputs, monkeypatch):
    taken, step = [], Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self: taken.append(step(self)) or taken[-1])
    spec, cost = measured("sit_b2_sra")
    trained = set_up(spec, *(trainer_inputs(inputs, spec)), torch.device("cpu"))
    monkeypatch.undo()
    trained.train(21)
    assert [entry for entry in taken if entry] == trained.state.curve
    assert len(taken) == 1 + 2 * cost.steps.steps_per_block


def trainer_inputs(inputs, spec):
    from sra.data.store import ArrayStore

    return ArrayStore.open(inputs(spec).latents, "latents"), None


def test_seconds_are_those_of_the_timed_blocks_alone(monkeypatch):
    """On a clock of which each step takes as long as its number."""
    now, steps, waits = [0.0], [0], [0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def step():
        steps[0] += 1
        now[0] += steps[0]

    world = SimpleNamespace(leads=True, wait=lambda: waits.__setitem__(0, waits[0] + 1))
    here = {"device": torch.device("cpu"), "machine": SimpleNamespace(world=2), "world": world}
    trainer = SimpleNamespace(spec=SimpleNamespace(run="r"), step=step, check_finite=lambda: None, **here)
    found = timed_steps(trainer, 4, 3)
    assert found.other_work is None  # of two processes one would take the other for other work
    assert found.seconds == [9.5, 19.5, 29.5]  # means of 5..14, 15..24 and 25..34
    assert found.median == 19.5
    assert (found.warm_up_steps, found.steps_per_block) == (4, 10)
    assert waits[0] == 7


def test_the_record_says_what_was_measured_where(measured, tiny_stores):
    spec, cost = measured("sit_b2_sra", threads=1)
    assert (cost.run, cost.preset, cost.fingerprint) == (spec.run, spec.preset, spec.fingerprint)
    assert (cost.batch, cost.images, cost.steps_per_epoch) == (8, 20, 2)
    assert (cost.machine.device, cost.machine.processes, cost.threads, cost.precision) == ("cpu", 1, 1, "fp32")
    assert 0 <= cost.steps.other_work <= 1
    assert cost.made_from == {"latents": tiny_stores[0].sha256}
    assert cost.versions["torch"] == torch.__version__.partition("+")[0]


def test_flops_grow_with_what_runs(measured):
    runs = (("sit_b2", CPU), ("sit_b2_sra", CPU), ("sit_b2", CPU.model_copy(update={"activation_checkpointing": True})))
    spec, plain = measured(*runs[0])
    _, aligned = measured(*runs[1])
    _, recomputed = measured(*runs[2])
    assert recomputed.machine.activation_checkpointing
    # A step of so many images, forward and backward three forward passes; checkpointing takes the blocks a fourth time.
    assert plain.flops_per_step == 8 * 3 * forward_flops(spec.model)
    assert recomputed.flops_per_step == plain.flops_per_step + 8 * spec.model.depth * block_flops(spec.model)
    assert aligned.flops_per_step > plain.flops_per_step


def test_memory_of_a_process_is_what_grew_since_before():
    held = torch.ones(30_000_000)
    before = resident() - held.nbytes
    found = peak_memory(torch.device("cpu"), before)
    assert (found.of, found.before) == ("process", before)
    assert found.of_training >= held.nbytes


def test_nothing_that_was_trained_is_kept(measured, tmp_path):
    measured("sit_b2_sra")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file() and "latents" not in path.parts) == [
        "cost.json",
        *sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "features").rglob("*") if path.is_file()),
        "run/config.json",
    ]


def test_a_loss_that_is_not_finite_is_no_measurement(measured, tmp_path):
    with pytest.raises(StageError, match="not finite"):
        measured("sit_b2", training={"learning_rate": 1e30, "gradient_clip": 1e30})
    assert not (tmp_path / "cost.json").exists()


def test_a_released_run_is_not_measured(tiny_run, inputs, tmp_path):
    spec = tiny_run("sit_b2").model_copy(update={"weights": WeightsFrom(file="folder/released.pt", family="sit", step=1)})
    write_run(tmp_path / "config.json", spec)
    with pytest.raises(InputError, match="is not trained"):
        measure(tmp_path / "config.json", inputs(spec).latents, tmp_path / "cost.json", device="cpu")


def test_the_command_passes_on_what_it_is_given(tiny_run, inputs, tmp_path):
    spec = tiny_run("sit_b2")
    write_run(tmp_path / "config.json", spec)
    before = sha256_of_file(tmp_path / "config.json")
    words = ["measure", str(tmp_path / "config.json"), "--latents", str(inputs(spec).latents), "--output", str(tmp_path / "cost.json")]
    done = CliRunner().invoke(app, [*words, "--device", "cpu", "--threads", "1", "--warm-up", "0", "--blocks", "1", "--micro-batch", "4"])
    assert done.exit_code == 0, done.output
    cost = read_cost(tmp_path / "cost.json")
    assert (len(cost.steps.seconds), cost.steps.warm_up_steps, cost.threads, cost.machine.micro_batch) == (1, 0, 1, 4)
    assert sha256_of_file(tmp_path / "config.json") == before


def test_a_model_can_be_built_of_the_run(tiny_run):
    """The fixture's runs are those of the preset but for their width, so that what is counted on them holds for the others."""
    spec = tiny_run("sit_b2_sra")
    assert len(build_model(spec.model, 0).blocks) == spec.model.depth >= spec.alignment.teacher_block
