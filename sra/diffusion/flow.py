"""Flow matching on straight paths, as SiT trains and samples it: x_t = (1 - t) x + t noise, the network predicts the velocity noise - x.

Source: Ma et al. 2024 (arXiv 2401.08740), sections 2 and 3; SRA's SiT-SRA/loss.py and samplers.py (REPA's are the same). Time 0 is data
and 1 is noise; willisma/SiT counts the other way.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from sra.diffusion.batch import Denoiser, NoisyBatch
from sra.diffusion.guidance import Guided
from sra.spec.recipe import FlowProcess
from sra.spec.samplers import EulerSampler, Sampler, SdeSampler, refuse_unfit

# (state (B, C, H, W), time, the time that decides about guidance) -> velocity (B, C, H, W); both tensors float64
Velocity = Callable[[Tensor, float, float], Tensor]


class Flow:
    """The process behind SiT and MMDiT. It has no state."""

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Training times (B,) float32, uniform on [0, 1)."""
        return uniform.float()

    def noisy(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        t = timestep.view(-1, *[1] * (latents.ndim - 1)) if timestep.ndim == 1 else timestep
        return (1 - t) * latents + t * noise

    def target(self, batch: NoisyBatch) -> Tensor:
        """The velocity, (B, C, H, W)."""
        return batch.noise - batch.latents

    def loss(self, output: Tensor, batch: NoisyBatch) -> Tensor:
        """Mean squared error of the velocity, (B,)."""
        return (output.float() - self.target(batch)).square().mean(dim=(1, 2, 3))

    def earlier(self, timestep: Tensor, share: Tensor) -> Tensor:
        """Times earlier by a share (B,), not below 0."""
        return (timestep - share.to(timestep.dtype)).clamp(min=0)

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
        """Latents (B, C, H, W) float32 at time 0 from noise at time 1. The state is float64, the network sees float32.

        `sampler.evaluations` counts network evaluations (a guided one, with and without the condition, is one evaluation):
        sde        one for each point of linspace(1, last_step, evaluations); the released --num-steps.
        ode_euler  one for each of `evaluations` equal steps from 1 to 0; the released --num-steps.
        ode_heun   two a step, one in the last, so (evaluations + 1) // 2 steps; the released --num-steps counts steps.
        """
        refuse_unfit(sampler, FlowProcess())
        guided = Guided(lambda x, t, y: denoise(x.float(), t.float(), y).double(), sampler.guidance, null, leading)
        velocity = partial(_velocity, guided, condition)
        state = noise.double()
        if isinstance(sampler, SdeSampler):
            return euler_maruyama(velocity, state, sde_grid(sampler.evaluations, sampler.last_step), draw).float()
        if isinstance(sampler, EulerSampler):
            return euler(velocity, state, ode_grid(sampler.evaluations)).float()
        return heun(velocity, state, ode_grid((sampler.evaluations + 1) // 2)).float()


def _velocity(guided: Guided, condition: Tensor, state: Tensor, time: float, deciding_time: float) -> Tensor:
    return guided(state, torch.tensor([time], dtype=state.dtype), condition, deciding_time)


def sde_grid(evaluations: int, last_step: float) -> list[float]:
    """Times from 1 to `last_step`, which is above 0, then 0: one evaluation at each but the last."""
    return [*torch.linspace(1, last_step, evaluations, dtype=torch.float64).tolist(), 0.0]


def ode_grid(steps: int) -> list[float]:
    """Times of `steps` equal steps from 1 to 0."""
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()


def score_from_velocity(velocity: Tensor, state: Tensor, time: float) -> Tensor:
    """Gradient of log p_t. On this path the expected noise is x_t + (1 - t) velocity and the score is minus that over t (SiT, section 2)."""
    return -(state + (1 - time) * velocity) / time


def euler_maruyama(velocity: Velocity, state: Tensor, grid: list[float], draw: Callable[[], Tensor]) -> Tensor:
    """dx = (v - w / 2 score) dt + sqrt(w) dW, backwards in time, with w = 2 t as released (the papers print w = sigma_t). Last step without noise."""
    for time, following in pairwise(grid):
        step, diffusion = following - time, 2 * time
        v = velocity(state, time, time)
        drift = v - diffusion / 2 * score_from_velocity(v, state, time)
        state = state + step * drift
        if following > 0:
            state = state + (diffusion * -step) ** 0.5 * draw().to(state)
    return state


def euler(velocity: Velocity, state: Tensor, grid: list[float]) -> Tensor:
    """The probability flow ODE, first order."""
    for time, following in pairwise(grid):
        state = state + (following - time) * velocity(state, time, time)
    return state


def heun(velocity: Velocity, state: Tensor, grid: list[float]) -> Tensor:
    """The probability flow ODE, second order, the last step first order. Guidance of both halves of a step follows its first time."""
    for time, following in pairwise(grid):
        step = following - time
        here = velocity(state, time, time)
        there = velocity(state + step * here, following, time) if following > 0 else here
        state = state + step * (here + there) / 2
    return state
