"""One small run of each kind, to build models and alignments from."""

import pytest

from sra.alignment.build import build_alignments
from sra.spec.methods.base import BaselineOptions
from sra.spec.methods.known import AlignmentOptions
from sra.spec.recipe import ConstantEma, DdpmProcess, FlowProcess
from sra.spec.run import ModelSpec, RunSpec, TrainingSpec
from sra.spec.scale import Latent

BASELINE = BaselineOptions()


@pytest.fixture
def make_run():
    def make(alignment: AlignmentOptions = BASELINE, kind: str = "flow", **training) -> RunSpec:
        numbers = {"batch": 4, "learning_rate": 1e-3, "betas": (0.9, 0.999), "epsilon": 1e-8, "weight_decay": 0.0, "gradient_clip": 1.0}
        numbers |= {"ema": ConstantEma(), "ema_steps": None, "condition_dropout": 0.1, "precision": "fp32", "paper_steps_per_step": 1.0, "seed": 0}
        return RunSpec(
            preset="test",
            run="test",
            family="sit" if kind == "flow" else "dit",
            dataset="digits",
            image_size=256,
            vae="none",
            model=ModelSpec(
                name="SiT-S/2" if kind == "flow" else "DiT-S/2",
                depth=4,
                width=32,
                heads=4,
                patch=2,
                latent=Latent(channels=4, size=8),
                classes=10,
                learns_variance=kind == "ddpm",
            ),
            process=FlowProcess() if kind == "flow" else DdpmProcess(),
            alignment=alignment,
            training=TrainingSpec(**(numbers | training)),
        )

    return make


@pytest.fixture
def built(make_run):
    """The one alignment of a run with these options."""

    def build(options, encoder_width=None, **training):
        return next(iter(build_alignments(make_run(options, **training), encoder_width, seed=0).values()))

    return build
