"""Mirrored images: the chosen ones see the mirrored latent, target and image, the others and everything else stay as they are."""

import numpy as np
import pytest
import torch

from sra.diffusion.process import build_process
from sra.training.batches import FLIPPED_SHARE, Batches, mirrored_tokens
from sra.training.conditions import ClassLabels
from sra.training.distributed import World
from sra.training.draws import draw_step

STEP = 3


def batch_of(spec, latents, features, world=World(), pixels=None):
    conditions = ClassLabels(latents, spec.model.classes)
    return Batches(spec, latents, conditions, features, build_process(spec.process), world, pixels).at(STEP)


@pytest.fixture
def flat_stores(tiny_stores):
    """The same without spread, so that a latent is its mean whatever is drawn."""
    latents, features = tiny_stores
    for shard in latents.shards:
        file = latents.manifest.parent / shard.file
        rows = np.load(file)
        rows[:, 4:] = 0
        np.save(file, rows)
    object.__setattr__(latents, "checksums", None)
    return latents, features


def test_half_of_a_batch_is_mirrored_with_its_targets(tiny_run, flat_stores):
    plain, turned = (batch_of(tiny_run("sit_b2_repa", training={"batch": 16, "flips": flips}), *flat_stores) for flips in ("none", "latents"))
    chosen = draw_step(0, STEP, (16, 4, 8, 8)).flip < FLIPPED_SHARE
    assert 0 < chosen.sum() < 16
    expected = torch.where(chosen[:, None, None, None], plain.noisy.latents.flip(3), plain.noisy.latents)
    assert torch.equal(turned.noisy.latents, expected)
    for row in range(16):
        tokens, seen = plain.targets.tokens[row].view(4, 4, -1), turned.targets.tokens[row].view(4, 4, -1)
        assert torch.equal(seen, tokens.flip(1) if chosen[row] else tokens)
    for name in ("noise", "timestep", "condition"):
        assert torch.equal(getattr(turned.noisy, name), getattr(plain.noisy, name))


def test_processes_share_the_flips_of_one_batch(tiny_run, flat_stores):
    spec = tiny_run("sit_b2_repa", training={"batch": 8, "flips": "latents"})
    whole = batch_of(spec, *flat_stores)
    parts = [batch_of(spec, *flat_stores, World(rank=rank, size=2)) for rank in range(2)]
    assert torch.equal(torch.cat([part.noisy.latents for part in parts]), whole.noisy.latents)
    assert torch.equal(torch.cat([part.targets.tokens for part in parts]), whole.targets.tokens)


def test_tokens_of_a_mirrored_image_are_read_from_right_to_left():
    tokens = torch.arange(8.0).view(2, 4, 1)
    assert mirrored_tokens(tokens, torch.tensor([True, False])).flatten(1).tolist() == [[1, 0, 3, 2], [4, 5, 6, 7]]
