"""The official code, run from checkouts that the user brings. Only the generator of the fixtures needs it; nothing of it is kept here."""

import argparse
import ast
import importlib.util
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import torch
from formula import CLASSES, ENCODER_WIDTH, PROJECTOR_WIDTH, Size, fill
from registry import REPOSITORIES
from torch import Tensor, nn

from sra.core.errors import InputError


@dataclass(frozen=True)
class Official:
    """The checkouts, side by side in one folder."""

    folder: Path

    def __post_init__(self):
        for name, (repository, commit) in REPOSITORIES.items():
            asked = subprocess.run(
                ["git", "-C", str(self.folder / name), "rev-parse", "--show-toplevel", "HEAD"], capture_output=True, text=True, check=False
            )
            top, found = asked.stdout.split("\n")[:2] if asked.returncode == 0 else ("", "no commit")
            # A plain copy inside another repository would answer with that one's commit.
            if found != commit or Path(top) != (self.folder / name).resolve():
                raise InputError(f"{self.folder / name}: is at {found}, expected {commit[:7]} of github.com/{repository}; check it out there")

    @cached_property
    def dit(self) -> ModuleType:
        return self.module("DiT/models.py")

    @cached_property
    def dit_diffusion(self) -> ModuleType:
        return self.package("DiT/diffusion")

    @cached_property
    def sit(self) -> ModuleType:
        return self.module("SiT/models.py")

    @cached_property
    def sit_transport(self) -> ModuleType:
        return self._transport("SiT/transport")

    @cached_property
    def repa_sit(self) -> ModuleType:
        return self.module("REPA/models/sit.py")

    @cached_property
    def repa_mmdit(self) -> ModuleType:
        # It rearranges its positions twice, to and from a grid.
        sys.modules.setdefault("einops", SimpleNamespace(rearrange=_rearranged, repeat=None))
        return self.module("REPA/models/mmdit.py")

    @cached_property
    def repa_loss(self) -> ModuleType:
        return self.module("REPA/loss.py")

    @cached_property
    def repa_samplers(self) -> ModuleType:
        return self.module("REPA/samplers.py")

    @cached_property
    def sra_sit(self) -> ModuleType:
        return self.module("SRA/SiT-SRA/models/sit.py")

    @cached_property
    def sra_loss(self) -> ModuleType:
        return self.module("SRA/SiT-SRA/loss.py")

    @cached_property
    def sra_samplers(self) -> ModuleType:
        return self.module("SRA/SiT-SRA/samplers.py")

    @cached_property
    def sra_dit(self) -> ModuleType:
        return self.module("SRA/DiT-SRA/models/dit.py")

    @cached_property
    def sra_dit_diffusion(self) -> ModuleType:
        return self.package("SRA/DiT-SRA/diffusion")

    @cached_property
    def dual_times_sit(self) -> ModuleType:
        return self.module("SRA/SiT-SRA_DTS_AS/model.py")

    @cached_property
    def dual_times_loss(self) -> ModuleType:
        return self.module("SRA/SiT-SRA_DTS_AS/loss.py")

    @cached_property
    def layersync_sit(self) -> ModuleType:
        return self.module("LayerSync/models.py")

    @cached_property
    def layersync_transport(self) -> ModuleType:
        return self._transport("LayerSync/transport")

    @cached_property
    def dispersive_sit(self) -> ModuleType:
        return self.module("DispLoss/models.py")

    @cached_property
    def dispersive_transport(self) -> ModuleType:
        return self._transport("DispLoss/transport")

    @cached_property
    def irepa_sit(self) -> ModuleType:
        return self.module("iREPA/ldm/models/sit.py")

    @cached_property
    def irepa_loss(self) -> ModuleType:
        # It imports its neighbour by name.
        sys.modules.setdefault("projection_loss", self.module("iREPA/ldm/projection_loss.py"))
        return self.module("iREPA/ldm/loss.py")

    @cached_property
    def irepa_utils(self) -> ModuleType:
        return self.module("iREPA/ldm/utils.py")

    @cached_property
    def contrastive_sit(self) -> ModuleType:
        return self.module("DeltaFM/models/sit.py")

    @cached_property
    def contrastive_loss(self) -> ModuleType:
        return self.module("DeltaFM/triplet_loss.py")

    @cached_property
    def reg_sit(self) -> ModuleType:
        return self.module("REG/models/sit.py")

    @cached_property
    def reg_loss(self) -> ModuleType:
        return self.module("REG/loss.py")

    def module(self, path: str) -> ModuleType:
        """A file as a module of its own name: several of the repositories have a `models` or a `loss`."""
        return self._load(self.folder / path, path.removesuffix(".py"))

    def package(self, path: str) -> ModuleType:
        return self._load(self.folder / path / "__init__.py", path)

    def _transport(self, path: str) -> ModuleType:
        """willisma/SiT's flow matching, or what others made of it. Its adaptive ODE solver is not run here."""
        sys.modules.setdefault("torchdiffeq", SimpleNamespace(odeint=None))
        return self.package(path)

    @staticmethod
    def _load(file: Path, path: str) -> ModuleType:
        name = "official_" + path.replace("/", "_").replace("-", "_").lower()
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def function(self, path: str, name: str) -> Callable:
        """One function of a script that cannot be imported without its training libraries, be it inside another."""
        tree = ast.parse((self.folder / path).read_text(encoding="utf-8"))
        found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
        scope = {"torch": torch, "OrderedDict": OrderedDict, "argparse": argparse, "np": np, "PIL": PIL, "Image": PIL.Image}
        exec(compile(ast.Module(found, []), path, "exec"), scope)
        return scope[name]

    def weight_of_alignment(self, path: str, resolution: int, epoch: int) -> float:
        """The factor that a train.py gives the alignment loss: its own `if args.resolution == 256` statement, run on a loss of 1."""
        tree = ast.parse((self.folder / path).read_text(encoding="utf-8"))
        (found,) = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "args.resolution == 256"]
        arguments = SimpleNamespace(resolution=resolution, loss_type="sml1")
        scope: dict[str, Any] = {"args": arguments, "epoch": epoch, "align_loss": torch.ones((), dtype=torch.float64)}
        exec(compile(ast.Module([found], []), path, "exec"), scope)
        return scope["align_loss_mean"].item()


def filled(network: type[nn.Module], size: Size, role: str = "student", **options) -> nn.Module:
    """An official network of that size, in evaluation mode, with the formula's weights."""
    shape = {"input_size": size.side, "hidden_size": size.width, "depth": size.depth, "num_heads": size.heads, "num_classes": CLASSES}
    return fill(network(**shape, patch_size=2, in_channels=4, **options), role).eval()


def sra_options(size: Size, sit: bool) -> dict[str, Any]:
    """What SRA's networks and REPA's want said. The width of the last layer is an option only in the SiT of both."""
    return {"fused_attn": True, "qk_norm": False, **({"decoder_hidden_size": size.width} if sit else {})}


def repa_options(size: Size) -> dict[str, Any]:
    aligned = {"encoder_depth": size.student_block, "z_dims": [ENCODER_WIDTH], "projector_dim": PROJECTOR_WIDTH}
    return {**sra_options(size, sit=True), **aligned}


def _rearranged(positions: Tensor, pattern: str, h: int = 0, w: int = 0) -> Tensor:
    """einops.rearrange for the two patterns of REPA/models/mmdit.py."""
    ways = {"1 (h w) c -> 1 h w c": lambda: positions.unflatten(1, (h, w)), "1 h w c -> 1 (h w) c": lambda: positions.flatten(1, 2)}
    return ways[pattern]()


@contextmanager
def fixed_draws(**draws: list[Tensor]) -> Iterator[None]:
    """torch's random functions give these tensors in turn: `fixed_draws(rand=[first, second], randn_like=[noise])`. All must be used."""
    originals = {name: getattr(torch, name) for name in draws}
    left = {name: list(values) for name, values in draws.items()}
    try:
        for name, values in left.items():
            setattr(torch, name, lambda *_, values=values, **__: values.pop(0))
        yield
    finally:
        for name, original in originals.items():
            setattr(torch, name, original)
    if any(left.values()):
        raise RuntimeError(f"the official code drew less than expected: {[name for name, values in left.items() if values]} left over")


@contextmanager
def replaced(name: str, function: Callable) -> Iterator[None]:
    """One of torch's random functions replaced, for loops that draw often."""
    original = getattr(torch, name)
    setattr(torch, name, function)
    try:
        yield
    finally:
        setattr(torch, name, original)
