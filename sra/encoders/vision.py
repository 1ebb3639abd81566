"""Vision encoders (timm): the patch tokens that REPA aligns with. Any vision transformer of timm, fed as REPA feeds its family.

Source: REPA (arXiv 2410.06940), section 4.1, and its utils.py and train.py; `repa_targets` says what is done for which encoder.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sra.core.errors import InputError
from sra.core.wrappers import unwrapped
from sra.encoders.folders import model_hashes, sha256_of_weights
from sra.encoders.repa_targets import FAMILIES, Preprocessing, family_of
from sra.encoders.targets import Targets

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
LONGEST_REASON = 300  # characters


class VisionEncoder:
    """A frozen timm vision transformer, fed as REPA feeds its family; one of no family there as its own config says."""

    def __init__(self, network: nn.Module):
        from timm.data import resolve_model_data_config  # timm takes 5 s to import

        self.network = network.eval().requires_grad_(False)
        self.input_size: int = network.patch_embed.img_size[0]
        self.grid: int = network.patch_embed.grid_size[0]
        self.width: int = network.num_features
        family, config = family_of(*_identity(network)), resolve_model_data_config(network)
        self.preprocessing = family.preprocessing if family else Preprocessing(config["mean"], config["std"], config["interpolation"])

    @classmethod
    def load(cls, source: Path | str, grid: int | None = None, device: torch.device | str = "cpu") -> "VisionEncoder":
        """Load from a folder (config.json and model.safetensors), a file ARCHITECTURE.TAG.safetensors, or by timm's name or the hub's.

        grid: tokens on a side, those of the diffusion model; the input becomes grid x patch pixels and the position embedding is resampled
        (REPA feeds DINOv2, trained at 518 pixels, 224 of them for a 256-pixel image, which is grid 16). None keeps the encoder's own.
        """
        with _explained(source):
            network = _created(source, grid)
        _require_own_activation(source, network)
        return cls(network.to(device))

    def sha256(self) -> str:
        return sha256_of_weights(self.network)

    def tokens(self, images: Tensor, products: AbstractContextManager | None = None) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, N, E) float32: patch tokens in reading order, without class or register tokens.

        products: autocast, where half precision is wanted; only the network runs under it, as in REPA's training step.
        """
        return self.targets(images, products).tokens

    @torch.no_grad()
    def targets(self, images: Tensor, products: AbstractContextManager | None = None, reads: frozenset[str] = frozenset({"tokens"})) -> Targets:
        """The tokens, and of "summary" and "attention" what is read.

        The summary is the class token after the last norm; an encoder without one has the mean of its patches there. Attention is that of the
        patches among each other, by head and block. Raises InputError for an encoder whose attention cannot be seen.
        """
        pixels = self.preprocessing.pixels(images.to(next(self.network.parameters()).device), self.input_size)
        with products or nullcontext(), self._attention_seen("attention" in reads) as attention:
            (last,) = self.network.forward_intermediates(
                pixels, indices=1, norm=self.preprocessing.final_norm, output_fmt="NLC", intermediates_only=True, return_prefix_tokens=True
            )
        tokens, beside = last if self.network.num_prefix_tokens else (last, None)
        summary = self._summary(tokens, beside).float() if "summary" in reads else None
        return Targets(tokens.float(), summary, tuple(attention))

    def _summary(self, tokens: Tensor, beside: Tensor | None) -> Tensor:
        if not self.network.has_class_token:
            return tokens.mean(dim=1)
        return beside[:, 0] if self.preprocessing.final_norm else self.network.norm(beside[:, 0])

    @contextmanager
    def _attention_seen(self, wanted: bool) -> Iterator[list[Tensor]]:
        """A list that each block's logits among the patches, (B, H, N, N) float32, are put into while the network runs."""
        seen: list[Tensor] = []
        from timm.layers import Attention  # timm takes 5 s to import

        layers = [getattr(block, "attn", None) for block in self.network.blocks] if wanted else []
        if not all(isinstance(layer, Attention) for layer in layers):
            name = self.network.pretrained_cfg.get("architecture")
            raise InputError(f"encoder {name}: its attention cannot be read; give a plain vision transformer")

        def keep(layer: nn.Module, _, joined: Tensor) -> None:
            query, key, _ = joined.unflatten(2, (3, layer.num_heads, -1)).permute(2, 0, 3, 1, 4)
            query, key = (norm(part)[:, :, self.network.num_prefix_tokens :].float() for norm, part in ((layer.q_norm, query), (layer.k_norm, key)))
            seen.append(query @ key.transpose(2, 3) * layer.scale)

        handles = [layer.qkv.register_forward_hook(lambda _, given, joined, layer=layer: keep(layer, given, joined)) for layer in layers]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


def encoder_files(source: Path | str) -> dict[str, Path]:
    """The local files behind an encoder, by their role in a receipt; none for one that a hub keeps."""
    if Path(source).is_dir():
        return {"encoder": Path(source) / WEIGHTS, "encoder_config": Path(source) / CONFIG}
    return {"encoder": Path(source)} if Path(source).is_file() else {}


def encoder_hashes(source: Path | str, encoder: VisionEncoder) -> dict[str, str]:
    """The hashes that name an encoder in a receipt: of its local files by role, or of its weights where there is no file."""
    return model_hashes(encoder_files(source), "encoder", encoder.network)


@dataclass(frozen=True)
class EncoderSize:
    """What an encoder costs beside the training that it gives targets to."""

    width: int
    parameters: int
    flops: int  # forward, of one image; a multiply-add is 2


def size_of(source: Path | str, grid: int) -> EncoderSize:
    """The size of an encoder on a grid of tokens, without reading its weights."""
    from torch.utils.flop_counter import FlopCounterMode  # 1 s to import

    with _explained(source):
        network = _without_weights(source, find_encoder(source)[0], grid)
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval().forward_intermediates(torch.empty(1, 3, *network.patch_embed.img_size), intermediates_only=True)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return EncoderSize(network.num_features, parameters, counter.get_total_flops())


def _without_weights(source: Path | str, name: str, grid: int | None) -> nn.Module:
    """The network on the meta device."""
    import timm  # 5 s to import, and only encoders need it

    with torch.device("meta"):
        network = timm.create_model(name, pretrained=False)
        if not (hasattr(network, "patch_embed") and hasattr(network, "num_prefix_tokens")):
            raise InputError(f"{source}: is no vision transformer, so it has no patch tokens; name one, as timm/{_EXAMPLE}")
        return timm.create_model(name, pretrained=False, img_size=grid * network.patch_embed.patch_size[0]) if grid else network


def _created(source: Path | str, grid: int | None) -> nn.Module:
    """The network with its weights. The input's size must be known before they are loaded, so the patch comes from a model without any."""
    import timm  # 5 s to import, and only encoders need it

    name, file = find_encoder(source)
    empty = _without_weights(source, name, grid)
    given = _weights_of(file) if file else _weights_in(Path(source)) if Path(source).is_dir() else {}
    if given:
        _require_own_patch(source, empty, given["pretrained_cfg_overlay"]["state_dict"])
    network = timm.create_model(name, pretrained=True, img_size=empty.patch_embed.img_size[0], **given)
    network.pretrained_cfg.pop("state_dict", None)
    return network


def _weights_of(file: Path) -> dict[str, Any]:
    """How timm is told to take the weights of a file named ARCHITECTURE.TAG.safetensors, every one of them but a classifier's."""
    architecture, _, tag = file.stem.partition(".")
    weights = {name: tensor for name, tensor in unwrapped(load_file(file), file).items() if not name.startswith("head.")}
    return {"pretrained_cfg_overlay": {"state_dict": weights, "num_classes": 0, "architecture": architecture, "tag": tag}, "num_classes": 0}


def _weights_in(folder: Path) -> dict[str, Any]:
    """How timm is told to take the weights of a folder: every tensor of its file, which timm compares with the network name by name."""
    tensors = unwrapped(load_file(folder / WEIGHTS), folder / WEIGHTS)
    return {"pretrained_cfg_overlay": {"state_dict": tensors, "source": ""}}  # with a source, timm would read the file itself


def _require_own_patch(source: Path | str, empty: nn.Module, weights: dict[str, Tensor]) -> None:
    """Positions are resampled to the grid, as REPA does; timm would resample patches too, and what sees other patches is another encoder."""
    patch, found = empty.patch_embed.patch_size, weights.get("patch_embed.proj.weight")
    if found is not None and found.ndim == 4 and tuple(found.shape[2:]) != tuple(patch):
        size = f"patches of {found.shape[2]} x {found.shape[3]} pixels"
        raise InputError(f"{source}: its weights are for {size}, its architecture has {patch[0]} x {patch[1]}; name the architecture they are of")


def find_encoder(source: Path | str) -> tuple[str, Path | None]:
    """timm's name for the source, and the file of its weights if it is one. Raises InputError for what is not there."""
    path = Path(source)
    if path.is_dir():
        for file in (CONFIG, WEIGHTS):
            if not (path / file).exists():
                raise InputError(f"{source}: {file} is missing; {_what_to_fetch(source)}")
        return f"local-dir:{source}", None
    from timm.models import get_pretrained_cfg, is_model  # 5 s to import

    if path.suffix == ".safetensors" and path.exists():
        architecture = path.stem.partition(".")[0]
        if not is_model(architecture):
            raise InputError(f"{source}: timm has no {architecture!r}; name the file ARCHITECTURE.TAG.safetensors, as {_EXAMPLE}.safetensors")
        return architecture, path
    if not (isinstance(source, str) and re.fullmatch(r"([\w-][\w.-]*/)?[\w-][\w.-]*", source)) or path.suffix == ".safetensors":
        raise InputError(f"{source}: no such folder or file; {_what_to_fetch(source)}")
    # timm's own list knows more than a hub's page does: which activation, and pages whose name is another.
    known = source.removeprefix("timm/")
    registered = get_pretrained_cfg(known) if is_model(known.partition(".")[0]) else None
    if registered and not registered.hf_hub_id:
        raise InputError(f"{source}: timm has no safetensors of it; {_what_to_fetch(source)}")
    return (known if registered else f"hf-hub:{source}" if "/" in source else source), None


def _identity(network: nn.Module) -> tuple[str, str]:
    config = network.pretrained_cfg
    return config.get("architecture") or "", config.get("tag") or ""


def _require_own_activation(source: Path | str, network: nn.Module) -> None:
    """CLIP by OpenAI was trained with QuickGELU, and timm loads its weights under a plain name into GELU without complaint."""
    architecture, tag = _identity(network)
    if "_clip_" in architecture and tag == "openai" and "quickgelu" not in architecture:
        own = architecture.replace("_clip_", "_clip_quickgelu_")
        raise InputError(f"{source}: is {architecture}, but these weights were trained with QuickGELU; give {own}.{tag}, or that architecture")


_EXAMPLE = "vit_base_patch14_dinov2.lvd142m"


def _what_to_fetch(source: Path | str) -> str:
    family = next((family for family in FAMILIES if family.fetch and family.name in str(source)), None)
    if family:
        file = source if Path(source).suffix == ".safetensors" else family.file
        return f"fetch {family.fetch}, run sra convert-encoder CHECKPOINT --from {family.name} --out {file} and give that file"
    return f"fetch {CONFIG} and {WEIGHTS} of a timm model (timm/{_EXAMPLE} for the paper) and put them in {source}"


@contextmanager
def _explained(source: Path | str) -> Iterator[None]:
    """A context in which what timm and the hub raise becomes one line that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__  # of weights that do not fit, torch names the keys below
        raise InputError(f"{source}: the encoder cannot be loaded ({reason}); {_what_to_fetch(source)}") from None
