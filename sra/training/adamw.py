"""AdamW over named tensors.

torch's function instead of its `Optimizer` class: the state is then a plain dictionary that a safetensors file holds as it is, gradients are
clipped as they are read, and no compiler is imported (1 s a process).
"""

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from sra.spec.run import TrainingSpec


class AdamW:
    """First and second moments for each parameter. Source of the settings: section 4.1 and the released train.py.

    updates: () float32, the number of updates made, which corrects the moments' bias; steps that overflowed made none.
    """

    def __init__(self, parameters: dict[str, Tensor], spec: TrainingSpec):
        self.parameters, self.spec = parameters, spec
        self.first = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        self.second = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        self.updates = torch.zeros((), device=next(iter(parameters.values())).device)

    @torch.no_grad()
    def update(self, divisor: Tensor | None = None, overflowed: Tensor | None = None) -> None:
        """Make one update in place, from the gradients divided by `divisor` (); none where `overflowed` () is 1."""
        tensors = list(self.parameters.values())
        adamw(
            tensors,
            [tensor.grad for tensor in tensors],
            list(self.first.values()),
            list(self.second.values()),
            [],
            # The function counts for each tensor on its own; here all have one count, which is raised below.
            list(self.updates.repeat(len(tensors)).unbind()),
            fused=True,
            grad_scale=divisor,
            found_inf=overflowed,
            amsgrad=False,
            beta1=self.spec.betas[0],
            beta2=self.spec.betas[1],
            lr=self.spec.learning_rate,
            weight_decay=self.spec.weight_decay,
            eps=self.spec.epsilon,
            maximize=False,
        )
        self.updates += 1 if overflowed is None else 1 - overflowed
