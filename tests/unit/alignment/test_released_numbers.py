"""Equality with the released code: numbers it gave for weights, inputs and draws that are written out here as formulas.

Computed with facebookresearch/DiT ed81ce2 (dit, noise loss, bound, ddpm), vvvvvjdy/SRA 1723f85 (sit, velocity loss, sra, sde, ode, sra dit)
and sihyun-yu/REPA 67f7145 (repa): their modules, in float32 on a CPU, random functions replaced by the tensors below, label dropout off.
"""

import math

import pytest
import torch

from sra.alignment.build import build_alignment
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.ddpm import Ddpm
from sra.diffusion.flow import Flow
from sra.models.dit import DiffusionTransformer
from sra.spec.method import Guidance, RepaOptions, Sampler, SraOptions

# Tensors: mean, standard deviation, then the values at 0, 1/4, 1/2 and 3/4 of the flattened tensor. Others: all values.
RELEASED = {
    "sit output": [-0.0826899, 0.892148, 0.256472, -0.0110192, 0.325567, 0.452962],
    "sit block 2": [0.433983, 0.818508, -0.924107, 0.424846, -0.500236, -0.113706],
    "velocity loss": [1.372, 1.65784, 1.36875],
    "sra smooth_l1": [1.21702],
    "sra l1": [1.24184],
    "sra l2": [2.3963],
    "sra cosine_over_tokens_official": [1.05638],
    "sde": [0.112821, 1.0237, 0.400964, 0.0510005, 0.0710888, -1.4873],
    "ode_euler": [0.112586, 1.26192, 0.440583, 0.893538, -0.373727, -2.27364],
    "ode_heun": [0.115079, 1.26004, 0.46041, 0.904374, -0.359339, -2.28421],
    "repa": [-0.0450432],
    "dit output": [-0.194494, 0.838582, 0.234255, -0.170959, -1.01612, 1.46234],
    "noise loss": [4.86313, 1.6631, 1.59358],
    "bound": [3.14531, 0.0173088, 0.0231203],
    "ddpm": [52.0599, 234.286, 146.056, 376.811, -119.543, -207.377],
    "sra dit": [1.05041],
}
SHAPE = (3, 4, 8, 8)


def wave(shape, phase, scale=1.0):
    """Numbers that look random and are the same on every machine."""
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return (scale * torch.sin(0.37 * (index % 9973) ** 2 + phase)).float().reshape(shape)


def filled(module, phase=0.0):
    """The module with each weight a wave whose phase is spelt by its released name."""
    for name, value in module.state_dict().items():
        if name != "pos_embed":
            value.copy_(wave(value.shape, phase + sum(map(ord, name)), 0.2))
    return module


def summary(tensor):
    flat = tensor.detach().double().flatten()
    return [flat.mean().item(), flat.std().item(), *flat[:: len(flat) // 4][:4].tolist()]


LATENTS, NOISE, LABELS = wave(SHAPE, 1), wave(SHAPE, 2, 1.4), torch.tensor([0, 7, 10])
TIMES, STEPS, DRAW = torch.tensor([0.05, 0.5, 0.97]), torch.tensor([0, 150, 999]), torch.tensor([0.0, 0.5, 0.9])
FLOW, DDPM = Flow(), Ddpm()


def close(name):
    return pytest.approx(RELEASED[name], rel=1e-5, abs=1e-6)


def networks(run):
    """Student and teacher."""
    return filled(DiffusionTransformer(run.model)), filled(DiffusionTransformer(run.model), 3.0)


def draws():
    """Noise of the first, second, ... stochastic step."""
    count = 0

    def draw():
        nonlocal count
        count += 1
        return wave(SHAPE, 100 + count, 1.4)

    return draw


def test_sit_forward(make_run):
    model, _ = networks(make_run())
    output, features = model(LATENTS, TIMES, LABELS, taps=(2,))
    assert summary(output) == close("sit output")
    assert summary(features[2]) == close("sit block 2")


def test_dit_forward(make_run):
    model, _ = networks(make_run(kind="ddpm"))
    assert summary(model(LATENTS, STEPS, LABELS)[0]) == close("dit output")


@pytest.mark.parametrize("distance", ["smooth_l1", "l1", "l2", "cosine_over_tokens_official"])
def test_sit_sra_losses(make_run, distance):
    run = make_run(SraOptions(student_block=2, teacher_block=3, distance=distance))
    student, teacher = networks(run)
    sra = build_alignment(run, None, 0)
    filled(sra.head)
    batch = NoisyBatch(LATENTS, NOISE, TIMES, LABELS, FLOW)
    output, features = student(batch.noisy, batch.timestep, batch.labels, sra.taps)
    assert FLOW.loss(output, batch).tolist() == close("velocity loss")
    assert [sra.loss(batch, features, teacher, DRAW, None).item()] == close(f"sra {distance}")


def test_dit_sra_losses(make_run):
    run = make_run(SraOptions(student_block=2, teacher_block=3, teacher_time_floor=1), kind="ddpm")
    student, teacher = networks(run)
    sra = build_alignment(run, None, 0)
    filled(sra.head)
    batch = NoisyBatch(LATENTS, NOISE, STEPS, LABELS, DDPM)
    output, features = student(batch.noisy, batch.timestep, batch.labels, sra.taps)
    assert DDPM.loss(output, batch).tolist() == close("noise loss")
    assert DDPM.bound(*output.chunk(2, dim=1), batch).tolist() == close("bound")
    assert [sra.loss(batch, features, teacher, DRAW, None).item()] == close("sra dit")


def test_repa_loss(make_run):
    run = make_run(RepaOptions(block=2, projector_width=48))
    student, _ = networks(run)
    repa = build_alignment(run, 24, 0)
    filled(repa.projector)
    batch = NoisyBatch(LATENTS, NOISE, TIMES, LABELS, FLOW)
    features = student(batch.noisy, batch.timestep, batch.labels, repa.taps)[1]
    assert [repa.loss(batch, features, None, DRAW, wave((3, 16, 24), 5)).item()] == close("repa")


@pytest.mark.parametrize(("kind", "evaluations"), [("sde", 10), ("ode_euler", 10), ("ode_heun", 19)])
def test_flow_samplers(make_run, kind, evaluations):
    model, _ = networks(make_run())
    sampler = Sampler(kind=kind, evaluations=evaluations, guidance=Guidance(scale=1.8, interval=(0.1, 0.7)))
    drawn = FLOW.sample(lambda *inputs: model(*inputs)[0], sampler, NOISE, LABELS, model.null_label, draws())
    assert summary(drawn) == close(kind)


def test_ddpm_sampler(make_run):
    model, _ = networks(make_run(kind="ddpm"))
    sampler = Sampler(kind="ddpm", evaluations=10, guidance=Guidance(scale=1.5, channels="first_three"))
    drawn = DDPM.sample(lambda *inputs: model(*inputs)[0], sampler, NOISE, LABELS, model.null_label, draws())
    assert summary(drawn) == close("ddpm")
