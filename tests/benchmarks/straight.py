"""SRA's training step in its plainest form: the paper's equations one after the other, on timm's parts, eager.

What it does as the text says it (arXiv 2505.02831v5, section 3.2) and nothing more: the teacher runs through all its blocks, its weights
are averaged parameter by parameter, the gradient is clipped and AdamW called with torch's defaults, and the losses are read at every step.
In mixed precision it is what vvvvvjdy/SRA's train.py comes to: the trained network under autocast, its outputs and the loss in float32, fp16
with a scaled loss, and the teacher, which accelerate was never given, outside it.
The parameters have the names and shapes of ours, so that both can start from the same weights.
"""

import copy

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Attention, Mlp, PatchEmbed
from torch import Tensor, nn

from sra.models.blocks import LabelEmbedding, TimestepEmbedding, sincos_positions
from sra.spec.run import ModelSpec, RunSpec
from sra.training.batches import TrainingBatch


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, num_heads=heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = Mlp(width, hidden_features=4 * width, act_layer=lambda: nn.GELU(approximate="tanh"))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate_a.unsqueeze(1) * self.attn(modulate(self.norm1(x), shift_a, scale_a))
        return x + gate_m.unsqueeze(1) * self.mlp(modulate(self.norm2(x), shift_m, scale_m))


class Final(nn.Module):
    def __init__(self, width: int, out: int):
        super().__init__()
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(width, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class StraightSiT(nn.Module):
    def __init__(self, spec: ModelSpec):
        super().__init__()
        latent = spec.latent
        self.patch, self.channels, self.side = spec.patch, latent.channels, latent.size // spec.patch
        self.x_embedder = PatchEmbed(latent.size, spec.patch, latent.channels, spec.width)
        self.t_embedder = TimestepEmbedding(spec.width)
        self.y_embedder = LabelEmbedding(spec.classes, spec.width)
        self.register_buffer("pos_embed", sincos_positions(spec.width, self.side).unsqueeze(0))
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.final_layer = Final(spec.width, spec.patch**2 * latent.channels)

    def forward(self, x: Tensor, t: Tensor, y: Tensor, tap: int | None = None) -> tuple[Tensor, Tensor | None]:
        """All blocks, always; and the tokens after block `tap`, counted from 1."""
        x, c, tapped = self.x_embedder(x) + self.pos_embed, self.t_embedder(t) + self.y_embedder(y), None
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, c)
            if number == tap:
                tapped = x
        x = self.final_layer(x, c).reshape(-1, self.side, self.side, self.patch, self.patch, self.channels)
        x = torch.einsum("nhwpqc->nchpwq", x)
        return x.reshape(-1, self.channels, self.side * self.patch, self.side * self.patch), tapped


class StraightLoop:
    """Steps of a run of SiT, with SRA or without. weights: of the model to start from.  head: SRA's, or None.  mixed: autocast's format, or None."""

    def __init__(self, spec: RunSpec, weights: dict[str, Tensor], head: nn.Module | None, device: torch.device, mixed: torch.dtype | None = None):
        self.spec, self.options, self.device, self.mixed = spec, spec.alignment, device, mixed
        self.scaler = torch.amp.GradScaler(device.type, enabled=mixed == torch.float16)
        self.first_scale = self.scaler.get_scale()
        self.model = StraightSiT(spec.model)
        self.model.load_state_dict(weights)
        self.model.to(device).train()
        self.ema = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.head = copy.deepcopy(head).to(device) if head is not None else None
        self.parameters = [*self.model.parameters(), *(self.head.parameters() if self.head is not None else ())]
        training = spec.training
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=training.learning_rate, betas=training.betas, weight_decay=training.weight_decay, eps=training.epsilon
        )

    @property
    def left_out(self) -> bool:
        """Whether a step overflowed and changed no weight."""
        return self.scaler.get_scale() < self.first_scale

    def step(self, batch: TrainingBatch) -> float:
        x, noise, t, y = (tensor.to(self.device) for tensor in (batch.noisy.latents, batch.noisy.noise, batch.noisy.timestep, batch.noisy.condition))
        loss = self.loss(x, noise, t, y, batch.draws.get("interval", torch.zeros(len(batch))).to(self.device))
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.spec.training.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.update_ema(self.spec.training.ema.decay)
        return loss.item()

    def loss(self, x: Tensor, noise: Tensor, t: Tensor, y: Tensor, draw: Tensor) -> Tensor:
        student, teacher = (self.options.student_block, self.options.teacher_block) if self.head is not None else (None, None)
        with torch.autocast(self.device.type, dtype=self.mixed, enabled=self.mixed is not None):
            predicted, features = self.model(self.between(x, noise, t), t, y, tap=student)
            projected = self.head(features) if self.head is not None else None
        loss = (predicted.float() - (noise - x)).square().mean()
        if self.head is not None:
            with torch.no_grad():
                earlier = (t - self.options.max_interval * draw).clamp(min=0)
                _, target = self.ema(self.between(x, noise, earlier), earlier, y, tap=teacher)
            loss = loss + self.options.weight * F.smooth_l1_loss(projected.float(), target, beta=self.options.beta)
        return loss

    @staticmethod
    def between(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        t = t.view(-1, 1, 1, 1)
        return (1 - t) * x + t * noise

    @torch.no_grad()
    def update_ema(self, decay: float) -> None:
        averaged = dict(self.ema.named_parameters())
        for name, parameter in self.model.named_parameters():
            averaged[name].mul_(decay).add_(parameter.data, alpha=1 - decay)
