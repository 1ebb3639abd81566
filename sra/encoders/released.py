"""Checkpoints of MoCo v3 and I-JEPA, which timm does not have as safetensors, under timm's names.

Source: the key names of facebookresearch/moco-v3 and facebookresearch/ijepa, as REPA's utils.py reads them (`fix_mocov3_state_dict`,
`load_encoders`). Nothing in a checkpoint is executed.
"""

import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sra.core.errors import InputError, unknown
from sra.core.wrappers import unwrapped


def read_released(checkpoint: Path, family: str) -> dict[str, Tensor]:
    """The encoder's tensors alone. Raises InputError for a file that is no checkpoint of the family."""
    if family not in LAYOUTS:
        raise unknown("family", family, LAYOUTS)
    part, name_of = LAYOUTS[family]
    if not Path(checkpoint).exists():
        raise InputError(f"{checkpoint}: no such file; give the checkpoint as it was downloaded")
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # what it raises depends on the bytes it meets; torch's own advice is to read the file without this protection
        code = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {code[1]}" if code else type(error).__name__
        remedy = f"give a file of its tensors under {part!r} alone, from someone you trust" if code else "download it again"
        raise InputError(f"{checkpoint}: cannot be read without executing it ({reason}); {remedy}") from None
    tensors = content.get(part) if isinstance(content, dict) else None
    found = tensors.items() if isinstance(tensors, dict) else ()
    own = unwrapped({name: tensor for name, tensor in found if isinstance(name, str) and isinstance(tensor, Tensor)}, checkpoint)
    named = unwrapped({name: tensor for name, tensor in own.items() if name_of(name)}, checkpoint, name_of)
    if "pos_embed" not in named:
        raise InputError(f"{checkpoint}: holds no {family} encoder under {part!r}; check the file and --from")
    return named


def _mocov3(name: str) -> str:
    """The encoder's own name of a tensor of MoCo v3's file; empty for what is not of the encoder: the momentum copy, the predictor and the heads."""
    own = name.removeprefix("base_encoder.")
    if own == name or own.startswith(("head.", "fc.")):
        return ""
    # A released ViT-L names these layers after their block; REPA's rule, kept as it is.
    own = re.sub(r"^blocks\.13\.(norm|mlp\.fc)13\b", r"blocks.13.\g<1>1", own)
    return re.sub(r"^blocks\.14\.(norm|mlp\.fc)14\b", r"blocks.14.\g<1>2", own)


def _ijepa(name: str) -> str:
    return name


# Which part of the checkpoint holds the encoder, and its tensors' names in timm.
LAYOUTS: dict[str, tuple[str, Callable[[str], str]]] = {"mocov3": ("state_dict", _mocov3), "ijepa": ("encoder", _ijepa)}
