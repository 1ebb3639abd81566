"""The extra token of REG: a second state, the summary of an image by an encoder, that goes through the blocks before the image's tokens.

Source: arXiv 2507.01467, section 3; Martinser/REG at 021ea2e. Its layers stay in the model, since sampling draws both states.
"""

from torch import Tensor, nn

from sra.models.blocks import NORM_EPSILON


class SummaryToken(nn.Module):
    """A noisy summary (B, E) as one token, and what the network makes of that token as a prediction (B, E). It has no position."""

    def __init__(self, width: int, summary_width: int):
        super().__init__()
        self.into = nn.Linear(summary_width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.out = nn.Linear(width, summary_width)

    def embedded(self, summary: Tensor) -> Tensor:
        """(B, E) -> (B, 1, D)."""
        return self.norm(self.into(summary)).unsqueeze(1)

    def predicted(self, token: Tensor) -> Tensor:
        """The modulated norm of the token, (B, D) -> (B, E)."""
        return self.out(token)

    def start_at_zero(self) -> None:
        """Its prediction starts as zero, as the image's does."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
