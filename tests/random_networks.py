"""Networks of the real classes with random weights, in the files that a user would fetch. Nothing is downloaded."""

from pathlib import Path
from unittest import mock

import torch
from torch import nn

from sra.core.files import sha256_of_file

# As in config.json of stabilityai/sd-vae-ft-ema: 83,653,863 parameters, 3 x 256 x 256 -> 4 x 32 x 32.
SD_CHANNELS = (128, 256, 512, 512)
SMALL_CHANNELS = (8, 8, 16, 16)  # the same graph, also with 8 pixels a latent


def save_random_sd_vae(folder: Path, small: bool = False, seed: int = 0) -> Path:
    """Save an AutoencoderKL of Stable Diffusion's configuration to `folder` in diffusers' format. small: narrow, for tests that run it often."""
    from diffusers import AutoencoderKL  # takes seconds to import

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=SMALL_CHANNELS if small else SD_CHANNELS,
            layers_per_block=2,
            latent_channels=4,
            norm_num_groups=4 if small else 32,
            sample_size=256,
            scaling_factor=0.18215,
        )
    network.save_pretrained(folder)
    return Path(folder)


def save_random_dinov2(folder: Path, seed: int = 0) -> None:
    """Save a DINOv2-B (86.6 million parameters, patch 14, 518 pixels) to `folder` as timm's hub keeps it: config.json and safetensors."""
    import timm  # takes seconds to import
    from timm.models import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model("vit_base_patch14_dinov2", pretrained=False)
    save_for_hf(network, folder, safe_serialization=True)


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
