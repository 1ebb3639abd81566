"""The wrapper against diffusers' own classes, on small autoencoders with random or briefly trained weights."""

import json
import sys

import huggingface_hub
import pytest
import torch
from diffusers import AutoencoderKL
from random_networks import save_random_sd_vae
from safetensors.torch import load_file, save_file

from sra.core.errors import InputError
from sra.encoders.pixels import from_uint8
from sra.encoders.vae import WEIGHTS, Vae, VaeTraining, autoencoder_class, reconstruction_error, train_vae

SD_PARAMETERS = 83_653_863  # of stabilityai/sd-vae-ft-ema


@pytest.fixture(scope="module")
def images():
    return torch.randint(256, (6, 16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    network = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=2, scaling_factor=0.25)
    folder = tmp_path_factory.mktemp("vae")
    network.save_pretrained(folder)
    return folder


def test_moments_are_means_then_deviations_of_the_posterior(folder, images):
    moments = Vae.load(folder).encode_moments(images)
    posterior = AutoencoderKL.from_pretrained(folder).encode(from_uint8(images)).latent_dist
    assert moments.shape == (6, 4, 16, 16)
    assert moments.dtype == torch.float32
    assert torch.allclose(moments[:, :2], posterior.mean, atol=1e-6)
    assert torch.allclose(moments[:, 2:], (posterior.logvar / 2).exp(), atol=1e-6)


def test_decoding_undoes_the_scale(folder):
    vae = Vae.load(folder)
    latents = torch.randn(2, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    assert vae.scaling_factor == 0.25
    expected = AutoencoderKL.from_pretrained(folder).decode(latents * 4).sample
    assert torch.allclose(vae.decode(latents), expected, atol=1e-6)


def test_nothing_in_it_trains(folder, images):
    vae = Vae.load(folder)
    assert not vae.network.training
    assert not vae.encode_moments(images).requires_grad
    assert not any(parameter.requires_grad for parameter in vae.network.parameters())


def test_float_images_are_refused(folder, images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        Vae.load(folder).encode_moments(images.float() / 255)


def test_a_folder_that_does_not_exist_says_what_to_fetch(tmp_path):
    with pytest.raises(InputError, match=r"no such folder; fetch config\.json and diffusion_pytorch_model\.safetensors .* put them in"):
        Vae.load(tmp_path / "sd_vae")


@pytest.mark.parametrize("missing", ["config.json", WEIGHTS])
def test_a_folder_with_half_a_model_is_refused(folder, tmp_path, missing):
    for file in ("config.json", WEIGHTS):
        if file != missing:
            (tmp_path / file).write_bytes((folder / file).read_bytes())
    with pytest.raises(InputError, match=f"{missing} is missing; fetch"):
        Vae.load(tmp_path)


def test_pickled_weights_are_not_an_alternative(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors is missing"):
        Vae.load(tmp_path)


def test_truncated_weights_are_refused_in_one_line(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        Vae.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_training_learns_and_repeats_byte_for_byte(tmp_path):
    # Flat images of one level each: five steps are too few, forty are enough to beat the grey image.
    levels = torch.tensor([0, 60, 190, 255], dtype=torch.uint8).repeat(8)
    images = levels.view(-1, 1, 1, 1).expand(-1, 32, 32, 3).contiguous()
    training = VaeTraining(steps=40, batch=8)
    vae = train_vae(images, tmp_path / "a", seed=0, training=training)
    train_vae(images, tmp_path / "b", seed=0, training=training)
    train_vae(images, tmp_path / "c", seed=1, training=VaeTraining(steps=2, batch=8))
    read = {name: [(tmp_path / name / file).read_bytes() for file in ("config.json", WEIGHTS)] for name in "abc"}
    assert read["a"] == read["b"]
    assert read["a"][1] != read["c"][1]
    assert reconstruction_error(vae, images) < 0.2 * (images.double() / 255).var().item()
    assert reconstruction_error(Vae.load(tmp_path / "c"), images) > 5 * reconstruction_error(vae, images)


def test_the_factor_makes_latents_of_unit_deviation(tmp_path):
    images = torch.randint(256, (32, 32, 32, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    vae = train_vae(images, tmp_path, seed=0, training=VaeTraining(steps=2, batch=8))
    assert json.loads((tmp_path / "config.json").read_text())["scaling_factor"] == vae.scaling_factor
    mean, std = vae.encode_moments(images).chunk(2, dim=1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    assert ((mean + std * noise) * vae.scaling_factor).std().item() == pytest.approx(1, abs=0.03)
    assert mean.shape == (32, 4, 8, 8)


def test_encoding_is_in_full_float32_whatever_was_set(folder, images, monkeypatch):
    vae, seen = Vae.load(folder), []
    encode = vae.network.encode
    monkeypatch.setattr(vae.network, "encode", lambda pixels: (seen.append(torch.backends.cudnn.allow_tf32), encode(pixels))[1])
    for before in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", before)
        assert vae.encode_moments(images).dtype == torch.float32
        assert torch.backends.cudnn.allow_tf32 is before
    assert seen == [False, False]


def test_a_name_on_the_hub_is_asked_for_there(folder, monkeypatch):
    asked = []

    def from_hub(source, file):
        """What the hub would answer, without a network."""
        asked.append((source, file))
        if source == "owner/gone":
            raise OSError("owner/gone is not a repository\nwith a second line")
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", from_hub)
    assert Vae.load("stabilityai/sd-vae-ft-ema").sha256() == Vae.load(str(folder)).sha256()
    assert asked == [("stabilityai/sd-vae-ft-ema", "config.json"), ("stabilityai/sd-vae-ft-ema", WEIGHTS)]
    with pytest.raises(InputError, match=r"^owner/gone: the autoencoder cannot be loaded \(owner/gone is not a repository\); fetch .*$"):
        Vae.load("owner/gone")


@pytest.fixture
def changed(sd_vae, tmp_path):
    """`changed(tensors, **config)`: the autoencoder's folder with other tensors, a function of its own, and other keys in its config."""

    def change(tensors=dict, **config):
        save_file(tensors(load_file(sd_vae / WEIGHTS)), tmp_path / WEIGHTS)
        own = json.loads((sd_vae / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(own | config))
        return tmp_path

    return change


@pytest.fixture(scope="module")
def sd_vae(tmp_path_factory):
    """Stable Diffusion's layout, which has attention, and narrow."""
    return save_random_sd_vae(tmp_path_factory.mktemp("sd_vae"), small=True)


def before_0_15(tensors):
    """Names of attention as stabilityai/sd-vae-ft-ema has them."""
    parts = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def old(name):
        return next((name.replace(f".{new}.", f".{part}.") for new, part in parts.items() if f".{new}." in name), name)

    return {old(name): tensor for name, tensor in tensors.items()}


def mixed(tensors):
    prefixes = ("", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.")
    return {prefixes[number % 5] + name: tensor for number, (name, tensor) in enumerate(tensors.items())}


@pytest.mark.parametrize("change", [dict, before_0_15, mixed, lambda tensors: mixed(before_0_15(tensors))], ids=["plain", "old", "mixed", "both"])
def test_every_way_of_naming_gives_the_weights_that_diffusers_loads(changed, sd_vae, change):
    ours, theirs = Vae.load(changed(change)).network.state_dict(), AutoencoderKL.from_pretrained(sd_vae).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert len(before_0_15(theirs)) == len(theirs)
    assert set(before_0_15(theirs)) != set(theirs)


def test_half_precision_is_widened(changed, sd_vae):
    halved = Vae.load(changed(lambda tensors: {name: tensor.half() for name, tensor in tensors.items()})).network.state_dict()
    assert all(torch.equal(halved[name], tensor.half().float()) for name, tensor in load_file(sd_vae / WEIGHTS).items())


BIAS = "decoder.conv_in.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: {name: tensor for name, tensor in t.items() if not name.startswith("decoder.mid_block")},
            r"lacks decoder.mid_block\S+ \(26 of 244 ",
        ),
        (
            lambda t: {f"vae.{name}": tensor for name, tensor in t.items()},
            r"lacks encoder.conv_in.weight \(244 of 244 tensors missing, 244 unexpected",
        ),
        (lambda t: t | {"decoder.extra": torch.ones(2)}, "holds decoder.extra, which the network has not"),
        (lambda t: t | {BIAS: torch.ones(3)}, rf"{BIAS} is \(3,\), expected \(16,\) by its config.json"),
        (lambda t: t | {BIAS: torch.ones(16, dtype=torch.int32)}, rf"{BIAS} is torch.int32, expected floating point"),
        (lambda t: t | {f"module.{BIAS}": t[BIAS].clone()}, rf"{BIAS} and module.{BIAS} are both {BIAS}"),
        (lambda t: t | {name: tensor.clone() for name, tensor in before_0_15(t).items()}, r"are both decoder.mid_block.attentions.0.to_k.bias"),
    ],
    ids=["missing", "prefix of a larger model", "unexpected", "shape", "integers", "twice", "twice by old names"],
)
def test_weights_that_are_not_every_tensor_of_the_network_are_refused(changed, change, message):
    with pytest.raises(InputError, match=message) as refusal:
        Vae.load(changed(change))
    assert "\n" not in str(refusal.value)
    assert WEIGHTS in str(refusal.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shift_factor": 0.0609}, "shift_factor moves latents"),  # FLUX.1; SD3's is the same
        ({"latents_mean": [0.1] * 4, "latents_std": [1.0] * 4}, "latents_mean moves latents"),
        ({"latent_channels": 16}, r"encoder.conv_out.weight is \(8, 16, 3, 3\), expected \(32, 16, 3, 3\)"),
        ({"_class_name": "AutoencoderTiny"}, "is of a AutoencoderTiny, expected AutoencoderKL"),
        ({"patch_size": 2}, "patch_size is no setting of AutoencoderKL"),
        ({"scaling_factor": 0}, "scaling_factor is 0, expected a number above 0"),
        ({"scaling_factor": "0.18215"}, "scaling_factor is '0.18215', expected a number above 0"),
        ({"down_block_types": ["Nothing"] * 4}, "makes no autoencoder"),
    ],
)
def test_a_config_that_means_something_else_is_refused(changed, config, message):
    with pytest.raises(InputError, match=message) as refusal:
        Vae.load(changed(**config))
    assert "\n" not in str(refusal.value)


def test_what_is_null_or_nothing_in_a_config_is_as_if_it_were_not_there(changed):
    assert Vae.load(changed(shift_factor=0.0, latents_mean=None, a_later_setting=None)).scaling_factor == 0.18215


def test_latents_of_another_number_of_channels_are_refused(sd_vae):
    vae = Vae.load(sd_vae)
    assert (vae.channels, vae.factor) == (4, 8)
    vae.require_latents(4, "run a", "f")
    with pytest.raises(InputError, match=r"^f: is an autoencoder of 4 latent channels, run a has 16; give the one it was trained with$"):
        vae.require_latents(16, "run a", "f")


@pytest.mark.parametrize("small", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["narrow", "full size"])
def test_the_configuration_of_stable_diffusion_makes_8_channels_of_32_and_images_again(tmp_path, small):
    vae = Vae.load(save_random_sd_vae(tmp_path, small))
    image = torch.randint(256, (1, 256, 256, 3), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)
    moments = vae.encode_moments(image)
    assert moments.shape == (1, 8, 32, 32)
    assert (moments[:, 4:] > 0).all()
    assert vae.decode(moments[:, :4] * vae.scaling_factor).shape == (1, 3, 256, 256)
    assert vae.scaling_factor == 0.18215
    assert (sum(parameter.numel() for parameter in vae.network.parameters()) == SD_PARAMETERS) is not small


def test_who_has_no_diffusers_is_told_how_to_bring_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"diffusers is not installed.*pip install diffusers .*PYTHONPATH=vendor") as caught:
        autoencoder_class()
    assert "\n" not in str(caught.value)
