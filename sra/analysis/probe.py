"""Linear probes: how well the features of each block tell the classes apart.

Source: arXiv 2505.02831v5, appendix C (after REPA and l-DAE, in ConvNeXt's code): adaptive average pooling over the tokens, batch norm, one linear
layer; 80 epochs, batch 4096, learning rate 0.001 with cosine decay. What it leaves open is ours: AdamW without weight decay (the code base's
optimiser), no affine part in the norm and weights of deviation 0.01 at the start (as in MAE's probes, arXiv 2111.06377, appendix A).
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.data.order import batch_indices
from sra.spec.scale import ProbeTraining

EPSILON = 1e-6
MOMENTUM = 0.1  # of the running statistics, torch's default
INITIAL_DEVIATION = 0.01
SCORED_AT_ONCE = 4096


def held_out_rows(count: int, training: ProbeTraining) -> tuple[np.ndarray, np.ndarray]:
    """Which of `count` images train a probe and which score it: two sorted arrays, a function of the seed alone."""
    if count <= training.held_out:
        raise InputError(f"probe: {training.held_out} images held out of {count} leave none to train on; lower probe.held_out in the preset")
    order = np.random.Generator(np.random.PCG64(derive_seed(training.seed, "probe", "held out"))).permutation(count)
    return np.sort(order[training.held_out :]), np.sort(order[: training.held_out])


def probe_accuracies(
    features: np.ndarray, labels: np.ndarray, classes: int, training: ProbeTraining, device: torch.device, shown: str
) -> list[float]:
    """Accuracy in [0, 1] of a probe on each of K blocks, trained side by side on the same batches.

    features: (N, K, D), pooled, may be a memory map.  labels: (N,) int64 below `classes`.  shown: what the progress bar calls it.
    """
    train, held_out = held_out_rows(len(features), training)
    batch = min(training.batch, len(train))
    probes = Probes(features.shape[1], features.shape[2], classes, training.seed).to(device)
    steps = training.epochs * (len(train) // batch)
    optimizer = torch.optim.AdamW(probes.parameters(), lr=training.learning_rate, weight_decay=0.0)
    with Progress(shown, steps, "steps") as progress:
        for step in range(steps):
            rows = train[batch_indices(len(train), batch, training.seed, step)]
            logits = probes(torch.from_numpy(features[rows]).to(device).float())
            wanted = torch.from_numpy(labels[rows]).to(device)[:, None].expand(-1, features.shape[1])
            # Summed over the blocks, whose probes share nothing: each sees the gradient of its own mean.
            loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten()) * features.shape[1]
            optimizer.param_groups[0]["lr"] = training.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.advance()
    return _scored(probes.eval(), features, labels, held_out, device)


class Probes(torch.nn.Module):
    """K independent linear classifiers, each behind a batch norm of its own."""

    def __init__(self, blocks: int, width: int, classes: int, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(derive_seed(seed, "probe", "weights"))
        # Each block starts from the same weights, so that blocks differ in their features alone.
        first = torch.randn((width, classes), generator=generator) * INITIAL_DEVIATION
        self.weight = torch.nn.Parameter(first.expand(blocks, -1, -1).clone())
        self.bias = torch.nn.Parameter(torch.zeros(blocks, classes))
        self.norm = torch.nn.BatchNorm1d(blocks * width, eps=EPSILON, momentum=MOMENTUM, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, K, D) -> logits (B, K, classes)."""
        normed = self.norm(features.flatten(1)).unflatten(1, features.shape[1:])
        return torch.einsum("bkd,kdc->bkc", normed, self.weight) + self.bias


@torch.no_grad()
def _scored(probes: Probes, features: np.ndarray, labels: np.ndarray, rows: np.ndarray, device: torch.device) -> list[float]:
    right = torch.zeros(features.shape[1], dtype=torch.int64)
    for start in range(0, len(rows), SCORED_AT_ONCE):
        part = rows[start : start + SCORED_AT_ONCE]
        found = probes(torch.from_numpy(features[part]).to(device).float()).argmax(2).cpu()
        right += (found == torch.from_numpy(labels[part])[:, None]).sum(0)
    return (right.double() / len(rows)).tolist()
