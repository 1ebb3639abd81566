"""The FID Inception network of 2015-12-05 with the taps of the ADM suite.

Layers, names and weight file are torch-fidelity 0.4.0's `inception-v3-compat`; taps are those of guided-diffusion's evaluations/evaluator.py:
`pool_3`, `mixed_6/conv` (here the first channels of Mixed_6d) and the class logits without bias. The network is rearranged for inference only:
batch norm sits in the convolutions, and convolutions of one input are one. Features move by about 1e-6 of their largest value.
"""

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.wrappers import unwrapped
from sra.metrics.exact import full_float32
from sra.metrics.extractors import Features, Resize, require_sha256, spatial_features
from sra.metrics.tensorflow_resize import tensorflow_resize

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
KNOWN_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INPUT_SIZE = 299

# Images that pass together, (before, after) Mixed_5b. On a CPU the first maps of four images still fit buffers that are used again
# instead of fresh memory, a quarter faster; the later layers want sixteen, from where on 1x1 convolutions are fast on a single core too.
CPU_BATCHES, GPU_BATCHES = (4, 16), (64, 64)


class InceptionExtractor:
    """The extractor of the published scores. Takes images of any size, as the original graph does; its classes are nobody's labels."""

    name = "inception_2015"
    task = "labels"
    image_size = None
    classes = None  # its 1,008 outputs are not ImageNet's 1,000 classes, in number or in order

    def __init__(self, network: "InceptionNetwork", device: torch.device | str = "cpu", resize: Resize = "tensorflow"):
        self.device = torch.device(device)
        self.network = network.to(self.device).requires_grad_(False)
        self.resize = resize

    def resized_by(self, resize: Resize) -> "InceptionExtractor":
        """An extractor of the same network, not of a copy, behind another resize."""
        return InceptionExtractor(self.network, self.device, resize)

    @classmethod
    def load(cls, path: Path, device: str = "cpu", sha256: str = KNOWN_SHA256) -> "InceptionExtractor":
        """Load from torch-fidelity's weight file, whose SHA-256 must begin with `sha256` (8 digits or more)."""
        if not path.is_file():
            raise InputError(f"{path}: no such file; download {URL} and save it under this path")
        require_sha256(path, sha256)
        return cls(InceptionNetwork(_with_weights(_torch_fidelity_layers(), path)).eval(), device)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> Features:
        """The taps for images (B, H, W, 3) uint8: 2048 pooled, 17 * 17 * 7 = 2023 spatial, 1008 logits."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise InputError(f"extractor {self.name}: images are {images.dtype} {images.shape}; expected uint8 (B, H, W, 3) in 0 ... 255")
        if any(module.training for module in self.network.modules()):
            raise InputError(f"extractor {self.name}: the network is in training mode; call its eval() before any image is scored")
        first, rest = GPU_BATCHES if self.device.type == "cuda" else CPU_BATCHES
        spatial, pooled = [], []
        with full_float32(), torch.autocast(self.device.type, enabled=False):
            for start in range(0, len(images), rest):
                # A copy: the images may be a read-only map of a file, which torch does not take.
                pixels = torch.from_numpy(np.array(images[start : start + rest])).to(self.device)
                stems = [self.network.stem(network_input(few, self.resize)) for few in pixels.split(first)]
                inner, means = self.network.taps(torch.cat(stems))
                spatial.append(spatial_features(inner))
                pooled.append(means)
            features = torch.cat(pooled)
            return Features(features, torch.cat(spatial), features @ self.network.classes.T, None)


def network_input(images: Tensor, resize: Resize = "tensorflow") -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, 299, 299) float32 in [-1, 1], channels last in memory.

    pytorch: x / 255, resized, 2 x - 1 as in pytorch-fid (src/pytorch_fid/inception.py); white is 1 there and 127 / 128 in the graph.
    """
    if resize == "pytorch":
        pixels = F.interpolate(images.permute(0, 3, 1, 2).float() / 255, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False)
        return pixels.mul_(2).sub_(1)
    return tensorflow_resize(images, INPUT_SIZE).sub_(128).div_(128).permute(0, 3, 1, 2)


class InceptionNetwork(nn.Module):
    """torch-fidelity's layers, arranged for inference.

    stem: (B, 3, 299, 299) to (B, 192, 35, 35).  early: to (B, 288, 35, 35).  inner: to (B, 768, 17, 17).  last: to (B, 2048, 8, 8).
    """

    def __init__(self, layers: nn.ModuleDict):
        super().__init__()
        plain = {name: _rectified(_folded(layers[name])) for name in layers if name.startswith("Conv2d")}
        self.stem = nn.Sequential(
            plain["Conv2d_1a_3x3"],
            plain["Conv2d_2a_3x3"],
            plain["Conv2d_2b_3x3"],
            nn.MaxPool2d(3, stride=2),
            plain["Conv2d_3b_1x1"],
            plain["Conv2d_4a_3x3"],
            nn.MaxPool2d(3, stride=2),
        )
        mixed = {name: _branches(layers[name]) for name in layers if name.startswith("Mixed")}
        self.early = nn.Sequential(*[_averaging_block(mixed[f"Mixed_{name}"]) for name in ("5b", "5c", "5d")])
        self.inner = nn.Sequential(
            _halving_block(mixed["Mixed_6a"]),
            # Mixed_6d ends here: its first 192 channels are branch1x1, the tensor that TensorFlow's graph calls mixed_6/conv.
            *[_averaging_block(mixed[f"Mixed_{name}"]) for name in ("6b", "6c", "6d")],
        )
        self.last = nn.Sequential(
            _averaging_block(mixed["Mixed_6e"]),
            _halving_block(mixed["Mixed_7a"]),
            _averaging_block(mixed["Mixed_7b"]),
            _maximum_block(mixed["Mixed_7c"]),
        )
        self.register_buffer("classes", layers["fc"].weight.detach().clone())  # (1008, 2048); the ADM suite drops the bias
        # Channels last is the faster layout on a CPU, but its kernels add up each output in one long run. The inner blocks, whose single
        # outputs are features, take the other layout, whose shorter runs round less; what comes after them is averaged over 64 positions.
        self.to(memory_format=torch.channels_last)
        self.inner.to(memory_format=torch.contiguous_format)

    def taps(self, stem: Tensor) -> tuple[Tensor, Tensor]:
        """What the stem gives -> the inner map (B, 768, 17, 17) and the pooled features (B, 2048), both after ReLU."""
        inner = self.inner(self.early(stem).contiguous())
        return inner, self.last(inner.contiguous(memory_format=torch.channels_last)).mean((2, 3))


class ParallelBranches(nn.ModuleList):
    """Every branch on the same input, their channels one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


class SharedEntry(nn.Module):
    """Branches that open with a 1x1 convolution of the same input: one wider convolution, cut up for what follows in each branch."""

    def __init__(self, entries: list[nn.Conv2d], followers: list[nn.Module]):
        super().__init__()
        self.widths = [entry.out_channels for entry in entries]
        self.entry = nn.Conv2d(entries[0].in_channels, sum(self.widths), 1)
        self.entry.weight = nn.Parameter(torch.cat([entry.weight for entry in entries]))
        self.entry.bias = nn.Parameter(torch.cat([entry.bias for entry in entries]))
        self.followers = nn.ModuleList(followers)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.entry(x).split(self.widths, 1)
        return torch.cat([follower(part) for follower, part in zip(self.followers, parts, strict=True)], 1)


Branches = dict[str, list[list[nn.Conv2d]]]  # by branch and depth; convolutions of equal depth read the same input


def _averaging_block(branches: Branches) -> nn.Module:
    """Blocks A, C and the first E. Averaging and a 1x1 convolution commute, so the pool branch averages its few outputs, not its many inputs."""
    average = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)  # TensorFlow divides by the pixels inside
    entries = [steps[0][0] for steps in branches.values()]
    *others, pool = branches.values()
    return SharedEntry(
        entries, [nn.Sequential(nn.ReLU(), *_chain(steps[1:])) for steps in others] + [nn.Sequential(average, *_chain(pool[1:]), nn.ReLU())]
    )


def _maximum_block(branches: Branches) -> nn.Module:
    """The last E block: its pool branch takes the maximum, a slip of the original network that its features depend on."""
    *others, pool = branches.values()
    shared = SharedEntry([steps[0][0] for steps in others], [nn.Sequential(nn.ReLU(), *_chain(steps[1:])) for steps in others])
    return ParallelBranches([shared, nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_chain(pool))])


def _halving_block(branches: Branches) -> nn.Module:
    """Blocks B and D: convolutions and a maximum of stride 2."""
    return ParallelBranches([*[nn.Sequential(*_chain(steps)) for steps in branches.values()], nn.MaxPool2d(3, stride=2)])


def _chain(steps: list[list[nn.Conv2d]]) -> list[nn.Module]:
    return [_rectified(step[0]) if len(step) == 1 else ParallelBranches([_rectified(convolution) for convolution in step]) for step in steps]


def _rectified(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


def _branches(block: nn.Module) -> Branches:
    """A block's layers by their names: `branch3x3_2a` is one of the convolutions at depth 2 of branch3x3, `branch_pool` the only one of its own."""
    branches: dict[str, dict[str, list[nn.Conv2d]]] = {}
    for name, layer in block.named_children():
        branch, depth = re.fullmatch(r"(\w+?)(?:_(\d)[ab]?)?", name).groups()
        branches.setdefault(branch, {}).setdefault(depth, []).append(_folded(layer))
    return {branch: list(steps.values()) for branch, steps in branches.items()}


def _folded(layer: nn.Module) -> nn.Conv2d:
    """Convolution and batch norm of one torch-fidelity layer as a convolution with bias; the product is taken in float64."""
    original, norm = layer.conv, layer.bn
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    folded = nn.utils.skip_init(
        nn.Conv2d, original.in_channels, original.out_channels, original.kernel_size, stride=original.stride, padding=original.padding
    )
    with torch.no_grad():
        folded.weight.copy_(original.weight.double() * scale[:, None, None, None])
        folded.bias.copy_(norm.bias.double() - norm.running_mean.double() * scale)
    return folded


def _torch_fidelity_layers() -> nn.ModuleDict:
    """torch-fidelity's layers without weights. Its own class unpickles the weight file unchecked, so only the layers are taken from it."""
    from torch_fidelity import feature_extractor_inceptionv3 as library  # takes seconds to import

    with torch.device("meta"):
        return nn.ModuleDict(
            {
                "Conv2d_1a_3x3": library.BasicConv2d(3, 32, kernel_size=3, stride=2),
                "Conv2d_2a_3x3": library.BasicConv2d(32, 32, kernel_size=3),
                "Conv2d_2b_3x3": library.BasicConv2d(32, 64, kernel_size=3, padding=1),
                "Conv2d_3b_1x1": library.BasicConv2d(64, 80, kernel_size=1),
                "Conv2d_4a_3x3": library.BasicConv2d(80, 192, kernel_size=3),
                "Mixed_5b": library.InceptionA(192, pool_features=32),
                "Mixed_5c": library.InceptionA(256, pool_features=64),
                "Mixed_5d": library.InceptionA(288, pool_features=64),
                "Mixed_6a": library.InceptionB(288),
                "Mixed_6b": library.InceptionC(768, channels_7x7=128),
                "Mixed_6c": library.InceptionC(768, channels_7x7=160),
                "Mixed_6d": library.InceptionC(768, channels_7x7=160),
                "Mixed_6e": library.InceptionC(768, channels_7x7=192),
                "Mixed_7a": library.InceptionD(768),
                "Mixed_7b": library.InceptionE_1(1280),
                "Mixed_7c": library.InceptionE_2(2048),
                "fc": nn.Linear(2048, 1008),
            }
        )


def _with_weights(layers: nn.ModuleDict, path: Path) -> nn.ModuleDict:
    """The layers with the tensors of a torch-fidelity weight file, which may hold nothing else."""
    try:
        # Not mapped into memory: torch maps only its newer zip format, and the published file has the older one.
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what it raises depends on the bytes it meets; torch's own advice is to read the file without this protection
        code = re.search(r"[Uu]nsupported (?:global: )?GLOBAL (\S+)", str(error))
        reason = f"it asks for {code[1]}" if code else type(error).__name__
        raise InputError(f"{path}: refused, it holds something else than tensors or is damaged ({reason}); download {URL}") from None
    if isinstance(found, dict) and all(isinstance(name, str) for name in found):
        found = unwrapped(found, path)
    if wrong := _difference(layers, found):
        raise InputError(f"{path}: not the weights of torch-fidelity's Inception network: {wrong}; download {URL}")
    layers.load_state_dict(found, assign=True, strict=False)
    return layers


def _difference(layers: nn.ModuleDict, found: object) -> str:
    """The first way in which `found` is not the layers' state dict, empty when there is none."""
    if not isinstance(found, dict):
        return f"it holds a {type(found).__name__}, expected a state dict"
    # Batch norm's counter of training steps is read by nobody here, and older files lack it.
    expected = {name: tensor for name, tensor in layers.state_dict().items() if not name.endswith("num_batches_tracked")}
    unexpected = [name for name in found if name not in layers.state_dict()]
    if odd := [name for name in expected if name not in found] + unexpected:
        return f"{len(odd) - len(unexpected)} tensors are missing and {len(unexpected)} are unexpected, the first {odd[0]!r}"
    for name, tensor in expected.items():
        wanted, got = _kind(tensor), _kind(found[name])
        if wanted != got:
            return f"{name} is {got}, expected {wanted}"
    return ""


def _kind(value: object) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
