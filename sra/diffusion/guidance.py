"""Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598), limited to an interval of times (Kynkäänniemi et al. 2024)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sra.diffusion.batch import Denoiser
from sra.spec.samplers import Guidance

LEADING_CHANNELS = 3  # DiT's and SiT's forward_with_cfg guide as many of the four latent channels


@dataclass(frozen=True)
class Guided:
    """A denoiser that extrapolates from no condition towards the condition. It is asked twice only where guidance acts.

    null: what stands for no condition, in the shape of one row: the class "none" () int64, the empty caption's tokens (L, E).
    leading: of a state (B, L) of several parts, how many numbers guidance reaches; None: all.
    """

    denoise: Denoiser
    guidance: Guidance
    null: Tensor
    leading: int | None = None

    def acts_at(self, time: float) -> bool:
        """Whether guidance acts at a share of the time range in [0, 1]; both ends of the interval belong to it (released samplers.py)."""
        low, high = self.guidance.interval
        return self.guidance.scale != 1 and low <= time <= high

    def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor, time: float) -> Tensor:
        """Output (B, O, H, W) for x (B, C, H, W), timestep (1,) and condition (B, ...). `time` decides whether guidance acts.

        Channels that are not guided, learnt variances among them, are those of the condition.
        """
        if not self.acts_at(time):
            return self.denoise(x, timestep, condition)
        conditional, unconditional = self._both(x, timestep, condition, self.null.expand_as(condition))
        count = self.leading or (x.shape[1] if self.guidance.channels == "all" else min(LEADING_CHANNELS, x.shape[1]))
        towards = conditional[:, :count] - unconditional[:, :count]
        return torch.cat([unconditional[:, :count] + self.guidance.scale * towards, conditional[:, count:]], dim=1)

    def _both(self, x: Tensor, timestep: Tensor, condition: Tensor, null: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs with and without the condition.

        A GPU is filled better by one batch twice as large; a CPU, whose caches hold less, takes one after the other.
        """
        if x.device.type == "cpu":
            return self.denoise(x, timestep, condition), self.denoise(x, timestep, null)
        return self.denoise(torch.cat([x, x]), timestep, torch.cat([condition, null])).chunk(2)
