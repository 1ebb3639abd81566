"""Trains a few steps of one run after another, in the processes that torchrun started or in this one alone: `methods_in_turn.py FOLDER STORES`.

FOLDER: a folder for each run with its config.json; the state comes beside it.  STORES: of latents and features.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from numbered_images import numbered_targets

from sra.data.store import ArrayStore
from sra.spec.machine import Machine
from sra.spec.run import read_run
from sra.training.distributed import World
from sra.training.setup import set_up

STEPS = 4


def train_in_turn(folder: Path, stores: Path, state: str, world: World = World(), in_halves: bool = False) -> None:
    """Each run of `folder` from its seed; its state is called `state`. in_halves: each batch in two parts, as two processes would share it."""
    latents, features = (ArrayStore.open(stores / kind / "store.json", kind) for kind in ("latents", "features"))
    for config in sorted(folder.glob("*/config.json")):
        spec = read_run(config)
        online = numbered_targets(len(latents), spec.model.summary_width or 12) if spec.encodes_in_step else None
        stored = features if spec.encoder and online is None else None
        machine = Machine(micro_batch=spec.training.samples // 2 if in_halves else None)
        trainer = set_up(spec, latents, stored, torch.device("cpu"), machine, world, online)
        trainer.train(STEPS)
        trainer.end_exchange()
        if world.leads:
            trainer.state.save(config.parent / f"{state}.safetensors")


if __name__ == "__main__":
    together = World.join()
    train_in_turn(Path(sys.argv[1]), Path(sys.argv[2]), "two", together)
    together.leave()
