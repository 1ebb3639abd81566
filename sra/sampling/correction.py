"""Contrastive flow matching without the guidance that its loss hides.

With weight w the network that minimises |v - u|^2 - w |v - u'|^2, u' of another sample, gives v = (E[u | x_t] - w E[u]) / (1 - w). The mean velocity
E[u] = E[noise - x] is minus the mean latent, so E[u | x_t] = (1 - w) v - w E[x]. The released sampler takes that step within the interval of
guidance alone (gstoica27/DeltaFM at 489f536); here it is taken at every time.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Correction:
    """weight: of the contrastive term.  latent_mean: (C, h, w) of the training latents."""

    weight: float
    latent_mean: Tensor

    def corrected(self, velocity: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return (1 - self.weight) * velocity - self.weight * self.latent_mean
