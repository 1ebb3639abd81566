"""The autoencoder between images and latents: Stable Diffusion's through diffusers, or a small one of the same class trained here.

Source: Rombach et al. 2022 (arXiv 2112.10752), section 3.1 and appendix G. The paper uses stabilityai/sd-vae-ft-ema (section 4.1).
"""

import inspect
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.progress import Progress
from sra.core.seeds import derive_seed
from sra.core.wrappers import unwrapped
from sra.encoders.folders import model_hashes, refuse_diverged, reproducible_training, saved_whole, sha256_of_weights
from sra.encoders.pixels import from_uint8
from sra.encoders.tensors import filled, read_tensors

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
OLD_ATTENTION = re.compile(r"(?P<block>.*\.attentions\.\d+)\.(?P<part>query|key|value|proj_attn)\.(?P<kind>weight|bias)")
NEW_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
MOVED_LATENTS = ("shift_factor", "latents_mean", "latents_std")
SCALED_BY = 8192  # images whose latents are made to have unit deviation: all of a small set
SHOWN_EVERY = 10  # steps


def autoencoder_class() -> "type[AutoencoderKL]":
    """AutoencoderKL. Imported only where something is encoded or decoded: it takes seconds. Raises InputError where it is not installed."""
    try:
        from diffusers import AutoencoderKL
    except ModuleNotFoundError as error:
        if error.name != "diffusers":
            raise
        elsewhere = "where there is no network: pip install --no-deps --target vendor diffusers elsewhere, and PYTHONPATH=vendor here"
        raise InputError(f"diffusers is not installed, and its autoencoder is needed here; pip install diffusers ({elsewhere})") from None
    return AutoencoderKL


class Vae:
    """A frozen AutoencoderKL."""

    def __init__(self, network: "AutoencoderKL"):
        self.network = network.eval().requires_grad_(False)
        if self.network.device.type == "cuda":
            self.network.to(memory_format=torch.channels_last)  # the layout of the GPU's convolutions; images come in it
        self.scaling_factor: float = network.config.scaling_factor  # 0.18215 for Stable Diffusion's

    @classmethod
    def load(cls, source: Path | str, device: str = "cpu") -> "Vae":
        """Load from a folder (config.json and safetensors weights), or from the hub when `source` is no folder but a string owner/name.

        The network is made of the config and every weight of it comes from the file. Raises InputError for a file that holds others, and for an
        autoencoder whose latents are not only scaled.
        """
        autoencoder = autoencoder_class()  # only now: the training loop does without it

        config_file, weights = _found(source)
        config = _checked_config(autoencoder, config_file)
        try:
            with torch.device("meta"):
                network = autoencoder.from_config(config)
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"{config_file}: makes no autoencoder ({_first_line(error)}); {_what_to_fetch(source)}") from None
        tensors = unwrapped(read_tensors(weights, _what_to_fetch(source)), weights, renamed)
        return cls(filled(network, tensors, weights, _what_to_fetch(source)).to(device))

    @property
    def channels(self) -> int:
        """Number of channels of a latent."""
        return self.network.config.latent_channels

    @property
    def factor(self) -> int:
        """How many pixels of an image, on a side, become one of its latent."""
        return 2 ** (len(self.network.config.block_out_channels) - 1)

    def require_latents(self, channels: int, of: str, source: Path | str) -> None:
        """Refuse another number of channels than the latents of a model have. of: whose they are, for the message."""
        if self.channels != channels:
            raise InputError(f"{source}: is an autoencoder of {self.channels} latent channels, {of} has {channels}; give the one it was trained with")

    def sha256(self) -> str:
        return sha256_of_weights(self.network)

    @torch.inference_mode()
    def encode_moments(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 2C, h, w) float32: means, then standard deviations, of the unscaled latent's posterior.

        These are stored, and a latent is drawn from them anew at every step (SRA and REPA, preprocessing/encoders.py). Computed in full
        float32: by default NVIDIA cards round convolutions to 10 bits (TF32).
        """
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            posterior = self.network.encode(from_uint8(images.to(self.network.device))).latent_dist
        return torch.cat([posterior.mean, posterior.std], dim=1).float()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents (B, C, h, w), as the diffusion model makes them -> images (B, 3, H, W), nominally in [-1, 1]."""
        return self.network.decode(latents.to(self.network.device, self.network.dtype) / self.scaling_factor).sample


def vae_files(source: Path | str) -> dict[str, Path]:
    """The local files behind an autoencoder, by their role in a receipt; none for one that the hub keeps."""
    return {"vae": Path(source) / WEIGHTS, "vae_config": Path(source) / "config.json"} if Path(source).is_dir() else {}


def vae_hashes(source: Path | str, vae: Vae) -> dict[str, str]:
    """The hashes that name an autoencoder in a receipt: of its local files by role, or of its weights where there is no file."""
    return model_hashes(vae_files(source), "vae", vae.network)


def renamed(name: str) -> str:
    """The name of a tensor of attention in diffusers since 0.15, from that of before, which Stable Diffusion's own files have."""
    found = OLD_ATTENTION.fullmatch(name)
    return f"{found['block']}.{NEW_ATTENTION[found['part']]}.{found['kind']}" if found else name


def _found(source: Path | str) -> tuple[Path, Path]:
    """The files of config and weights, of a folder or fetched from the hub."""
    if Path(source).is_dir():
        for file in (CONFIG, WEIGHTS):
            if not (Path(source) / file).exists():
                raise InputError(f"{source}: {file} is missing; {_what_to_fetch(source)}")
        return Path(source) / CONFIG, Path(source) / WEIGHTS
    if not (isinstance(source, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", source)):
        raise InputError(f"{source}: no such folder; {_what_to_fetch(source)}")
    import huggingface_hub  # a second to import, and a folder does without it

    try:
        return tuple(Path(huggingface_hub.hf_hub_download(source, file)) for file in (CONFIG, WEIGHTS))
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: the autoencoder cannot be loaded ({_first_line(error)}); {_what_to_fetch(source)}") from None


def _checked_config(autoencoder: "type[AutoencoderKL]", file: Path) -> dict[str, Any]:
    """The config of an AutoencoderKL, refused where it means something that the class here would pass over or that latents here have not."""
    config = read_json(file)
    made_for = config.get("_class_name", autoencoder.__name__) if isinstance(config, dict) else None
    if made_for != autoencoder.__name__:
        raise InputError(f"{file}: is of a {made_for or 'nameless class'}, expected {autoencoder.__name__}; {_what_to_fetch(file.parent)}")
    for name in MOVED_LATENTS:
        if config.get(name):
            what = f"{name} moves latents (as in FLUX and SD3), which here are multiplied by scaling_factor alone"
            raise InputError(f"{file}: {what}; give an autoencoder without it, such as stabilityai/sd-vae-ft-ema")
    known = inspect.signature(autoencoder.__init__).parameters
    unknown_keys = [key for key, value in config.items() if not key.startswith("_") and key not in known and value is not None]
    if unknown_keys:
        raise InputError(f"{file}: {unknown_keys[0]} is no setting of {autoencoder.__name__} in the diffusers installed here; update diffusers")
    factor = config.get("scaling_factor", known["scaling_factor"].default)
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor < math.inf:
        raise InputError(f"{file}: scaling_factor is {factor!r}, expected a number above 0; {_what_to_fetch(file.parent)}")
    return config


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _what_to_fetch(source: Path | str) -> str:
    return f"fetch config.json and {WEIGHTS} of the model (stabilityai/sd-vae-ft-ema for the paper) and put them in {source}"


@dataclass(frozen=True)
class VaeTraining:
    """How the small autoencoder is trained on 32 x 32 pixels. The defaults take half a minute on one core.

    width: channels at full size; two and four times as many at half and a quarter of it.
    """

    width: int = 8
    steps: int = 300
    batch: int = 32
    learning_rate: float = 4e-3
    # Weight of KL(posterior || N(0, 1)), both losses averaged over elements: strong enough that the latent is smooth and has about unit
    # spread, which is what a small diffusion model can learn; weak enough that strokes stay sharp.
    kl_weight: float = 1e-3


DIGITS = VaeTraining()
# Colours are learnt after shapes: as many images as for digits, in smaller batches, or scenes come back grey.
SCENES = VaeTraining(steps=800, batch=16, learning_rate=8e-3)


def train_vae(images: Tensor, folder: Path, seed: int, training: VaeTraining = DIGITS, device: str = "cpu") -> Vae:
    """Train a small AutoencoderKL on images (N, 32, 32, 3) uint8, save it to `folder` and load it back as any other.

    Latents are 4 x 8 x 8. Same images and seed give the same bytes on a CPU. The loss is L1 / 2 + MSE + KL: the reconstruction terms of SD's
    autoencoder without its perceptual and adversarial parts, which serve texture that digits do not have.
    """
    with reproducible_training(derive_seed(seed, "vae"), device) as generator:
        # Channels last: the layout in which convolutions are fastest.
        network = small_network(training.width).to(device).to(memory_format=torch.channels_last)
        pixels = from_uint8(images.to(device)).contiguous(memory_format=torch.channels_last)
        _fit(network.train(), pixels, training, generator)
        refuse_diverged(network, "autoencoder")
        with torch.no_grad():
            posterior = network.eval().encode(pixels[:SCALED_BY]).latent_dist
            latents = posterior.sample(generator)
        # Stable Diffusion's convention: scaled latents have unit standard deviation over the data set, or over this much of it.
        network.register_to_config(scaling_factor=float(1 / latents.std()))
    with saved_whole(folder, WEIGHTS) as temporary:
        network.save_pretrained(temporary)
    return Vae.load(folder, device)


def small_network(width: int = VaeTraining.width) -> "AutoencoderKL":
    """3 x 32 x 32 -> 4 x 8 x 8; 165,135 parameters at width 8. Randomly initialised from torch's global generator."""
    return autoencoder_class()(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(width, 2 * width, 4 * width),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
        mid_block_add_attention=False,
    )


def _fit(network: "AutoencoderKL", pixels: Tensor, training: VaeTraining, generator: torch.Generator) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.learning_rate, total_steps=training.steps, pct_start=0.1)
    with Progress("train autoencoder", training.steps, "steps") as progress:
        for step in range(training.steps):
            batch = pixels[torch.randint(len(pixels), (training.batch,), generator=generator).to(pixels.device)]
            posterior = network.encode(batch).latent_dist
            reconstruction = network.decode(posterior.sample(generator)).sample
            error = reconstruction - batch
            divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
            loss = error.abs().mean() / 2 + error.square().mean() + training.kl_weight * divergence
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            # Reading a loss waits for a GPU.
            progress.advance(**({"loss": loss.item()} if step % SHOWN_EVERY == 0 else {}))


def reconstruction_error(vae: Vae, images: Tensor) -> float:
    """Mean squared error over pixels in [0, 1] between images (N, H, W, 3) uint8 and the decoded means of their latents."""
    images = images.to(vae.network.device)
    means = vae.encode_moments(images).chunk(2, dim=1)[0]
    decoded = vae.decode(means * vae.scaling_factor).clamp(-1, 1)
    return float(((decoded - from_uint8(images)) / 2).square().mean())
