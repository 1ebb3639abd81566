"""The wrapper against timm's own calls, on small transformers with random or briefly trained weights."""

import math

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.encoders import vision_training
from sra.encoders.vision import WEIGHTS, VisionEncoder
from sra.encoders.vision_training import EncoderTraining, accuracy, classes_of, train_encoder

MEAN, STD = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A transformer with a class token and four registers, of which `tokens` must give none."""
    torch.manual_seed(0)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=3, reg_tokens=4,
        pretrained_cfg_overlay={"mean": MEAN, "std": STD},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("vit")
    save_for_hf(network, folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (2, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_tokens_are_the_normalised_patches_of_the_normalised_image(folder, images):
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    pixels = images.permute(0, 3, 1, 2) / 255
    pixels = torch.stack([(pixels[:, channel] - MEAN[channel]) / STD[channel] for channel in range(3)], dim=1)
    last = network.get_intermediate_layers(pixels, n=1, norm=True)[0]
    tokens = VisionEncoder.load(folder).tokens(images)
    assert tokens.shape == (2, 16, 12)
    assert torch.allclose(tokens, last, atol=1e-5)
    # Layer norm with its initial affine leaves unit vectors times the root of the width.
    assert torch.allclose(tokens.square().mean(-1), torch.ones(2, 16), atol=1e-3)


def test_other_sizes_are_resized_to_the_encoders_own(folder):
    large = torch.randint(256, (1, 64, 64, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    encoder = VisionEncoder.load(folder)
    shape = (1, 3, 1, 1)
    pixels = (large.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(shape)) / torch.tensor(STD).view(shape)
    expected = encoder.network.forward_features(F.interpolate(pixels, (32, 32), mode="bicubic"))[:, 5:]
    assert torch.allclose(encoder.tokens(large), expected, atol=1e-5)


def test_a_grid_sets_the_number_of_tokens(folder, images):
    encoder = VisionEncoder.load(folder, grid=2)
    assert encoder.input_size == 16
    assert encoder.tokens(images).shape == (2, 4, 12)
    assert torch.equal(VisionEncoder.load(folder, grid=4).tokens(images), VisionEncoder.load(folder).tokens(images))


def test_float_images_are_refused(folder, images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        VisionEncoder.load(folder).tokens(images / 255)


def test_nothing_in_it_trains(folder, images):
    encoder = VisionEncoder.load(folder)
    assert not encoder.network.training
    assert not encoder.tokens(images).requires_grad


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"no such folder or file; fetch config\.json and model\.safetensors of a timm model"):
        VisionEncoder.load(tmp_path / "none")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"model\.safetensors is missing; fetch"):
        VisionEncoder.load(tmp_path)
    with pytest.raises(InputError, match="cannot be loaded"):
        VisionEncoder.load("vit_of_no_such_name")


def test_truncated_weights_are_refused_in_one_line(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        VisionEncoder.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_training_learns_and_repeats_byte_for_byte(tmp_path):
    # Two classes of noise: dark and bright.
    labels = torch.arange(64) % 2
    images = torch.randint(100, (64, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[labels == 1] += 120
    training = EncoderTraining(epochs=10, batch=16)
    encoder = train_encoder(images, labels, tmp_path / "a", seed=0, training=training)
    train_encoder(images, labels, tmp_path / "b", seed=0, training=training)
    for file in ("config.json", WEIGHTS):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert accuracy(encoder, images, labels, [2]) == 1
    assert accuracy(encoder, images, 1 - labels, [2]) == 0
    assert encoder.tokens(images).shape == (64, 16, 64)


def two_attributes():
    """Upper half dark or bright, lower half dark, grey or bright: images (96, 32, 32, 3) and labels (96, 2)."""
    labels = torch.stack([torch.arange(96) % 2, torch.arange(96) % 3], dim=1)
    images = torch.randint(60, (96, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[:, :16] += (150 * labels[:, 0]).to(torch.uint8).view(-1, 1, 1, 1)
    images[:, 16:] += (90 * labels[:, 1]).to(torch.uint8).view(-1, 1, 1, 1)
    return images, labels


def test_attributes_are_learnt_together_and_all_must_be_right(tmp_path):
    images, labels = two_attributes()
    assert classes_of(labels) == [2, 3]
    training = EncoderTraining(epochs=25, batch=16, shift=0, position_scale=15)
    encoder = train_encoder(images, labels, tmp_path, seed=0, training=training)
    assert encoder.network.num_classes == 5
    assert accuracy(encoder, images, labels, [2, 3]) == 1
    # One attribute wrong in a third of the images, the other in none.
    wrong = labels.clone()
    wrong[::3, 1] = (wrong[::3, 1] + 1) % 3
    assert accuracy(encoder, images, wrong, [2, 3]) == pytest.approx(2 / 3)
    wrong[1::3, 0] = 1 - wrong[1::3, 0]
    assert accuracy(encoder, images, wrong, [2, 3]) == pytest.approx(1 / 3)


def test_one_attribute_is_a_class(tmp_path):
    images, labels = two_attributes()
    training = EncoderTraining(epochs=1, batch=16)
    for name, column in (("flat", labels[:, 1]), ("column", labels[:, 1:])):
        train_encoder(images, column, tmp_path / name, seed=0, training=training)
    assert (tmp_path / "flat" / WEIGHTS).read_bytes() == (tmp_path / "column" / WEIGHTS).read_bytes()


def test_the_scale_of_positions_is_that_of_the_start(tmp_path):
    images, labels = two_attributes()
    still = {"epochs": 1, "batch": 96, "learning_rate": 1e-9, "weight_decay": 0.0}
    networks = [train_encoder(images, labels, tmp_path / str(scale), 0, EncoderTraining(position_scale=scale, **still)).network for scale in (1, 15)]
    assert networks[0].pos_embed.std().item() == pytest.approx(0.02, rel=0.1)
    torch.testing.assert_close(networks[1].pos_embed, 15 * networks[0].pos_embed)
    torch.testing.assert_close(networks[1].patch_embed.proj.weight, networks[0].patch_embed.proj.weight)


def test_the_loss_is_the_sum_over_attributes(tmp_path, monkeypatch):
    images, labels = two_attributes()
    given, cross_entropy = [], F.cross_entropy

    def spied(scores, answers):
        given.append((scores.shape, answers.clone()))
        return cross_entropy(scores, answers)

    losses, advance = [], Progress.advance
    monkeypatch.setattr(vision_training, "SHOWN_EVERY", 1)
    monkeypatch.setattr(F, "cross_entropy", spied)
    monkeypatch.setattr(Progress, "advance", lambda self, *args, **shown: (losses.append(shown["loss"]), advance(self, *args, **shown))[1])
    train_encoder(images, labels, tmp_path, seed=0, training=EncoderTraining(epochs=2, batch=96, shift=0))
    assert [shape for shape, _ in given] == [(96, 2), (96, 3)] * 2
    assert sorted(zip(*(answers.tolist() for _, answers in given[:2]), strict=True)) == sorted(map(tuple, labels.tolist()))
    # timm's classifier starts at about zero, where each attribute costs the logarithm of its classes.
    assert losses[0] == pytest.approx(math.log(2) + math.log(3), rel=0.2)


@pytest.fixture
def changed(folder, tmp_path):
    """`changed(tensors)`: the encoder's folder with other tensors, a function of its own."""

    def change(tensors):
        (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
        save_file(tensors(load_file(folder / WEIGHTS)), tmp_path / WEIGHTS)
        return tmp_path

    return change


@pytest.mark.parametrize("prefixes", [("module.",), ("_orig_mod.module._orig_mod.module.",), ("", "module._orig_mod.", "_orig_mod.")])
def test_names_under_wrappers_are_the_networks_own(changed, folder, images, prefixes):
    wrapped = changed(lambda t: {prefixes[number % len(prefixes)] + name: tensor for number, (name, tensor) in enumerate(t.items())})
    assert torch.equal(VisionEncoder.load(wrapped, grid=2).tokens(images), VisionEncoder.load(folder, grid=2).tokens(images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {name: tensor for name, tensor in t.items() if name != "blocks.1.mlp.fc1.weight"}, r'Missing key.*"blocks.1.mlp.fc1.weight"'),
        (lambda t: t | {"blocks.1.extra": torch.ones(2)}, r'Unexpected key.*"blocks.1.extra"'),
        (lambda t: t | {"module.cls_token": t["cls_token"].clone()}, "cls_token and module.cls_token are both cls_token"),
        (
            lambda t: t | {"patch_embed.proj.weight": torch.ones(12, 3, 16, 16)},
            "are for patches of 16 x 16 pixels, its architecture has 8 x 8",
        ),
    ],
    ids=["missing", "unexpected", "twice", "patches that would be resampled"],
)
def test_weights_that_are_not_the_networks_are_refused_by_key(changed, change, message):
    with pytest.raises(InputError, match=message) as refusal:
        VisionEncoder.load(changed(change))
    assert "\n" not in str(refusal.value)
