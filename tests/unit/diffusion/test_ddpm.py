"""Oracles: Bayes' rule for Gaussians, data whose best denoiser has a closed form, and probabilities that must sum to one."""

import math
from itertools import pairwise

import pytest
import torch

from sra.core.errors import InputError
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.ddpm import Ddpm, Schedule, binned_log_likelihood, linear_alpha_bar, respaced
from sra.diffusion.process import build_process
from sra.spec.recipe import DdpmProcess
from sra.spec.samplers import DdpmSampler, SdeSampler

DDPM = Ddpm()
ALPHA_BAR = DDPM.schedule.alpha_bar
NULL = torch.tensor(10)


def standard_normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch_at(*steps, latents=None):
    shape = (len(steps), 2, 8, 8)
    latents = 0.5 * standard_normal(*shape) if latents is None else latents
    return NoisyBatch(latents, standard_normal(*shape, seed=1), torch.tensor(steps), torch.zeros(len(steps), dtype=torch.long), DDPM)


def sample(denoise, noise, evaluations=250):
    generator = torch.Generator().manual_seed(2)
    labels = torch.zeros(len(noise), dtype=torch.long)
    sampler = DdpmSampler(evaluations=evaluations)
    return DDPM.sample(denoise, sampler, noise, labels, NULL, lambda: torch.randn(noise.shape, generator=generator))


def gaussian_denoiser(mean, spread, variance):
    """The best noise estimate for data N(mean, spread^2), with a fixed place between the variance bounds."""

    def denoise(x, timestep, labels):
        a = ALPHA_BAR[timestep].view(-1, 1, 1, 1)
        noise = (1 - a).sqrt() / (a * spread**2 + 1 - a) * (x - a.sqrt() * mean)
        return torch.cat([noise.float(), torch.full_like(x, variance)], dim=1)

    return denoise


def test_built_from_its_specification():
    assert build_process(DdpmProcess()).steps == 1000
    assert build_process(DdpmProcess(timesteps=100)).steps == 100


def test_chain_is_linear_and_ends_in_noise_whatever_its_length():
    betas = 1 - ALPHA_BAR / torch.cat([torch.ones(1), ALPHA_BAR[:-1]])
    assert betas[0].item() == pytest.approx(1e-4)
    assert betas[-1].item() == pytest.approx(0.02)
    assert betas.diff().std() < 1e-12
    for steps in (100, 1000):
        assert linear_alpha_bar(steps)[-1] < 1e-4


def test_times_cover_the_grid():
    assert DDPM.timesteps(torch.tensor([0.0, 0.00099, 0.5, 1 - 2**-24])).tolist() == [0, 0, 500, 999]


@pytest.mark.parametrize("chain", [list(range(1000)), respaced(1000, 250)], ids=["all", "respaced"])
def test_posterior_is_bayes_rule(chain):
    """q(x_{t-1} | x_t, x) is the product of N(x_t; sqrt(alpha) x_{t-1}, beta) and N(x_{t-1}; sqrt(a') x, 1 - a')."""
    a = ALPHA_BAR[chain]
    c = Schedule(a).at(torch.arange(len(chain)))
    alpha, before = a[1:] / a[:-1], a[:-1]
    beta = 1 - alpha
    variance = 1 / (alpha / beta + 1 / (1 - before))
    flat = [value.flatten()[1:].double() for value in c]
    expected = {
        "mean_of_clean": variance * before.sqrt() / (1 - before),
        "mean_of_noisy": variance * alpha.sqrt() / beta,
        "log_variance_low": variance.log(),
        "log_variance_high": beta.log(),
    }
    for name, value in zip(c._fields, flat, strict=True):
        if name in expected:
            torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6, msg=name)


def test_at_step_zero_the_posterior_is_the_clean_latent():
    c = DDPM.schedule.at(torch.tensor([0, 1]))
    assert c.mean_of_clean[0].item() == 1
    assert c.mean_of_noisy[0].item() == 0
    assert c.log_variance_low[0] == c.log_variance_low[1]


def test_noise_level_follows_the_chain():
    batch = batch_at(0, 500, 999)
    for sample_, a in zip(range(3), ALPHA_BAR[[0, 500, 999]].tolist(), strict=True):
        expected = math.sqrt(a) * batch.latents[sample_] + math.sqrt(1 - a) * batch.noise[sample_]
        torch.testing.assert_close(batch.noisy[sample_], expected)


def test_perfect_noise_and_lowest_variance_leave_no_divergence():
    batch = batch_at(1, 2, 300, 999)
    lowest = torch.full_like(batch.noise, -1)
    assert DDPM.bound(batch.noise, lowest, batch).abs().max() < 1e-5
    assert DDPM.loss(torch.cat([batch.noise, lowest], dim=1), batch).abs().max() < 1e-5


def test_divergence_of_the_highest_variance_has_a_closed_form():
    batch = batch_at(1, 5, 300)
    beta = 1 - ALPHA_BAR[1:] / ALPHA_BAR[:-1]
    ratio = ((1 - ALPHA_BAR[:-1]) / (1 - ALPHA_BAR[1:]))[[0, 4, 299]]  # lower variance over upper
    assert (ratio < 1).all()
    assert beta.min() > 0
    expected = (ratio - ratio.log() - 1) / 2 / math.log(2)
    torch.testing.assert_close(DDPM.bound(batch.noise, torch.ones_like(batch.noise), batch).double(), expected, rtol=1e-3, atol=1e-6)


def test_step_zero_is_the_likelihood_of_the_8_bit_bin():
    batch = batch_at(0, 0, latents=torch.zeros(2, 2, 8, 8))
    deviation = (DDPM.schedule.at(torch.tensor([0])).log_variance_low / 2).exp().item()
    inside = math.erf(1 / 255 / deviation / math.sqrt(2))
    bound = DDPM.bound(batch.noise, torch.full_like(batch.noise, -1), batch)
    assert bound.tolist() == pytest.approx([-math.log2(inside)] * 2, abs=2e-3)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 0.3), (-0.9, 0.05), (1.5, 0.5)])
def test_bins_share_out_all_probability(mean, deviation):
    values = torch.linspace(-1, 1, 256)
    log_deviation = torch.full_like(values, math.log(deviation))
    probability = binned_log_likelihood(values, torch.full_like(values, mean), log_deviation).exp()
    assert probability.sum().item() == pytest.approx(1, abs=1e-3)


def test_bound_teaches_the_variance_alone():
    batch = batch_at(0, 1, 700)
    output = torch.cat([batch.noise + 0.3, torch.zeros_like(batch.noise)], dim=1).requires_grad_()
    DDPM.loss(output, batch).sum().backward()
    values = batch.noise[0].numel()
    torch.testing.assert_close(output.grad[:, :2], torch.full_like(batch.noise, 2 * 0.3 / values))
    assert output.grad[:, 2:].abs().sum() > 0


def test_worse_noise_costs_more():
    batch = batch_at(0, 10, 500, 999)
    losses = [DDPM.loss(torch.cat([batch.noise + error, torch.zeros_like(batch.noise)], dim=1), batch) for error in (0.0, 0.1, 1.0)]
    assert (losses[0] < losses[1]).all()
    assert (losses[1] < losses[2]).all()


def test_earlier_steps_stop_at_zero():
    steps = torch.tensor([0, 150, 1, 500, 999])
    share = torch.tensor([0.0, 0.2, 0.0009, 0.2, 0.1999], dtype=torch.float64)
    assert DDPM.earlier(steps, share).tolist() == [0, 0, 1, 300, 800]


def test_respacing():
    assert respaced(1000, 1000) == list(range(1000))
    assert respaced(10, 4) == [0, 3, 6, 9]
    chain = respaced(1000, 250)
    assert (len(chain), chain[0], chain[-1]) == (250, 0, 999)
    assert {b - a for a, b in pairwise(chain)} == {4, 5}
    assert chain == sorted(set(chain))


def test_point_mass_is_recovered_exactly():
    """With one data value the posterior is the reverse step, so even the last mean is that value."""
    drawn = sample(gaussian_denoiser(mean=0.6, spread=0.0, variance=-1.0), standard_normal(4, 1, 8, 8), evaluations=50)
    torch.testing.assert_close(drawn, torch.full_like(drawn, 0.6), rtol=0, atol=1e-3)


def test_standard_normal_stays_standard_normal_under_the_upper_variance():
    """For N(0, 1) data the upper bound is the true reverse variance (Ho et al. 2020, section 3.2)."""
    drawn = sample(gaussian_denoiser(mean=0.0, spread=1.0, variance=1.0), standard_normal(64, 1, 32, 32), evaluations=25)
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)
    assert drawn.std().item() == pytest.approx(1, rel=0.01)


def test_any_gaussian_is_recovered_with_many_steps():
    drawn = sample(gaussian_denoiser(mean=0.7, spread=0.5, variance=0.0), standard_normal(64, 1, 32, 32), evaluations=500)
    assert drawn.mean().item() == pytest.approx(0.7, abs=0.01)
    assert drawn.std().item() == pytest.approx(0.5, rel=0.03)


def test_network_sees_the_steps_of_the_whole_chain_and_the_last_draws_nothing():
    seen, draws = [], []

    def denoise(x, timestep, labels):
        seen.append(timestep[0].item())
        assert (x.dtype, timestep.dtype) == (torch.float32, torch.int64)
        return torch.zeros(len(x), 2, *x.shape[2:])

    noise = torch.zeros(2, 1, 2, 2)
    sampler = DdpmSampler(evaluations=4)
    DDPM.sample(denoise, sampler, noise, torch.zeros(2, dtype=torch.long), NULL, lambda: draws.append(1) or torch.zeros_like(noise))
    assert seen == [999, 666, 333, 0]
    assert len(draws) == 3


def test_refuses_a_sampler_of_the_other_process():
    with pytest.raises(InputError, match="sampler kind sde does not fit a DiT model; choose one of kind ddpm"):
        DDPM.sample(None, SdeSampler(evaluations=4), torch.zeros(1, 1, 2, 2), torch.zeros(1), NULL, None)
