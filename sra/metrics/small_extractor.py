"""Extractors that are trained here on small images, as folders; and the one that stands for Inception on labelled sets, a classifier."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sra.core.errors import InputError
from sra.core.files import write_json, written_whole
from sra.metrics.exact import full_float32
from sra.metrics.extractors import Features, Task, spatial_features

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
SMALL = "small_cnn"  # in the config of a folder that was trained here


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


class TrainedExtractor:
    """A network of 32 x 32 images that was trained here, frozen: what its kinds have in common, and how one lies in a folder.

    KIND: in the folder's config.json.  task: what it was trained to tell.  name: in config/weights.tsv, of the one trained on this data set.
    """

    KIND: ClassVar[str]
    task: ClassVar[Task]
    image_size = 32
    classes: int | None = None

    def __init__(self, network: nn.Module, device: str, name: str):
        self.name = name
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)

    @classmethod
    def network_of(cls, config: dict) -> nn.Module:
        """The network, not trained yet, that a config.json describes."""
        raise NotImplementedError

    def facts(self) -> dict[str, int]:
        """What config.json says of the network beside its kind and name."""
        raise NotImplementedError

    def seen(self, images: np.ndarray) -> Tensor:
        """Images (B, 32 k, 32 k, 3) uint8 as the network sees them: (B, 3, 32, 32) float32 in [-1, 1], the means over k x k pixels."""
        return functional.avg_pool2d(network_input(images, self.device), images.shape[1] // self.image_size)

    def save(self, folder: Path) -> None:
        tensors = {name: tensor.contiguous().cpu() for name, tensor in self.network.state_dict().items()}
        with written_whole(folder / WEIGHTS_FILE) as temporary:
            save_file(tensors, temporary)
        write_json(folder / CONFIG_FILE, {"extractor": self.KIND, "name": self.name, **self.facts()})

    @classmethod
    def load(cls, folder: Path, config: dict, device: str) -> Self:
        """The one in a folder whose config.json holds `config`. Raises InputError for a folder that is not whole."""
        try:
            network, name = cls.network_of(config), str(config["name"])
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (KeyError, TypeError, FileNotFoundError, SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{folder}: not a whole {cls.KIND} extractor ({reason}); delete the folder and train it again") from None
        return cls(network, device, name)


class SmallExtractor(TrainedExtractor):
    """The stand-in for Inception on small labelled sets: a classifier trained on the very classes that are generated."""

    KIND, task = SMALL, "labels"

    def __init__(self, network: SmallNetwork, device: str = "cpu", name: str = "digits_cnn"):
        super().__init__(network, device, name)
        self.classes = network.classifier.out_features

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, 32 k, 32 k, 3) uint8, of which it sees the means over k x k pixels."""
        with full_float32():
            inner, pooled = self.network.taps(self.seen(images))
            classifier = self.network.classifier
            logits = pooled @ classifier.weight.T
            return Features(pooled, spatial_features(inner), logits, (logits + classifier.bias).argmax(1))

    @classmethod
    def network_of(cls, config: dict) -> SmallNetwork:
        return SmallNetwork(config["classes"], config["width"])

    def facts(self) -> dict[str, int]:
        return {"classes": self.network.classifier.out_features, "width": self.network.width}


def network_input(images: np.ndarray, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [-1, 1]."""
    # A copy: the images may be a read-only map of a file, which torch does not take.
    return torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
