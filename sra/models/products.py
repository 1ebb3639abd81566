"""Number formats of the matrix products that networks are made of."""

from contextlib import AbstractContextManager, nullcontext

import torch

from sra.spec.scale import Precision


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager:
    """Matrix products in the precision's format. The weights, the residual stream, norms and losses stay float32."""
    formats = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtype=formats[precision]) if precision in formats else nullcontext()


def set_float32_products(precision: Precision) -> None:
    """TF32 for the products that stay float32 on a GPU, unless fp32 is asked for (released train.py: on). A setting of the whole process."""
    torch.backends.cuda.matmul.fp32_precision = "ieee" if precision == "fp32" else "tf32"
