"""Maps from a student's features to its target's: trained beside the model and dropped after training."""

from torch import Generator, Tensor, nn

from sra.models.initial import initialize_linears


class ProjectionHead(nn.Module):
    """SRA: tokens (B, N, D) -> (B, N, D) through one hidden layer of 2 D (section 3.2; released SimpleHead, same key names)."""

    def __init__(self, width: int, generator: Generator | None = None):
        super().__init__()
        self.linear1 = nn.Linear(width, 2 * width)
        self.act = nn.SiLU()
        self.linear2 = nn.Linear(2 * width, width)
        initialize_linears(self, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.linear2(self.act(self.linear1(tokens)))


class Projector(nn.Sequential):
    """REPA: tokens (B, N, D) -> (B, N, E) through two hidden layers (released build_mlp, same key names)."""

    def __init__(self, width: int, hidden: int, out: int, generator: Generator | None = None):
        super().__init__(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, out))
        initialize_linears(self, generator)
