"""The diffusion transformer of DiT and SiT; the two differ in what their output means, not in the network.

Source: Peebles & Xie 2023 (arXiv 2212.09748), figure 3; released DiT/models.py and SRA's SiT-SRA/models/sit.py. The state dict has the
released keys and shapes, without SRA's or REPA's heads, which belong to the alignment.
"""

from torch import Generator, Tensor, nn

from sra.models.blocks import Block, LabelEmbedding
from sra.models.initial import initialize_linears
from sra.models.trunk import Tokens, Transformer
from sra.spec.run import ModelSpec


class DiffusionTransformer(Transformer):
    """Predicts velocity (SiT) or noise and variance (DiT). Its condition is a class, (B,) int64, whose embedding is added to that of time."""

    def __init__(self, spec: ModelSpec, generator: Generator | None = None):
        super().__init__(
            spec,
            out_channels=spec.latent.channels * (2 if spec.learns_variance else 1),
            condition_embedder=("y_embedder", LabelEmbedding(spec.classes, spec.width)),
            blocks=(Block(spec.width, spec.heads) for _ in range(spec.depth)),
        )
        self.initialize(generator)

    def embed_condition(self, condition: Tensor) -> Tensor:
        """Labels (B,) -> (B, D)."""
        return self.y_embedder(condition)

    def enter_blocks(self, image: Tensor, time: Tensor, condition: Tensor) -> tuple[Tokens, Tensor]:
        """The image's tokens alone; time and class are one condition (B, D), or with one time a group (B, G, D)."""
        return (image,), time + (condition.unsqueeze(1) if time.ndim == 3 else condition)

    def initialize(self, generator: Generator | None = None) -> None:
        """DiT's initial weights: every block starts as the identity and the output as zero.

        An extra token comes last, so that a model with one and a model without begin alike in all that both have.
        """
        for part in self.children():
            if part is not self.summary:
                initialize_linears(part, generator)
        # The patch embedding is a linear layer in the shape of a convolution.
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1).detach(), generator=generator)
        nn.init.zeros_(self.x_embedder.proj.bias)
        for table in (self.y_embedder.embedding_table.weight, self.t_embedder.mlp[0].weight, self.t_embedder.mlp[2].weight):
            nn.init.normal_(table, std=0.02, generator=generator)
        for layer in (*(block.adaLN_modulation[1] for block in self.blocks), self.final_layer.adaLN_modulation[1], self.final_layer.linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        if self.summary is not None:
            initialize_linears(self.summary, generator)
            self.summary.start_at_zero()
