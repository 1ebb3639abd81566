"""Latents from stored moments. Light enough for the training loop: works on torch tensors and numpy arrays, imports neither."""

from typing import TypeVar

Array = TypeVar("Array")


def sample_posterior(moments: Array, noise: Array, scaling_factor: float) -> Array:
    """(mean + std noise) scaling_factor: a fresh latent of each image, as SRA and REPA draw one at every step.

    moments: (B, 2C, h, w), means then standard deviations, as the VAE gives them. noise: (B, C, h, w), standard normal.
    Returns (B, C, h, w), of about unit standard deviation over a data set. Source: SRA released code, SiT-SRA/train.py (no bias).
    """
    channels = noise.shape[1]
    if moments.shape[1] != 2 * channels:
        raise ValueError(f"moments have {moments.shape[1]} channels, expected twice the {channels} of the noise")
    return (moments[:, :channels] + moments[:, channels:] * noise) * scaling_factor


def posterior_mean(moments: Array, scaling_factor: float) -> Array:
    """The mean of each image's posterior in the scale of `sample_posterior`: (B, C, h, w) from moments (B, 2C, h, w)."""
    return moments[:, : moments.shape[1] // 2] * scaling_factor
