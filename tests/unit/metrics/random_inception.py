"""A weight file in torch-fidelity's format for tests: its official class with random weights of a realistic scale."""

from pathlib import Path
from unittest import mock

import torch
from torch import nn

from sra.core.files import sha256_of_file


def save_random_inception(path: Path, seed: int = 0) -> str:
    """Write the state dict of torch-fidelity's Inception network with weights drawn from `seed` (95 MB) and return the file's SHA-256."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3  # takes seconds to import

    class Unloaded(FeatureExtractorInceptionV3):
        def load_state_dict(self, state_dict):
            """Its constructor has no way to skip the weight file."""

    with mock.patch.object(torch, "load", return_value={}), torch.device("meta"):
        network = Unloaded("random", ["2048"], feature_extractor_weights_path="none")
    network.to_empty(device="cpu")

    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.3, generator=generator)
            module.bias.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.num_batches_tracked.zero_()
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0, 0.05, generator=generator)
            module.bias.normal_(0, 1, generator=generator)
    torch.save(network.state_dict(), path)
    return sha256_of_file(path)
