"""The loop: the same numbers whatever the interruptions, only the work that something reads, and refusal of foreign inputs."""

import pytest
import torch

from sra.core.errors import InputError, StageError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.receipts import read_receipt, receipt_path
from sra.data.store import ArrayStore
from sra.training.batches import check_inputs
from sra.training.loop import Trainer
from sra.training.setup import set_up
from sra.training.state import TrainingState

CPU = torch.device("cpu")


def trainer(spec, stores) -> Trainer:
    return set_up(spec, stores[0], stores[1] if spec.encoder else None, CPU)


def tensors_of(state: TrainingState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state.tensors().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("run", ["sit_b2", "sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_dinov2b", "sit_b2_sra_ema_ramp"])
def test_segments_equal_one_run_bit_for_bit(run, tiny_run, tiny_stores, tmp_path):
    spec = tiny_run(run)
    whole = trainer(spec, tiny_stores)
    whole.train(12)
    for until in (5, 10, 12):
        part = trainer(spec, tiny_stores)
        if until > 5:
            part.state.restore(tmp_path / "state.safetensors")
        part.train(until)
        part.state.save(tmp_path / "state.safetensors")
    assert same(tensors_of(whole.state), tensors_of(part.state))
    assert whole.state.curve == part.state.curve != []


def test_saving_twice_gives_the_same_bytes(tiny_run, tiny_stores, tmp_path):
    run = trainer(tiny_run("sit_b2_sra"), tiny_stores)
    run.train(10)
    for name in ("a", "b"):
        run.state.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("run", "options"), [("sit_b2", {}), ("sit_b2_sra", {"weight": 0.0}), ("sit_xl2_repa_dinov2b", {})])
def test_the_teacher_runs_only_where_its_output_is_read(run, options, tiny_run, tiny_stores):
    step = trainer(tiny_run(run, **options), tiny_stores)
    step.state.teacher.x_embedder.register_forward_pre_hook(lambda *_: pytest.fail("the teacher ran"))
    step.train(2)


def test_weight_zero_trains_exactly_as_the_baseline(tiny_run, tiny_stores):
    baseline, silent = (trainer(tiny_run(run, **options), tiny_stores) for run, options in [("sit_b2", {}), ("sit_b2_sra", {"weight": 0.0})])
    baseline.train(3)
    silent.train(3)
    assert all(torch.equal(baseline.state.trained[name], silent.state.trained[name]) for name in baseline.state.trained)


def test_every_method_sees_the_same_batches(tiny_run, tiny_stores):
    first, second = (trainer(tiny_run(run), tiny_stores).batch(7) for run in ("sit_b2", "sit_b2_sra"))
    for name in ("latents", "noise", "timestep", "condition"):
        assert torch.equal(getattr(first.noisy, name), getattr(second.noisy, name))
    assert (list(first.draws), list(second.draws)) == ([], ["interval"])  # what a method draws moves nothing else


def test_labels_are_dropped_at_the_recipes_rate(tiny_run, tiny_stores):
    run = trainer(tiny_run("sit_b2"), tiny_stores)
    labels = torch.cat([run.batch(step).noisy.condition for step in range(500)])
    share = (labels == run.spec.model.classes).float().mean().item()
    assert share == pytest.approx(0.1, abs=4 * (0.09 / len(labels)) ** 0.5)


def test_the_loss_falls(tiny_run, tiny_stores):
    run = trainer(tiny_run("sit_b2_sra", training={"learning_rate": 1e-2}), tiny_stores)
    run.train(200)
    curve = [entry["generation"] for entry in run.state.curve]
    assert sum(curve[-2:]) < 0.9 * sum(curve[:2])


def test_ema_follows_its_definition(tiny_run, tiny_stores):
    spec = tiny_run("sit_b2")
    run = trainer(spec, tiny_stores)
    run.train(1)
    name = "final_layer.linear.weight"
    average = dict(run.state.teacher.named_parameters())[name]
    # It starts as a copy; this weight starts at zero, so after one step only the new value's share is there.
    expected = (1 - spec.training.ema.decay**spec.training.paper_steps_per_step) * run.state.trained[f"model.{name}"]
    assert torch.allclose(average, expected, rtol=1e-4, atol=0)


def test_decay_zero_makes_the_teacher_a_copy(tiny_run, tiny_stores):
    run = trainer(tiny_run("sit_b2_sra_ema0"), tiny_stores)
    run.train(2)
    assert all(torch.equal(run.state.trained[f"model.{name}"], tensor) for name, tensor in run.state.teacher.named_parameters())


def test_a_loss_that_is_not_finite_stops_with_advice(tiny_run, tiny_stores):
    run = trainer(tiny_run("sit_b2_sra"), tiny_stores)
    next(iter(run.state.trained.values())).data.fill_(float("nan"))
    with pytest.raises(StageError, match=r"run sit_b2_sra: the loss or its gradient was not finite at step 1; no state was saved before it"):
        run.train(20)


def test_a_state_of_another_run_is_refused(tiny_run, tiny_stores, tmp_path):
    baseline = trainer(tiny_run("sit_b2"), tiny_stores)
    baseline.state.save(tmp_path / "state.safetensors")
    with pytest.raises(InputError, match="belongs to run sit_b2 with other settings, not to sit_b2_sra"):
        trainer(tiny_run("sit_b2_sra"), tiny_stores).state.restore(tmp_path / "state.safetensors")


def test_a_state_trained_on_other_latents_is_refused(tiny_run, tiny_stores, tmp_path):
    spec, (latents, features) = tiny_run("sit_b2"), tiny_stores
    first = trainer(spec, tiny_stores)
    first.state.save(tmp_path / "state.safetensors")
    assert read_receipt(tmp_path / "state.safetensors", "training state")["made_from"] == {"latents": sha256_of_file(latents.manifest)}
    # The same images encoded again by another autoencoder: same rows and shapes, other numbers.
    write_json(latents.manifest, {**read_json(latents.manifest), "facts": {"scaling_factor": 2.0}})
    receipt_path(latents.manifest).unlink()
    again = trainer(spec, (ArrayStore.open(latents.manifest, "latents"), features))
    with pytest.raises(InputError, match="was trained on other latents than given"):
        again.state.restore(tmp_path / "state.safetensors")


@pytest.mark.parametrize("damage", ["truncated", "one byte"])
def test_a_damaged_state_is_refused(damage, tiny_run, tiny_stores, tmp_path):
    path = tmp_path / "state.safetensors"
    run = trainer(tiny_run("sit_b2"), tiny_stores)
    run.state.save(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content[:-1] if damage == "truncated" else content)
    with pytest.raises(InputError, match="delete it and build it again"):
        run.state.restore(path)


def test_foreign_inputs_are_refused(tiny_run, tiny_stores):
    latents, features = tiny_stores
    with pytest.raises(InputError, match=r"rows are \(8, 8, 8\), run sit_b2 needs \(8, 16, 16\)"):
        spec = tiny_run("sit_b2")
        wide = spec.model.model_copy(update={"latent": spec.model.latent.model_copy(update={"size": 16})})
        check_inputs(spec.model_copy(update={"model": wide}), latents)
    with pytest.raises(InputError, match="holds class 9, the model has 5"):
        spec = tiny_run("sit_b2")
        check_inputs(spec.model_copy(update={"model": spec.model.model_copy(update={"classes": 5})}), latents)
    with pytest.raises(InputError, match="batch 64 is larger than the data set of 20 images"):
        set_up(tiny_run("sit_b2", training={"batch": 64}), latents, None, CPU).step()
    with pytest.raises(InputError, match=r"20 images of 16 tokens, run .* needs 20 of 4"):
        spec = tiny_run("sit_xl2_repa_dinov2b")
        coarse = spec.model.model_copy(update={"patch": 4})
        check_inputs(spec.model_copy(update={"model": coarse}), latents, features)
