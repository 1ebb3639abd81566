"""Oracle: data that is Gaussian, N(MEAN, SPREAD^2) for each value, where velocity, score and the ODE's solution have closed forms."""

from itertools import pairwise

import pytest
import torch

from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow, ode_grid, score_from_velocity, sde_grid
from sra.diffusion.process import build_process
from sra.spec.recipe import FlowProcess
from sra.spec.samplers import SAMPLER_OF, SdeSampler

MEAN, SPREAD = 0.7, 0.5
FLOW = Flow()
NULL = torch.tensor(10)


def moments(t):
    """Mean and variance of x_t."""
    return (1 - t) * MEAN, (1 - t) ** 2 * SPREAD**2 + t**2


def exact_velocity(x, timestep, labels):
    """E[noise - x | x_t]."""
    t = timestep.view(-1, 1, 1, 1)
    mean, variance = moments(t)
    return (t - (1 - t) * SPREAD**2) / variance * (x - mean) - MEAN


def sample(kind, evaluations, noise, denoise=exact_velocity, **options):
    generator = torch.Generator().manual_seed(1)
    sampler = SAMPLER_OF[kind](evaluations=evaluations, **options)
    return FLOW.sample(
        denoise, sampler, noise, torch.zeros(len(noise), dtype=torch.long), NULL, lambda: torch.randn(noise.shape, generator=generator)
    )


def standard_normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_at(t, latents=None, noise=None):
    latents = standard_normal(2, 3, 4, 4) if latents is None else latents
    noise = standard_normal(2, 3, 4, 4, seed=1) if noise is None else noise
    return NoisyBatch(latents, noise, torch.full((2,), t), torch.tensor([3, 10]), FLOW)


def test_built_from_its_specification():
    assert isinstance(build_process(FlowProcess()), Flow)


def test_path_runs_straight_from_data_to_noise():
    batch = batch_at(0.0)
    torch.testing.assert_close(batch.noisy, batch.latents)
    torch.testing.assert_close(batch.at(torch.ones(2)).noisy, batch.noise)
    torch.testing.assert_close(batch.at(torch.full((2,), 0.25)).noisy, 0.75 * batch.latents + 0.25 * batch.noise)


def test_another_time_keeps_everything_else():
    batch = batch_at(0.5)
    other = batch.at(torch.tensor([0.1, 0.2]))
    assert other.latents is batch.latents
    assert other.noise is batch.noise
    assert other.condition is batch.condition
    assert other.timestep.tolist() == pytest.approx([0.1, 0.2])


def test_loss_is_the_squared_error_of_the_velocity():
    batch = batch_at(0.5)
    velocity = batch.noise - batch.latents
    assert FLOW.loss(velocity, batch).tolist() == [0, 0]
    offset = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(FLOW.loss(velocity + offset, batch), torch.tensor([1.0, 9.0]))
    assert FLOW.loss((velocity + offset).bfloat16(), batch).dtype == torch.float32


def test_times_are_uniform_and_earlier_ones_stop_at_zero():
    uniform = torch.tensor([0.0, 0.3, 0.999])
    assert FLOW.timesteps(uniform).tolist() == uniform.tolist()
    earlier = FLOW.earlier(uniform, torch.tensor([0.1, 0.1, 0.0], dtype=torch.float64))
    assert earlier.dtype == torch.float32
    assert earlier.tolist() == pytest.approx([0.0, 0.2, 0.999])


@pytest.mark.parametrize("time", [0.04, 0.3, 0.9, 1.0])
def test_score_of_a_gaussian(time):
    x = standard_normal(4, 1, 2, 2).double()
    mean, variance = moments(time)
    velocity = exact_velocity(x, torch.full((4,), time, dtype=torch.float64), None)
    torch.testing.assert_close(score_from_velocity(velocity, x, time), -(x - mean) / variance)


def test_grids_are_the_released_ones():
    assert sde_grid(4, 0.04) == pytest.approx([1, 0.68, 0.36, 0.04, 0])
    assert ode_grid(4) == pytest.approx([1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize(("kind", "asked", "used"), [("sde", 9, 9), ("ode_euler", 9, 9), ("ode_heun", 9, 9), ("ode_heun", 10, 9)])
def test_evaluations_are_those_of_the_network(kind, asked, used):
    times = []

    def denoise(x, timestep, labels):
        assert (x.dtype, timestep.dtype) == (torch.float32, torch.float32)
        times.append(timestep[0].item())
        return exact_velocity(x, timestep, labels)

    assert sample(kind, asked, standard_normal(2, 1, 2, 2), denoise).dtype == torch.float32
    assert len(times) == used
    assert max(times) == 1
    assert min(times) > 0


@pytest.mark.parametrize(("kind", "tolerance"), [("ode_euler", 2e-2), ("ode_heun", 5e-4)])
def test_ode_maps_each_noise_to_its_quantile(kind, tolerance):
    noise = standard_normal(8, 1, 8, 8)
    error = (sample(kind, 199, noise) - (MEAN + SPREAD * noise)).abs().max()
    assert error < tolerance


def test_heun_beats_euler_at_equal_evaluations_and_both_improve_with_more():
    noise = standard_normal(8, 1, 8, 8)
    exact = MEAN + SPREAD * noise
    errors = {(kind, n): (sample(kind, n, noise) - exact).abs().mean() for kind in ("ode_euler", "ode_heun") for n in (9, 19, 39)}
    for n in (9, 19, 39):
        assert errors["ode_heun", n] < errors["ode_euler", n]
    assert errors["ode_euler", 39] < errors["ode_euler", 19] < errors["ode_euler", 9]
    assert errors["ode_heun", 39] < errors["ode_heun", 19] < errors["ode_heun", 9]


def test_sde_recovers_mean_and_spread():
    drawn = sample("sde", 250, standard_normal(64, 1, 32, 32))
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert drawn.std().item() == pytest.approx(SPREAD, rel=0.03)


def test_sde_has_the_moments_of_its_own_recursion():
    """For a linear velocity each step maps a Gaussian to a Gaussian, so mean and variance follow by arithmetic."""
    grid, mean, variance = sde_grid(12, 0.04), 0.0, 1.0
    for time, following in pairwise(grid):
        m, v = moments(time)
        slope = (time - (1 - time) * SPREAD**2) / v + time / v  # of velocity - time * score
        step = following - time
        mean += step * (slope * (mean - m) - MEAN)
        variance = (1 + step * slope) ** 2 * variance + (2 * time * -step if following else 0)
    drawn = sample("sde", 12, standard_normal(64, 1, 32, 32))
    assert drawn.mean().item() == pytest.approx(mean, abs=0.005)
    assert drawn.var().item() == pytest.approx(variance, rel=0.02)


def test_noise_is_drawn_for_every_step_but_the_last():
    draws = []
    noise = standard_normal(2, 1, 2, 2)
    sampler = SdeSampler(evaluations=5)
    FLOW.sample(exact_velocity, sampler, noise, torch.zeros(2, dtype=torch.long), NULL, lambda: draws.append(1) or torch.zeros_like(noise))
    assert len(draws) == 4
    for kind in ("ode_euler", "ode_heun"):
        sampler = SAMPLER_OF[kind](evaluations=5)
        FLOW.sample(exact_velocity, sampler, noise, torch.zeros(2, dtype=torch.long), NULL, lambda: pytest.fail("an ODE draws nothing"))


def test_refuses_what_it_cannot_sample():
    with pytest.raises(InputError, match="sampler kind ddpm does not fit a flow model"):
        sample("ddpm", 10, torch.zeros(1, 1, 2, 2))
