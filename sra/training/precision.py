"""Number formats of the matrix products, and the loss scale that fp16 needs."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from sra.core.errors import StageError
from sra.spec.scale import Precision

# Those of torch.amp.GradScaler, which the released code trains with (through accelerate).
FIRST_SCALE = 65_536.0
GROWTH_INTERVAL = 2_000
LEAST_SCALE = 1e-3


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager:
    """Matrix products in the precision's format. The weights, the residual stream, norms and losses stay float32."""
    formats = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtype=formats[precision]) if precision in formats else nullcontext()


def set_float32_products(precision: Precision) -> None:
    """TF32 for the products that stay float32 on a GPU, unless fp32 is asked for (released train.py: on). A setting of the whole process."""
    torch.backends.cuda.matmul.fp32_precision = "ieee" if precision == "fp32" else "tf32"


class LossScale:
    """Keeps fp16 gradients from vanishing: the loss is multiplied, the gradients are divided, and a step that overflows changes no weight.

    scale halves after an overflow and doubles after 2,000 steps without one. Both tensors live on the device and are part of the state.
    """

    def __init__(self, device: torch.device):
        self.scale = torch.tensor(FIRST_SCALE, device=device)
        self.steps_since = torch.zeros((), device=device)

    def after_step(self, overflowed: Tensor) -> None:
        """Adapt to a step; overflowed: () float32, 1 or 0."""
        self.steps_since.copy_((self.steps_since + 1) * (1 - overflowed))
        grows = (self.steps_since >= GROWTH_INTERVAL).float()
        self.scale.mul_(1 + grows).mul_(1 - overflowed / 2)
        self.steps_since.mul_(1 - grows)

    def check(self, run: str, step: int) -> None:
        """Raises StageError when even a tiny scale overflows: the gradients themselves are not finite."""
        if self.scale.item() < LEAST_SCALE:
            raise StageError(f"run {run}: fp16 gradients overflow at any loss scale by step {step}; set precision bf16 or fp32 in the preset")


def gradient_norm(gradients: list[Tensor], limit: float, scale: LossScale | None) -> tuple[Tensor, Tensor]:
    """Global norm of the gradients without the loss scale, and what divides them to undo the scale and to limit the norm, both () float32.

    The 1e-6 is that of torch's clip_grad_norm_, which the released code calls.
    """
    divisor = scale.scale if scale else 1.0
    norm = torch.nn.utils.get_total_norm(gradients) / divisor
    return norm, ((norm + 1e-6) / limit).clamp(min=1.0) * divisor
