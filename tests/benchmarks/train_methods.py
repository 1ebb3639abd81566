"""A training step of each method beside the plain step of the same model, and beside what its FLOPs say.

Encoders do not run here: their targets are there already, as where they are stored, and FLOPs are counted so.
"""

import argparse

import numpy as np
import torch
from apart import Found, Group
from harness import Row
from torch import Tensor
from train_candidates import ROOT, opened, spec_of

from sra.content.catalogue import Catalogue
from sra.encoders.targets import Targets
from sra.forecast.flops import training_flops
from sra.models.products import set_float32_products
from sra.spec.encoders import ENCODERS
from sra.spec.machine import Machine
from sra.spec.methods.base import MethodOptions
from sra.spec.methods.combined import CombinedOptions
from sra.spec.run import RunSpec
from sra.training.setup import set_up
from sra.training.targets import OnlineTargets

PLAIN = "sit_b2"
METHODS = ("sra", "repa", "layersync", "haste", "dispersive", "sra2", "irepa", "contrastive", "dts_as", "self_flow", "dts", "reg")
AT_A_TIME = 3  # beside the plain trainer: each takes 5 GB
ENCODER = ENCODERS["dinov2b"]
ENCODER_HEADS = ENCODER.width // 64


def chosen(text: str) -> list[str]:
    """Runs of config/experiments for `all`, or for names of METHODS with commas between them."""
    names = METHODS if text == "all" else tuple(text.split(","))
    unknown = sorted(set(names) - set(METHODS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no method {unknown[0]!r}; known: all, {', '.join(METHODS)}")
    return [f"{PLAIN}_{name}" for name in names]


def spec_of_method(run: str, batch: int, precision: str) -> RunSpec:
    """A run of the paper's registry with a small batch, which is one group where a loss compares samples."""
    spec = spec_of(run, batch, precision)
    return spec.model_copy(update={"alignment": grouped(spec.alignment, batch)})


def grouped(options: MethodOptions, batch: int) -> MethodOptions:
    if isinstance(options, CombinedOptions):
        return options.model_copy(update={name: grouped(getattr(options, name), batch) for name in options.part_fields()})
    return options.model_copy(update={"group": min(options.group, batch)}) if hasattr(options, "group") else options


class NoImages:
    """A store of as many images as there are latents, of which nobody looks at one."""

    sha256 = ""

    def rows(self, places: np.ndarray) -> np.ndarray:
        return np.zeros((len(places), 1, 1, 3), np.uint8)


def given_targets(batch: int, device: torch.device) -> OnlineTargets:
    """Random targets in the shape of DINOv2-B's, made once."""
    random = torch.Generator().manual_seed(0)
    tokens = torch.randn(batch, 256, ENCODER.width, generator=random).to(device)
    attention = torch.randn(batch, ENCODER_HEADS, 256, 256, generator=random).to(device)

    def encode(images: Tensor, products, reads: frozenset[str]) -> Targets:
        return Targets(tokens, tokens[:, 0], (attention,) * ENCODER.depth if "attention" in reads else ())

    return OnlineTargets(NoImages(), encode, ENCODER.width, {})


def build_method(name: str, folder: str, run: str, batch: int, device: str, precision: str, compiled: bool):
    set_float32_products(precision)
    spec, where = spec_of_method(run, batch, precision), torch.device(device)
    online = given_targets(batch, where) if spec.encoder else None
    machine = Machine(device=device, compile=compiled)
    trainer = set_up(spec, opened(folder, "latents"), None, where, machine, online=online)
    return {name: trainer.step}, None


def rounds_of_methods(runs: list[str], options: argparse.Namespace, folder: str, ceilings: Group) -> list[list[Group]]:
    """A few methods at a time, the plain trainer among each few."""
    shared = {"folder": folder, "batch": options.batch, "device": options.device, "precision": options.precision, "compiled": options.compile}
    few = [runs[start : start + AT_A_TIME] for start in range(0, len(runs), AT_A_TIME)]
    return [[*(Group(build_method, {**shared, "run": run, "name": run}) for run in [PLAIN, *part]), ceilings] for part in few]


def rows_of_methods(found: Found, options: argparse.Namespace) -> list[Row]:
    """The share is of what the FLOPs say: 1 where a step takes as much longer than a plain one as it computes more."""
    plain = training_flops(spec_of_method(PLAIN, options.batch, options.precision)).total
    rows = []
    for run in found.times:
        if run != PLAIN and run.startswith(PLAIN):
            words = Catalogue(ROOT, "paper").spec(run).alignment.ORIGIN.name
            ratio = training_flops(spec_of_method(run, options.batch, options.precision), ENCODER.width).total / plain
            rows.append(
                Row(f"a step of {words} ({run}), whose FLOPs are {ratio:.3f} of a plain step's", found.times[run], "a plain step", found.times[PLAIN])
            )
    return rows
