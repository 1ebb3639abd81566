"""Autoencoders of random weights, saved as a user would have them."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL

# As in config.json of stabilityai/sd-vae-ft-ema: 83,653,863 parameters, 3 x 256 x 256 -> 4 x 32 x 32.
SD_CHANNELS = (128, 256, 512, 512)
SMALL_CHANNELS = (8, 8, 16, 16)  # the same graph, also with 8 pixels a latent


def save_random_sd_vae(folder: Path, small: bool = False, seed: int = 0) -> Path:
    """Save an AutoencoderKL of Stable Diffusion's configuration to `folder` in diffusers' format. small: narrow, for tests that run it often."""
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
