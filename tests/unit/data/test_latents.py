"""Draws from stored moments have those moments."""

import numpy as np
import pytest
import torch

from sra.data.latents import sample_posterior


def test_draws_have_the_stored_mean_and_deviation_times_the_factor():
    moments = torch.cat([torch.full((1, 4, 2, 2), 3.0), torch.full((1, 4, 2, 2), 0.5)], dim=1).expand(20_000, -1, -1, -1)
    noise = torch.randn(20_000, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    latents = sample_posterior(moments, noise, scaling_factor=0.18215)
    assert latents.shape == noise.shape
    # 320,000 draws: standard errors are 0.0009 of the mean and 0.0006 of the deviation, before the factor.
    assert latents.mean().item() == pytest.approx(3 * 0.18215, abs=4 * 0.0009 * 0.18215)
    assert latents.std().item() == pytest.approx(0.5 * 0.18215, abs=4 * 0.0007 * 0.18215)


def test_without_noise_the_latent_is_the_scaled_mean_of_its_own_channel():
    moments = torch.arange(8.0).view(1, 8, 1, 1)
    assert sample_posterior(moments, torch.zeros(1, 4, 1, 1), 2.0).flatten().tolist() == [0, 2, 4, 6]
    assert sample_posterior(moments, torch.ones(1, 4, 1, 1), 1.0).flatten().tolist() == [4, 6, 8, 10]


def test_numpy_and_torch_agree():
    rng = np.random.default_rng(0)
    moments, noise = rng.normal(size=(3, 8, 2, 2)), rng.normal(size=(3, 4, 2, 2))
    drawn = sample_posterior(torch.from_numpy(moments), torch.from_numpy(noise), 0.3)
    assert np.array_equal(sample_posterior(moments, noise, 0.3), drawn.numpy())


def test_noise_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="expected twice the 8"):
        sample_posterior(torch.zeros(1, 8, 2, 2), torch.zeros(1, 8, 2, 2), 1.0)
