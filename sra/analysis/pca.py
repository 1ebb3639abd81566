"""The three principal components of an image's tokens as colours.

Source: SRA's released pca-vis: a PCA of its own for each block and time over the image's tokens, three components, each scaled to its own range
and shown as red, green and blue. The sign of a component, which a PCA leaves open, is fixed here.
"""

import torch
from torch import Tensor

COMPONENTS = 3
FLAT = 1e-6  # spread of a component relative to the first, below which it is the rounding of float32


def component_colours(tokens: Tensor) -> Tensor:
    """Tokens (N, D) of one image, N >= 4 -> (N, 3) uint8: components in falling order of variance, each from its least (0) to its largest (255)."""
    centred = tokens.double() - tokens.double().mean(0)
    left, size, right = torch.linalg.svd(centred, full_matrices=False)
    scores = left[:, :COMPONENTS] * size[:COMPONENTS]
    # The direction in which the largest loading is positive: the same picture on every machine.
    loadings = right[:COMPONENTS]
    signs = loadings.gather(1, loadings.abs().argmax(1, keepdim=True)).sign().squeeze(1)
    scores = scores * torch.where(signs == 0, 1.0, signs)
    low, high = scores.amin(0), scores.amax(0)
    # A component without any spread is one colour, not noise blown up.
    span = torch.where(high - low > FLAT * size[0].clamp(min=1e-300), high - low, torch.inf)
    return ((scores - low) / span * 255).round().to(torch.uint8)
