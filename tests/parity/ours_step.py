"""Our training on SiT + SRA: the batch that a step makes, and three whole steps of the trainer."""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from formula import LABEL_DROPOUT, POSTERIOR_SCALE, TINY, digests, fill, inputs, moments, without_key_biases
from ours_models import spec as model_spec
from registry import Comparison, official, relative, relative_by_part
from torch import nn

from sra.content.catalogue import Catalogue
from sra.data.order import batch_indices
from sra.diffusion.batch import NoisyBatch
from sra.diffusion.flow import Flow
from sra.spec.recipe import ConstantEma
from sra.spec.run import RunSpec
from sra.training.batches import TrainingBatch
from sra.training.draws import StepDraws
from sra.training.loop import Trainer
from sra.training.setup import set_up

ROOT = Path(__file__).parents[2]
STEPS = 3
# Course of `official_step.py` -> factor of the latents, and what differs from the configuration.
COURSES = {"released": (1.0, {}), "large": (8.0, {"learning_rate": 3e-4, "ema": ConstantEma(decay=0.9)})}


@dataclass(frozen=True)
class Latents:
    """A store of one batch: the formula's moments and labels, so that the first batch has them in order."""

    row_shape: tuple[int, int, int] = (8, TINY.side, TINY.side)
    manifest: Path = Path("the formula's latents")
    sha256: str = "of no file"

    @property
    def order(self) -> np.ndarray:
        """Which row each place of the first batch takes."""
        return batch_indices(TINY.batch, TINY.batch, 0, 0)

    @property
    def facts(self) -> dict[str, float]:
        return {"scaling_factor": POSTERIOR_SCALE}

    @property
    def labels(self) -> np.ndarray:
        return inputs(TINY).labels.numpy()[np.argsort(self.order)]

    def __len__(self) -> int:
        return TINY.batch

    def rows(self, indices: np.ndarray) -> np.ndarray:
        return moments().numpy()[np.argsort(self.order)][indices]


def run_spec(**training) -> RunSpec:
    """SiT-B/2 + SRA as configured at the paper's scale, in a small network and in float32: the settings are part of what is compared."""
    run = Catalogue(ROOT, "paper").spec("sit_b2_sra")
    small = {"batch": TINY.batch, "precision": "fp32"}
    return run.model_copy(
        update={
            "model": model_spec(TINY, learns_variance=False),
            "alignment": run.alignment.model_copy(update={"student_block": TINY.student_block, "teacher_block": TINY.teacher_block}),
            "training": run.training.model_copy(update={**small, **training}),
        }
    )


def head_of(trainer: Trainer) -> nn.Module:
    return trainer.state.alignments["sra"].head


def batch() -> dict[str, float]:
    """The trainer's own batch, with the draws replaced: posterior sample and label dropout."""
    given = inputs(TINY)
    draws = StepDraws(given.noise, given.noise, given.times, given.dropout, given.draw, {"interval": given.draw})
    with patch("sra.training.batches.draw_step", lambda *_: draws):
        noisy = set_up(run_spec(), Latents(), None, torch.device("cpu")).batch(0).noisy
    return {
        "latents": relative(noisy.latents, official("steps", "batch/latents")),
        "labels": relative(noisy.condition, official("models", f"sra_sit/{TINY.name}/train/labels")),
    }


@lru_cache
def after_steps(course: str) -> dict[str, float]:
    factor, training = COURSES[course]
    trainer = set_up(run_spec(**training), Latents(), None, torch.device("cpu"))
    state, head = trainer.state, head_of(trainer)
    fill(state.model, "student")
    fill(state.teacher, "teacher")
    fill(head, "student", "ap_head.")
    trainer.batch = partial(fixed_batch, factor)
    for _ in range(STEPS):
        trainer.step()

    weights = dict(state.model.named_parameters()) | {f"ap_head.{name}": weight for name, weight in head.named_parameters()}
    names = {id(weight): name for name, weight in weights.items()}
    first = {names[id(weight)]: state.optimizer.first[name] for name, weight in state.trained.items()}
    ours = {"weights": weights, "average": dict(state.teacher.named_parameters()), "first moments": first}
    return {
        what: relative_by_part(digests(without_key_biases(tensors.items())), official("steps", f"{course}/{what}")) for what, tensors in ours.items()
    }


def steps(*what: str) -> dict[str, float]:
    return {f"{course}, {name}": after_steps(course)[name] for course in COURSES for name in what}


def fixed_batch(factor: float, step: int) -> TrainingBatch:
    given = inputs(TINY, step)
    return TrainingBatch(NoisyBatch(factor * given.latents, given.noise, given.times, given.dropped, Flow()), {"interval": given.draw})


COMPARISONS = [
    Comparison("Training batch", "SRA", f"latents drawn from their moments, labels dropped at {LABEL_DROPOUT}", batch),
    Comparison("Three training steps", "SRA", "SiT + SRA: every weight and its average", partial(steps, "weights", "average"), tolerance=1e-6),
    Comparison("Clipping and AdamW", "SRA", "SiT + SRA: first moments after three steps", partial(steps, "first moments")),
]
