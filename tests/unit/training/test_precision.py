"""Precisions: what stays float32, how fp16 survives overflow, and that the scale is part of the state."""

import json

import pytest
import torch

from sra.core.errors import StageError
from sra.models.products import autocast
from sra.training.precision import FIRST_SCALE, GROWTH_INTERVAL, LossScale, gradient_norm
from sra.training.rolling import curve_lines
from sra.training.setup import set_up

CPU = torch.device("cpu")


def trained(tiny_run, stores, precision, steps=20, **options):
    run = set_up(tiny_run("sit_b2_sra", training={"precision": precision, "learning_rate": 1e-3, **options}), stores[0], None, CPU)
    run.train(steps)
    return run


@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 0.0), ("bf16", 2e-2), ("fp16", 2e-3)])
def test_each_precision_trains_as_fp32_does_up_to_its_rounding(precision, tolerance, tiny_run, tiny_stores):
    exact, rounded = (trained(tiny_run, tiny_stores, name).state.curve[-1] for name in ("fp32", precision))
    for name in ("generation", "sra", "gradient_norm"):
        assert rounded[name] == pytest.approx(exact[name], rel=tolerance, abs=0)
    assert (rounded["gradient_norm"] != exact["gradient_norm"]) == (tolerance > 0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_weights_moments_residual_stream_and_losses_stay_float32(precision, tiny_run, tiny_stores):
    run = trained(tiny_run, tiny_stores, precision, steps=1)
    assert {tensor.dtype for tensor in run.state.tensors().values()} == {torch.float32}
    seen = {}
    block, linear = run.state.model.blocks[0], run.state.model.blocks[0].mlp.fc1
    block.norm1.register_forward_hook(lambda _, inputs, output: seen.update(norm=(inputs[0].dtype, output.dtype)))
    linear.register_forward_hook(lambda _, inputs, output: seen.update(product=output.dtype))
    batch = run.batch(0)
    with autocast(precision, CPU):
        total, parts = run.objective(batch, {"sra": 0.2}, run.state.teacher)
    assert seen == {"norm": (torch.float32, torch.float32), "product": {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}
    assert {total.dtype, *(part.dtype for part in parts.values())} == {torch.float32}


def test_the_scaled_loss_leaves_the_gradients_unscaled(tiny_run, tiny_stores):
    run = trained(tiny_run, tiny_stores, "fp16")
    assert run.state.loss_scale.scale.item() == FIRST_SCALE
    assert run.state.curve[-1]["loss_scale"] == FIRST_SCALE
    assert run.state.curve[-1]["gradient_norm"] < 10


def test_an_overflow_changes_no_weight_and_halves_the_scale(tiny_run, tiny_stores):
    run = trained(tiny_run, tiny_stores, "fp16", steps=2)
    run.state.loss_scale.scale.fill_(2.0**126)
    before = {name: tensor.clone() for name, tensor in run.state.tensors().items() if name.startswith(("student", "first", "second"))}
    run.step()
    after = run.state.tensors()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert run.state.loss_scale.scale.item() == 2.0**125
    assert (run.state.step, run.state.optimizer.updates.item()) == (3, 2)


def test_an_overflow_is_no_number_in_the_curve(tiny_run, tiny_stores):
    run = trained(tiny_run, tiny_stores, "fp16", steps=9)
    run.state.loss_scale.scale.fill_(2.0**126)
    entry = run.step()
    assert entry["gradient_norm"] is None
    assert json.loads(curve_lines([entry])) == entry


def test_the_scale_doubles_after_many_good_steps():
    scale, zero, one = LossScale(CPU), torch.tensor(0.0), torch.tensor(1.0)
    for _ in range(GROWTH_INTERVAL - 1):
        scale.after_step(zero)
    assert scale.scale.item() == FIRST_SCALE
    scale.after_step(zero)
    assert (scale.scale.item(), scale.steps_since.item()) == (2 * FIRST_SCALE, 0)
    scale.after_step(zero)
    scale.after_step(one)
    assert (scale.scale.item(), scale.steps_since.item()) == (FIRST_SCALE, 0)


def test_gradients_that_overflow_at_any_scale_stop_the_run():
    scale = LossScale(CPU)
    scale.check("x", 1)
    for _ in range(40):
        scale.after_step(torch.tensor(1.0))
    with pytest.raises(StageError, match="run x: fp16 gradients overflow at any loss scale by step 9; set precision bf16 or fp32"):
        scale.check("x", 9)


def test_clipping_equals_torchs():
    for limit in (0.1, 100.0):
        ours, theirs = ([torch.linspace(-1, 2, 5), torch.ones(2, 3)] for _ in range(2))
        parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in theirs]
        for parameter, gradient in zip(parameters, theirs, strict=True):
            parameter.grad = gradient
        norm, divisor = gradient_norm(ours, limit, None)
        assert torch.equal(norm, torch.nn.utils.clip_grad_norm_(parameters, limit))
        for gradient, parameter in zip(ours, parameters, strict=True):
            torch.testing.assert_close(gradient / divisor, parameter.grad, rtol=1e-6, atol=0)


def test_segments_in_fp16_equal_one_run_bit_for_bit(tiny_run, tiny_stores, tmp_path):
    whole = trained(tiny_run, tiny_stores, "fp16", steps=12)
    first = trained(tiny_run, tiny_stores, "fp16", steps=7)
    first.state.save(tmp_path / "state.safetensors")
    second = set_up(first.spec, tiny_stores[0], None, CPU)
    second.state.restore(tmp_path / "state.safetensors")
    second.train(12)
    assert all(torch.equal(a, b) for a, b in zip(whole.state.tensors().values(), second.state.tensors().values(), strict=True))
