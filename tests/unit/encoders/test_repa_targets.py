"""What REPA's released code does for each family: its numbers for the input, and timm's parts called one by one for the tokens."""

import re

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import get_pretrained_cfg, save_for_hf

from sra.core.errors import InputError
from sra.encoders.repa_targets import FAMILIES, family_of
from sra.encoders.vision import CONFIG, WEIGHTS, VisionEncoder, find_encoder

PREPROCESSING = {family.name: family.preprocessing for family in FAMILIES}

# timm's name of a member, patch, registers and class tokens, whether the target comes after the final norm (REPA's models/*.py).
MEMBERS = {
    "dinov2": ("vit_base_patch14_dinov2.lvd142m", 14, 1, True),
    "dinov2 with registers": ("vit_base_patch14_reg4_dinov2.lvd142m", 14, 5, True),
    "dino": ("vit_base_patch16_224.dino", 16, 1, True),
    "mae": ("vit_large_patch16_224.mae", 16, 1, False),
    "clip": ("vit_large_patch14_clip_quickgelu_224.openai", 14, 1, False),
    "mocov3": ("vit_base_patch16_224.mocov3", 16, 1, True),
    "ijepa": ("vit_huge_patch14_gap_224.in1k_ijepa", 14, 0, True),
}

# Of `preprocess_raw_image` (REPA 67f7145, train.py) on `known_image`: side, mean, and the values at PLACES. jepa is fed as dinov2, mocov3
# and dinov1 as mae.
PLACES = ((0, 0, 0), (0, 1, 2), (1, 100, 37), (2, 222, 5), (2, 201, 223))
REPA = {
    ("dinov2", 256): (224, 0.2202641, [-2.110525, -1.650136, -0.614543, -0.684085, -1.258536]),
    ("dinov2", 512): (448, 0.2202641, [-2.110525, -1.650136, -0.614543, -0.684085, -1.388059]),
    ("mae", 256): (256, 0.2206831, [-2.117904, -1.758284, 0.415266, 2.151983, 0.025621]),
    ("mae", 512): (512, 0.2206831, [-2.117904, -1.758284, 0.415266, 2.151983, 0.025621]),
    ("clip", 256): (224, 0.1824663, [-1.785973, -1.393502, -0.533807, -0.566145, -1.034826]),
    ("clip", 512): (448, 0.1824663, [-1.785973, -1.393502, -0.533807, -0.566145, -1.140501]),
}  # fmt: skip
ALIKE = {"ijepa": "dinov2", "mocov3": "mae", "dino": "mae"}


def known_image(side):
    """(1, side, side, 3) uint8, the same everywhere: rough in both directions and different in each channel."""
    h, w, c = np.ogrid[:side, :side, :3]
    return torch.from_numpy(((h * h + 7 * w + 3 * h * w + 29 * c) % 256).astype(np.uint8))[None]


def patch_of(family):
    return next(patch for name, (_, patch, *_) in MEMBERS.items() if name == family)


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("family", PREPROCESSING)
def test_the_input_is_what_repas_code_makes(family, size):
    side, mean, values = REPA[ALIKE.get(family, family), size]
    pixels = PREPROCESSING[family].pixels(known_image(size), size // 16 * patch_of(family))
    assert pixels.shape == (1, 3, side, side)
    assert pixels.dtype == torch.float32
    assert pixels.double().mean().item() == pytest.approx(mean, abs=1e-6)
    assert [pixels[(0, *place)].item() for place in PLACES] == pytest.approx(values, abs=2e-5)


def cubic(distance, a=-0.75):
    """The kernel of bicubic interpolation (Keys 1981), with torch's a."""
    d = np.abs(distance)
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def test_a_resized_pixel_by_hand():
    """A smaller input is interpolated, not averaged: REPA names no antialias."""
    image = known_image(256)[0].numpy() / 255.0
    row, column, channel = 100, 37, 1
    taps = [np.clip(np.floor(place) + np.arange(-1, 3), 0, 255).astype(int) for place in ((n + 0.5) * 256 / 224 - 0.5 for n in (row, column))]
    weights = [cubic((n + 0.5) * 256 / 224 - 0.5 - (np.floor((n + 0.5) * 256 / 224 - 0.5) + np.arange(-1, 3))) for n in (row, column)]
    level = weights[0] @ image[np.ix_(taps[0], taps[1], [channel])][:, :, 0] @ weights[1]
    for family, mean, std in (("dinov2", 0.456, 0.224), ("clip", 0.4578275, 0.26130258)):
        pixels = PREPROCESSING[family].pixels(known_image(256), 224)
        assert pixels[0, channel, row, column].item() == pytest.approx((level - mean) / std, abs=2e-5)


def test_members_are_told_by_timms_names():
    expected = {
        "dinov2": ["vit_small_patch14_dinov2.lvd142m", "vit_large_patch14_dinov2.lvd142m", "vit_giant_patch14_reg4_dinov2.lvd142m"],
        "dino": ["vit_base_patch16_224.dino", "vit_small_patch8_224.dino"],
        "mae": ["vit_base_patch16_224.mae", "vit_large_patch16_224.mae", "vit_huge_patch14_224.mae"],
        "clip": ["vit_large_patch14_clip_quickgelu_224.openai", "vit_base_patch16_clip_quickgelu_224.openai"],
        "ijepa": ["vit_huge_patch14_gap_224.in1k_ijepa", "vit_giant_patch16_gap_224.in22k_ijepa"],
        "mocov3": ["vit_base_patch16_224.mocov3", "vit_large_patch16_224.mocov3"],
    }
    assert set(expected) == set(PREPROCESSING)
    for family, names in expected.items():
        assert {family_of(*name.split(".")).name for name in names} == {family}
    for name in ("vit_base_patch16_224.augreg_in21k", "vit_base_patch16_dinov3.lvd1689m", "vit_large_patch14_clip_224.laion2b"):
        assert family_of(*name.split(".")) is None


def test_means_and_deviations_are_those_the_encoders_were_trained_with():
    checked = set()
    for name in timm.list_pretrained("vit_*"):
        family, config = family_of(*name.split(".")), get_pretrained_cfg(name)
        if family:
            assert (config.mean, config.std, config.interpolation) == (
                family.preprocessing.mean,
                family.preprocessing.std,
                family.preprocessing.interpolation,
            ), name
            checked.add(family.name)
    assert checked == set(PREPROCESSING) - {"mocov3"}  # which timm does not have


@pytest.fixture(scope="module", params=MEMBERS)
def member(request, tmp_path_factory):
    """A small random model of a family's real class, saved at its own size: (folder, network, patch, prefix tokens, final norm)."""
    name, patch, prefix, normed = MEMBERS[request.param]
    architecture, tag = name.split(".")
    torch.manual_seed(0)
    overlay = {"tag": tag, "mean": (0.5,) * 3, "std": (0.5,) * 3} if tag == "mocov3" else None
    network = timm.create_model(
        architecture if overlay else name, embed_dim=24, depth=2, num_heads=2, num_classes=0, pretrained_cfg_overlay=overlay
    ).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp(architecture)
    save_for_hf(network, folder, safe_serialization=True)
    return folder, network, patch, prefix, normed


def resampled(network, grid, prefix):
    """REPA's load_encoders: timm's resample_abs_pos_embed of the patch positions; the class token's stays (registers have none)."""
    own = 0 if network.no_embed_class else prefix
    return timm.layers.resample_abs_pos_embed(network.pos_embed, [grid, grid], num_prefix_tokens=own)


@torch.no_grad()
def expected_tokens(network, pixels, grid, prefix, normed):
    """A vision transformer's forward pass, written out with the network's own parts."""
    position, batch = resampled(network, grid, prefix), len(pixels)
    tokens = network.patch_embed.proj(pixels).flatten(2).transpose(1, 2)
    first = [part.expand(batch, -1, -1) for part in (network.cls_token, network.reg_token) if part is not None]
    # DINOv2's registers have no position, and its class token's is in the token itself.
    patches_alone = network.no_embed_class
    tokens = torch.cat([*first, tokens + position], dim=1) if patches_alone else torch.cat([*first, tokens], dim=1) + position
    for block in (network.norm_pre, *network.blocks):
        tokens = block(tokens)
    return (network.norm(tokens) if normed else tokens)[:, prefix:]


def test_the_targets_are_the_tokens_that_repa_reads(member):
    folder, network, patch, prefix, normed = member
    images = torch.randint(256, (2, 256, 256, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    encoder = VisionEncoder.load(folder, grid=16)
    assert (encoder.input_size, encoder.grid, encoder.width) == (16 * patch, 16, 24)
    tokens = encoder.tokens(images)
    pixels = encoder.preprocessing.pixels(images, 16 * patch)
    assert tokens.shape == (2, 256, 24)
    assert torch.allclose(tokens, expected_tokens(network, pixels, 16, prefix, normed), atol=1e-4)
    assert not torch.allclose(tokens, expected_tokens(network, pixels, 16, prefix, not normed), atol=1e-2)


def test_a_family_is_fed_alike_whatever_its_config_says(member):
    folder, _, _, _, _ = member
    encoder = VisionEncoder.load(folder)
    assert encoder.preprocessing in PREPROCESSING.values()
    assert encoder.preprocessing.mean[0] in (0.485, 0.48145466)


def test_the_grid_at_512_pixels_is_twice_as_fine(member):
    folder, _, patch, _, _ = member
    encoder = VisionEncoder.load(folder, grid=32)
    assert encoder.input_size == 32 * patch  # 448 for DINOv2, as 224 * (512 // 256)
    assert encoder.tokens(known_image(512)).shape == (1, 1024, 24)


def test_a_file_named_as_in_timm_is_that_encoder(tmp_path):
    """MoCo v3 has no page in timm: its weights come as a file."""
    torch.manual_seed(0)
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=3).state_dict()
    file = tmp_path / "vit_tiny_patch16_224.mocov3.safetensors"
    save_file(weights, file)
    encoder = VisionEncoder.load(file, grid=4)
    assert encoder.preprocessing == PREPROCESSING["mocov3"]
    assert encoder.tokens(known_image(64)).shape == (1, 16, 192)
    loaded = encoder.network.state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in loaded if name != "pos_embed")

    del weights["blocks.3.mlp.fc1.weight"]
    save_file(weights, file)
    with pytest.raises(InputError, match=r"cannot be loaded \(.*\); fetch") as caught:
        VisionEncoder.load(file)
    assert "\n" not in str(caught.value)
    file.rename(tmp_path / "mocov3_vitb.safetensors")
    with pytest.raises(InputError, match=r"timm has no 'mocov3_vitb'; name the file ARCHITECTURE\.TAG\.safetensors"):
        VisionEncoder.load(tmp_path / "mocov3_vitb.safetensors")


def test_half_precision_reaches_the_network_alone(member):
    folder, _, patch, _, _ = member
    encoder, images = VisionEncoder.load(folder, grid=2), known_image(64)
    halves = lambda: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    with torch.no_grad(), halves():
        expected = encoder.network.forward_intermediates(
            encoder.preprocessing.pixels(images, 2 * patch), norm=encoder.preprocessing.final_norm, output_fmt="NLC", intermediates_only=True
        )[-1]
    tokens = encoder.tokens(images, halves())
    assert tokens.dtype == torch.float32
    assert torch.equal(tokens, expected.float())
    assert not torch.equal(tokens, encoder.tokens(images))


def test_names_are_looked_up_in_timm_before_the_hub():
    assert find_encoder("timm/vit_base_patch14_dinov2.lvd142m") == ("vit_base_patch14_dinov2.lvd142m", None)
    # No page of the hub has this name: the weights lie on that of the GELU variant.
    quick = "vit_large_patch14_clip_quickgelu_224.openai"
    assert find_encoder(f"timm/{quick}") == (quick, None)
    assert find_encoder("someone/vit-base") == ("hf-hub:someone/vit-base", None)


def test_openais_clip_without_its_activation_is_refused(tmp_path):
    name = "vit_large_patch14_clip_224.openai"
    save_for_hf(timm.create_model(name, embed_dim=24, depth=1, num_heads=2, num_classes=0), tmp_path, safe_serialization=True)
    with pytest.raises(InputError, match=r"trained with QuickGELU; give vit_large_patch14_clip_quickgelu_224\.openai"):
        VisionEncoder.load(tmp_path)
    config = (tmp_path / CONFIG).read_text().replace('"vit_large_patch14_clip_224"', '"vit_large_patch14_clip_quickgelu_224"')
    (tmp_path / CONFIG).write_text(config)
    assert VisionEncoder.load(tmp_path).width == 24
    assert set(load_file(tmp_path / WEIGHTS)) >= {"norm_pre.weight", "norm.weight"}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("vit_huge_patch14_gap_224.in1k_ijepa", r"timm has no safetensors of it; fetch the ViT-H/14 .*facebookresearch/ijepa"),
        ("mocov3b", r"cannot be loaded \(.*\); fetch the ViT-B/16 or ViT-L/16 .*LTH14/rcg"),
        (
            "weights/vit_base_patch16_224.mocov3.safetensors",
            r"no such folder or file; .* --out weights/vit_base_patch16_224\.mocov3\.safetensors",
        ),
        ("resnet18", r"resnet18: is no vision transformer"),
        ("timm/swin_tiny_patch4_window7_224.ms_in1k", r"is no vision transformer"),
        ("../nowhere", r"no such folder or file"),
    ],
)
def test_what_is_missing_is_said_in_one_line(source, says):
    with pytest.raises(InputError, match=re.compile(says)) as caught:
        VisionEncoder.load(source)
    assert "\n" not in str(caught.value)
