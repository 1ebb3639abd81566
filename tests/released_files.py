"""State dicts as the four repositories save them, of networks of the real class and a small size."""

import torch

from sra.models.build import build_model
from sra.models.claims import Claims
from sra.models.dit import DiffusionTransformer
from sra.spec.run import ModelSpec
from sra.spec.scale import Latent, Width

TINY = [("B", Width(depth=3, width=32, heads=4))]
FIRST_HALF = [0, 1, 2, 3]


def network(outputs: int = 1, size: int = 8, patch: int = 2, **changes) -> DiffusionTransformer:
    """A transformer with every weight away from its start; outputs 2 doubles the channels, as DiT and willisma/SiT do."""
    numbers = {"depth": 3, "width": 32, "heads": 4, "classes": 10} | changes
    spec = ModelSpec(name="theirs", patch=patch, latent=Latent(channels=4, size=size), learns_variance=outputs == 2, **numbers)
    model = build_model(spec, seed=0)
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


def head(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}.weight": torch.ones(4, 4), f"{prefix}.bias": torch.zeros(4)}


def willisma(outputs: int = 2) -> DiffusionTransformer:
    """As willisma/SiT leaves it: the second half of the output is never trained, so its biases are zero."""
    model = network(outputs)
    if outputs == 2:
        model.final_layer.linear.bias.data.unflatten(0, (4, 8))[:, 4:] = 0
    return model


FILES = {
    "dit": lambda: network(outputs=2).state_dict(),
    "sit": lambda: willisma().state_dict(),
    "sit, 4 channels": lambda: willisma(outputs=1).state_dict(),
    "repa": lambda: network().state_dict() | head("projectors.0.0"),
    "sra": lambda: network().state_dict() | head("ap_head.linear1"),
    "sra, DiT": lambda: network(outputs=2).state_dict() | head("ap_head.linear1"),
}

SAID = Claims(classes=10)


def loaded(result) -> DiffusionTransformer:
    """Our network with the converted weights; names and shapes must be its own."""
    model = DiffusionTransformer(result.model)
    missing, unexpected = model.load_state_dict(result.tensors, strict=False)
    assert (missing, unexpected) == (["pos_embed"], [])
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in result.tensors.values())
    return model


def inputs(times=(0.0, 0.03, 0.5, 0.97, 1.0)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(times), 4, 8, 8, generator=generator), torch.tensor(times), torch.tensor([0, 9, 10, 3, 10])
