"""DDPM with a learnt variance, as DiT trains and samples it: 1000 steps, linear betas, the network predicts noise and a log variance.

Source: Ho et al. 2020 (arXiv 2006.11239), section 2; Nichol & Dhariwal 2021 (arXiv 2102.09672), section 3; released
DiT/diffusion/{gaussian_diffusion,respace}.py. Step 0 is the least noisy one.
"""

import math
from collections.abc import Callable
from itertools import accumulate, repeat
from typing import NamedTuple

import torch
from torch import Tensor

from sra.diffusion.batch import Denoiser, NoisyBatch
from sra.diffusion.guidance import Guided
from sra.spec.recipe import DdpmProcess
from sra.spec.samplers import Sampler, refuse_unfit

FIRST_BETA, LAST_BETA = 1e-4, 0.02  # of 1000 steps; fewer steps are taken larger
HALF_BIN = 1 / 255  # half a step of 8-bit values in [-1, 1]
EDGE = 0.999  # values beyond it belong to the outermost bins
LEAST_PROBABILITY = 1e-12


class Coefficients(NamedTuple):
    """What the formulas need at one step of each sample; each (B, 1, 1, 1) float32."""

    signal: Tensor  # x_t = signal x + spread noise
    spread: Tensor
    clean_of_noisy: Tensor  # x = clean_of_noisy x_t - clean_of_noise noise
    clean_of_noise: Tensor
    mean_of_clean: Tensor  # mean of q(x_{t-1} | x_t, x) = mean_of_clean x + mean_of_noisy x_t
    mean_of_noisy: Tensor
    log_variance_low: Tensor  # of q(x_{t-1} | x_t, x); at step 0, where it is 0, that of step 1
    log_variance_high: Tensor  # log beta_t


class Schedule:
    """A chain of noise levels given by alpha_bar (T,) float64, the share of the signal's variance left after each step; T >= 2."""

    def __init__(self, alpha_bar: Tensor):
        before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
        beta = 1 - alpha_bar / before
        posterior_variance = beta * (1 - before) / (1 - alpha_bar)
        posterior_variance[0] = posterior_variance[1]
        self.alpha_bar = alpha_bar
        table = Coefficients(
            signal=alpha_bar.sqrt(),
            spread=(1 - alpha_bar).sqrt(),
            clean_of_noisy=(1 / alpha_bar).sqrt(),
            clean_of_noise=(1 / alpha_bar - 1).sqrt(),
            mean_of_clean=beta * before.sqrt() / (1 - alpha_bar),
            mean_of_noisy=(1 - before) * (1 - beta).sqrt() / (1 - alpha_bar),
            log_variance_low=posterior_variance.log(),
            log_variance_high=beta.log(),
        )
        # One table a device, so that a step on the accelerator copies nothing from the host.
        self._tables = {torch.device("cpu"): torch.stack(table).float()}

    def at(self, step: Tensor) -> Coefficients:
        """The coefficients of steps (B,) int64 in 0..T-1."""
        if step.device not in self._tables:
            self._tables[step.device] = self._tables[torch.device("cpu")].to(step.device)
        return Coefficients(*self._tables[step.device][:, step, None, None, None])


def linear_alpha_bar(steps: int) -> Tensor:
    """(steps,) float64: betas rise linearly from 1e-4 to 0.02 over 1000 steps; a shorter chain scales them to reach the same noise."""
    scale = 1000 / steps
    return (1 - torch.linspace(scale * FIRST_BETA, scale * LAST_BETA, steps, dtype=torch.float64)).cumprod(0)


def respaced(steps: int, count: int) -> list[int]:
    """`count` of 0..steps-1, evenly spread with both ends kept, 2 <= count <= steps; halves round to even (released respace.py)."""
    stride = (steps - 1) / (count - 1)
    # A running sum, as released: a product rounds some halves the other way.
    return [round(place) for place in accumulate(repeat(stride, count - 1), initial=0.0)]


class Ddpm:
    """The process behind DiT: a chain of `steps` noise levels."""

    def __init__(self, steps: int = 1000):
        self.steps = steps
        self.schedule = Schedule(linear_alpha_bar(steps))

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Training steps (B,) int64, uniform on 0..steps-1."""
        return (uniform.double() * self.steps).long()

    def noisy(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        c = self.schedule.at(timestep)
        return c.signal * latents + c.spread * noise

    def target(self, batch: NoisyBatch) -> Tensor:
        """The noise, (B, C, H, W); the variance has no target."""
        return batch.noise

    def loss(self, output: Tensor, batch: NoisyBatch) -> Tensor:
        """Squared error of the noise plus the variational bound, which teaches the variance alone; (B,).

        The released DiT adds the bound as it is, without the factor of Nichol & Dhariwal (LossType.MSE).
        """
        predicted, variance = output.float().chunk(2, dim=1)
        error = (predicted - self.target(batch)).square().mean(dim=(1, 2, 3))
        return error + self.bound(predicted.detach(), variance, batch)

    def bound(self, predicted: Tensor, variance: Tensor, batch: NoisyBatch) -> Tensor:
        """One term of the variational bound for each sample, in bits a value, (B,) (Ho et al. 2020, eq. 5).

        predicted, variance: (B, C, H, W), the two halves of the network's output.
        """
        c, noisy = self.schedule.at(batch.timestep), batch.noisy
        mean, log_variance = reverse_step(c, noisy, predicted, variance)
        true_mean = c.mean_of_clean * batch.latents + c.mean_of_noisy * noisy
        divergence = gaussian_divergence(true_mean, c.log_variance_low, mean, log_variance)
        likelihood = binned_log_likelihood(batch.latents, mean, log_variance / 2)
        nats = torch.where((batch.timestep == 0).view(-1, 1, 1, 1), -likelihood, divergence)
        return nats.mean(dim=(1, 2, 3)) / math.log(2)

    def earlier(self, timestep: Tensor, share: Tensor) -> Tensor:
        """Times earlier by a share (B,) of all steps, in whole steps rounded down, not below 0."""
        return (timestep - (share.double() * self.steps).long()).clamp(0, self.steps - 1)

    @torch.no_grad()
    def sample(
        self,
        denoise: Denoiser,
        sampler: Sampler,
        noise: Tensor,
        condition: Tensor,
        null: Tensor,
        draw: Callable[[], Tensor],
        leading: int | None = None,
    ) -> Tensor:
        """Ancestral sampling on `sampler.evaluations` of the chain's steps, one evaluation each; nothing is clipped. The state is float32.

        The last step draws no noise. Guidance intervals are shares of the chain: step / number of steps.
        """
        refuse_unfit(sampler, DdpmProcess(timesteps=self.steps))
        guided = Guided(denoise, sampler.guidance, null, leading)
        chain = respaced(self.steps, sampler.evaluations)
        schedule = Schedule(self.schedule.alpha_bar[chain])
        state = noise.float()
        for index in reversed(range(len(chain))):
            predicted, variance = guided(state, torch.tensor([chain[index]]), condition, chain[index] / self.steps).float().chunk(2, dim=1)
            state, log_variance = reverse_step(schedule.at(torch.tensor([index], device=state.device)), state, predicted, variance)
            if index > 0:
                state = state + (log_variance / 2).exp() * draw().to(state)
        return state


def reverse_step(c: Coefficients, noisy: Tensor, predicted: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance of p(x_{t-1} | x_t), each (B, C, H, W).

    predicted: the noise.  variance: -1 for the lower bound of the log variance, 1 for the upper (Nichol & Dhariwal 2021, eq. 15).
    """
    clean = c.clean_of_noisy * noisy - c.clean_of_noise * predicted
    towards_high = (variance + 1) / 2
    log_variance = towards_high * c.log_variance_high + (1 - towards_high) * c.log_variance_low
    return c.mean_of_clean * clean + c.mean_of_noisy * noisy, log_variance


def gaussian_divergence(mean: Tensor, log_variance: Tensor, other_mean: Tensor, other_log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(other)) of each value, in nats."""
    ratio = log_variance - other_log_variance
    return (ratio.exp() - ratio - 1 + (mean - other_mean).square() * (-other_log_variance).exp()) / 2


def binned_log_likelihood(value: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Log probability, in nats, of the 8-bit bin around each value in [-1, 1]; the outermost bins reach to infinity (Ho et al., eq. 13)."""
    inverse_deviation = (-log_deviation).exp()
    below_upper = normal_cdf((value - mean + HALF_BIN) * inverse_deviation)
    below_lower = normal_cdf((value - mean - HALF_BIN) * inverse_deviation)
    probability = below_upper - below_lower
    probability = torch.where(value > EDGE, 1 - below_lower, probability)
    probability = torch.where(value < -EDGE, below_upper, probability)
    return probability.clamp(min=LEAST_PROBABILITY).log()


def normal_cdf(x: Tensor) -> Tensor:
    """The tanh approximation that the released code uses, within 2e-4 of the normal distribution function."""
    return (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
