"""Networks that turn images into the features that the metrics compare.

An extractor is frozen, sees uint8 images and hands out three taps of one forward pass, as the FID Inception network does: pooled
features (FID, precision, recall), seven channels of an inner map (sFID) and class logits (inception score).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sra.core.errors import InputError, unknown
from sra.core.files import read_json, sha256_of_file, write_json, written_whole
from sra.metrics.exact import full_float32

# How a network that takes any image brings it to its own size. tensorflow: as the FID graph itself, the ADM suite's. pytorch: half-pixel centres,
# as pytorch-fid. One moves an image by up to half a pixel against the other, so a reference and its samples must share one.
Resize = Literal["tensorflow", "pytorch"]

SPATIAL_CHANNELS = 7  # of the inner map; the ADM suite's choice, evaluations/evaluator.py
WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
SMALL = "small_cnn"  # in the config of a folder that was trained here


@dataclass(frozen=True)
class Features:
    """The taps for B images, all on the extractor's device.

    pooled: (B, d) float32.  spatial: (B, s) float32, row, column, channel order.  logits: (B, K) float32, without the last bias.
    predicted: (B,) int64, the class with the largest full logit; None when the network's classes are not those of the data set.
    """

    pooled: Tensor
    spatial: Tensor
    logits: Tensor
    predicted: Tensor | None


class Extractor(Protocol):
    """What a metric needs of a network.

    image_size: the height and width that it takes; of images that measure whole multiples it takes means. None when it resizes any to its
    own; then it has `resized_by(resize)` too.  classes: of the data set, where it was trained to tell them apart; None for other classes.
    """

    name: str
    image_size: int | None
    classes: int | None

    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, H, W, 3) uint8."""
        ...


def with_resize(extractor: Extractor, resize: Resize) -> Extractor:
    """The same network behind that resize, `tensorflow` being what an extractor is loaded with. Refuses `pytorch` for one that never resizes."""
    if resize == "tensorflow":
        return extractor
    if extractor.image_size is not None:
        size = f"{extractor.image_size} x {extractor.image_size}"
        raise InputError(
            f"extractor {extractor.name}: takes {size} pixels as they are, so it has no {resize} resize; leave out --resize, or fid_pytorch"
        )
    return extractor.resized_by(resize)


def spatial_features(activations: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W*7): the first seven channels, flattened in row, column, channel order like TensorFlow's."""
    return activations[:, :SPATIAL_CHANNELS].movedim(1, -1).flatten(1)


class SmallNetwork(nn.Module):
    """Four strided or plain 3x3 convolutions on 32 x 32 RGB images in [-1, 1]; a linear classifier on the mean of the last map.

    width: w, times which there are 24, 32, 48 and 64 channels.
    """

    def __init__(self, classes: int, width: int = 1):
        super().__init__()
        self.width = width
        first, second, inner, last = (width * channels for channels in (24, 32, 48, 64))
        self.stem = nn.Sequential(_convolution(3, first, stride=2), _convolution(first, second, stride=2))
        self.inner = _convolution(second, inner, stride=2)  # 4 x 4, the spatial tap
        self.last = _convolution(inner, last)
        self.classifier = nn.Linear(last, classes)

    def taps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, 32, 32) -> the inner map (B, 48 w, 4, 4) and the pooled features (B, 64 w), both after ReLU."""
        inner = self.inner(self.stem(images))
        return inner, self.last(inner).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits (B, K)."""
        return self.classifier(self.taps(images)[1])


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU())


class SmallExtractor:
    """The stand-in for Inception on small labelled sets: a classifier trained on the very classes that are generated.

    name: in config/weights.tsv, of the one that was trained on this data set.
    """

    image_size = 32

    def __init__(self, network: SmallNetwork, device: str = "cpu", name: str = "digits_cnn"):
        self.name = name
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.classes = network.classifier.out_features

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, 32 k, 32 k, 3) uint8, of which it sees the means over k x k pixels."""
        with full_float32():
            seen = functional.avg_pool2d(network_input(images, self.device), images.shape[1] // self.image_size)
            inner, pooled = self.network.taps(seen)
            classifier = self.network.classifier
            logits = pooled @ classifier.weight.T
            return Features(pooled, spatial_features(inner), logits, (logits + classifier.bias).argmax(1))

    def save(self, folder: Path) -> None:
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.network.state_dict().items()}
        with written_whole(folder / WEIGHTS_FILE) as temporary:
            save_file(tensors, temporary)
        facts = {"classes": self.network.classifier.out_features, "width": self.network.width}
        write_json(folder / CONFIG_FILE, {"extractor": SMALL, "name": self.name, **facts})

    @classmethod
    def load(cls, folder: Path, config: dict, device: str) -> "SmallExtractor":
        try:
            network, name = SmallNetwork(config["classes"], config["width"]), str(config["name"])
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (KeyError, TypeError, FileNotFoundError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{folder}: not a whole {SMALL} extractor ({reason}); delete the folder and train it again") from None
        return cls(network, device, name)


def network_input(images: np.ndarray, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1]."""
    # A copy: the images may be a read-only map of a file, which torch does not take.
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


# An extractor joins by its name here; its class needs `features`, `save` and `load(folder, config, device)`.
EXTRACTORS: dict[str, type] = {SMALL: SmallExtractor}


def load_extractor(source: Path, device: str = "cpu", sha256: str | None = None) -> Extractor:
    """The extractor of a folder (trained here) or of torch-fidelity's weight file, frozen, on `device`.

    sha256: first 8 digits or more of the hash of its weights; by default a file must be the published one, and a folder may be any.
    """
    if not source.is_dir():
        from sra.metrics.inception import KNOWN_SHA256, InceptionExtractor  # that module imports this one

        return InceptionExtractor.load(source, device, sha256 or KNOWN_SHA256)
    config = read_json(source / CONFIG_FILE)
    if not isinstance(config, dict) or "extractor" not in config:
        raise InputError(f"{source / CONFIG_FILE}: the key 'extractor' is missing; delete the folder and train it again")
    if config["extractor"] not in EXTRACTORS:
        raise unknown("extractor", str(config["extractor"]), EXTRACTORS, where=str(source / CONFIG_FILE))
    extractor = EXTRACTORS[config["extractor"]].load(source, config, device)
    if sha256 is not None:
        require_sha256(weights_of(source), sha256)
    return extractor


def weights_of(source: Path) -> Path:
    """The file whose hash stands for the extractor that `load_extractor` reads from `source`."""
    return source / WEIGHTS_FILE if source.is_dir() else source


def require_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 does not begin with the expected hexadecimal digits, at least 8 of them."""
    if not re.fullmatch(r"[0-9a-f]{8,64}", expected):
        raise InputError(f"{path}: the expected SHA-256 is {expected!r}; give its first 8 to 64 digits, lower case")
    found = sha256_of_file(path)
    if not found.startswith(expected):
        raise InputError(f"{path}: its SHA-256 is {found}, expected {expected}; the file is damaged or another one, fetch it again")
