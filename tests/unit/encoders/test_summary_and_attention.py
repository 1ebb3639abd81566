"""What some methods read beside patch tokens, against timm's own layers: the summary token, and the logits of attention among the patches."""

import pytest
import timm
import torch
from timm.models import save_for_hf
from torch import nn

from sra.core.errors import InputError
from sra.encoders.vision import VisionEncoder

READS = frozenset({"tokens", "summary", "attention"})
SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 12, "depth": 3, "num_heads": 2, "num_classes": 3}


def encoder_with(tmp_path, **changes) -> VisionEncoder:
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", **SMALL, **changes)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    save_for_hf(network, tmp_path, safe_serialization=True)
    return VisionEncoder.load(tmp_path)


@pytest.fixture
def images():
    return torch.randint(256, (3, 32, 32, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_the_summary_is_the_class_token_after_the_last_norm(tmp_path, images):
    encoder = encoder_with(tmp_path, reg_tokens=4)
    targets = encoder.targets(images, reads=READS)
    after = encoder.network.forward_features(encoder.preprocessing.pixels(images, 32))
    torch.testing.assert_close(targets.summary, after[:, 0])
    torch.testing.assert_close(targets.tokens, after[:, 5:])


def test_an_encoder_without_a_class_token_is_summed_up_by_the_mean_of_its_patches(tmp_path, images):
    encoder = encoder_with(tmp_path, class_token=False, global_pool="avg")
    targets = encoder.targets(images, reads=READS)
    assert targets.tokens.shape == (3, 16, 12)
    torch.testing.assert_close(targets.summary, targets.tokens.mean(dim=1))


@pytest.mark.parametrize("changes", [{}, {"reg_tokens": 4}, {"qk_norm": True}, {"class_token": False, "global_pool": "avg"}])
def test_attention_is_that_of_the_patches_by_block_and_head(tmp_path, images, changes):
    """With the softmax over patches alone it is what each block's attention would be, were there no other tokens."""
    encoder = encoder_with(tmp_path, **changes)
    beside = encoder.network.num_prefix_tokens
    entered = []
    handles = [block.attn.register_forward_pre_hook(lambda _, given: entered.append(given[0])) for block in encoder.network.blocks]
    logits = encoder.targets(images, reads=READS).attention
    for handle in handles:
        handle.remove()
    assert [tuple(of_block.shape) for of_block in logits] == [(3, 2, 16, 16)] * 3
    for tokens, block, found in zip(entered, encoder.network.blocks, logits, strict=True):
        layer = block.attn
        layer.fused_attn = False
        weights = []
        handle = layer.attn_drop.register_forward_hook(lambda *given, weights=weights: weights.append(given[-1]))
        layer(tokens)
        handle.remove()
        among_patches = weights[0][:, :, beside:, beside:]
        torch.testing.assert_close(found.softmax(dim=3), among_patches / among_patches.sum(dim=3, keepdim=True), rtol=1e-4, atol=1e-6)


def test_what_is_not_read_is_not_made(tmp_path, images):
    targets = encoder_with(tmp_path).targets(images)
    assert targets.summary is None
    assert targets.attention == ()


def test_an_encoder_without_readable_attention_is_refused(tmp_path, images):
    encoder = encoder_with(tmp_path)
    encoder.network.blocks[1].attn = nn.Identity()
    with pytest.raises(InputError, match="its attention cannot be read; give a plain vision transformer"):
        encoder.targets(images, reads=READS)
    assert not any(block.attn._forward_hooks for block in encoder.network.blocks)
