"""Rows of a study are paired: of one seed, every method sees what its baseline sees, bit for bit, and draws what it draws besides from streams of
its own. So a difference of two rows is that of their methods.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numbered_images import numbered_targets
from torch import Tensor

from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard
from sra.sampling import draw as drawing
from sra.sampling.draw import drawn_batches
from sra.sampling.sample_conditions import SampledClasses
from sra.spec.methods.two_times import DualTimesOptions, SelfFlowOptions
from sra.spec.registry import Registry
from sra.spec.run import RunSpec
from sra.spec.samplers import SdeSampler
from sra.training import batches
from sra.training.draws import MethodDraws
from sra.training.loop import Trainer
from sra.training.setup import set_up

CPU = torch.device("cpu")
STUDY = Registry(Path(__file__).parents[3], "fashion_cpu").studies["methods"]
BASELINE = STUDY.baseline.run
ROWS = [row.run for row in STUDY.rows]
SHARED = {"posterior", "noise", "time", "dropout", "flip"}
IMAGES, BATCH = 40, 32
WIDTH = 12  # of the encoder's features here

every_row = pytest.mark.parametrize("run", ROWS)


@pytest.fixture
def spec_of(tiny_run):
    """`spec_of(run, seed)`: the configured run with a model of seconds."""

    def make(run: str, seed: int = 0) -> RunSpec:
        spec = tiny_run(run, training={"seed": seed, "condition_dropout": 0.5, "batch": BATCH})
        if spec.model.summary_width:
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"summary_width": WIDTH})})
        return spec

    return make


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> tuple[ArrayStore, ArrayStore]:
    """Latents (4 x 8 x 8 moments) and features (16 tokens)."""
    random, made = np.random.default_rng(0), []
    for kind, shape in (("latents", (8, 8, 8)), ("features", (16, WIDTH))):
        folder = tmp_path_factory.mktemp(kind)
        shard, rows = shard_path(folder, kind, 0, 1), random.standard_normal((IMAGES, *shape)).astype(np.float32)
        write_shard(shard, kind, range(IMAGES), [rows], {})
        write_manifest(folder / "store.json", kind, [shard], np.arange(IMAGES) % 10, {}, scaling_factor=1.0)
        made.append(ArrayStore.open(folder / "store.json", kind))
    return made[0], made[1]


@pytest.fixture
def trainer(spec_of, stores):
    """`trainer(run, seed)`: it at step 0, on the same stores as all others."""
    latents, features = stores

    def make(run: str, seed: int = 0) -> Trainer:
        spec = spec_of(run, seed)
        online = numbered_targets(IMAGES, WIDTH) if spec.encodes_in_step else None
        return set_up(spec, latents, features if spec.encoder and not online else None, CPU, online=online)

    return make


def seen_by(trainer: Trainer, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the network gets in a step: noisy latents (B, C, H, W), times (B,) or (B, groups), classes (B,)."""
    seen = []
    run = trainer.state.model.run

    def watched(latents, timestep, condition, *more):
        seen.append((latents, timestep, condition))
        return run(latents, timestep, condition, *more)

    trainer.state.model.run = watched
    try:
        trainer.objective(trainer._encoded(trainer.batch(step)), {}, trainer.state.teacher)
    finally:
        del trainer.state.model.run
    return seen[0]


@every_row
@pytest.mark.parametrize("seed", [0, 3])
def test_images_noise_times_and_dropped_classes_are_the_baselines(trainer, run, seed):
    ours, theirs = trainer(run, seed), trainer(BASELINE, seed)
    two_times = [part for part in ours.spec.alignment.parts if isinstance(part, DualTimesOptions | SelfFlowOptions)]
    for step in (0, 1, 17):
        first = slice(0, None, ours.spec.training.views)  # of several views the first is the shared one
        mine, base = ours.batch(step).noisy, theirs.batch(step).noisy
        for name in ("latents", "noise", "timestep", "condition"):
            assert torch.equal(getattr(mine, name)[first], getattr(base, name)), name
        latents, times, classes = (seen[first] for seen in seen_by(ours, step))
        base_latents, base_times, base_classes = seen_by(theirs, step)
        assert torch.equal(classes, base_classes)
        assert (times.ndim == 2) == any(part.groups_tokens for part in two_times)
        if times.ndim == 2:  # the shared time is that of the first group, whose patches are the baseline's
            assert torch.equal(times[:, 0], base_times)
            groups = ours.state.alignments[two_times[0].method].prepare(mine, ours.batch(step).draws, None).groups
            shared = (groups == 0).view(-1, 1, 4, 4).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3).expand_as(latents)
            assert torch.equal(latents[shared], base_latents[shared])
        else:
            assert torch.equal(times, base_times)
            assert torch.equal(latents, base_latents)
    assert (base_classes == ours.spec.model.classes).any()  # some are dropped, so that the dropping is compared too


@every_row
def test_weights_that_both_models_have_begin_alike(trainer, run):
    mine, base = (one.state.tensors() for one in (trainer(run, 3), trainer(BASELINE, 3)))
    names = {name for name in base if name.startswith(("student.", "ema."))}
    assert names
    assert names <= mine.keys()
    assert [name for name in names if not torch.equal(mine[name], base[name])] == []


def test_another_seed_is_another_training(trainer):
    one, other = trainer(BASELINE, 0), trainer(BASELINE, 3)
    assert not torch.equal(one.batch(0).noisy.latents, other.batch(0).noisy.latents)
    assert not torch.equal(one.batch(0).noisy.timestep, other.batch(0).noisy.timestep)
    ones, others = one.state.tensors(), other.state.tensors()
    assert any(not torch.equal(ones[name], others[name]) for name in ones if name.startswith("student."))


@every_row
def test_what_a_method_draws_comes_from_streams_of_its_own(trainer, run):
    ours = trainer(run)
    names = {*ours.batches.draws.uniform, *ours.batches.draws.normal}
    assert not names & SHARED
    batch = ours.batch(0)
    assert batch.draws.keys() == names
    for draw in batch.draws.values():
        numbers = draw.flatten().float()
        assert not torch.isin(numbers, torch.cat([batch.noisy.noise.flatten(), batch.noisy.timestep])).any()


@pytest.fixture
def own_draws(trainer, monkeypatch):
    """`own_draws(run, seed)`: the trainer of a run whose methods, all of the study's, draw from the streams of another seed."""

    def make(run: str, seed: int) -> Trainer:
        plans = [trainer(row).batches.draws for row in ROWS]
        uniform, normal = ({name: shape for plan in plans for name, shape in getattr(plan, kind).items()} for kind in ("uniform", "normal"))
        draw_step = batches.draw_step

        def drawn(own, step, *more):
            return replace(draw_step(own, step, *more), methods=draw_step(seed, step, *more).methods)

        monkeypatch.setattr(batches, "draw_step", drawn)
        made = trainer(run)
        made.batches.draws = MethodDraws(uniform, normal)
        made.train(4)
        monkeypatch.setattr(batches, "draw_step", draw_step)
        return made

    return make


def test_the_baseline_beside_itself_with_other_draws_of_methods_is_no_different(trainer, own_draws):
    """The negative control: d = 0, bit for bit."""
    plain = trainer(BASELINE)
    plain.train(4)
    expected = plain.state.tensors()
    for seed in (0, 1):
        found = own_draws(BASELINE, seed).state.tensors()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_those_draws_do_something_for_a_method_that_takes_them(own_draws):
    one, other = (own_draws("sit_b2_sra", seed).state.tensors() for seed in (0, 1))
    assert any(not torch.equal(one[name], other[name]) for name in one)


class Watched:
    """A process that records what a sample set begins with, and the fresh noise of two steps."""

    def __init__(self):
        self.seen = []

    def sample(self, denoise, sampler, noise, condition, null, draw, leading=None):
        self.seen += [noise, draw(), draw(), condition]
        return noise


@every_row
@pytest.mark.parametrize("seed", [0, 100])
def test_image_i_has_the_same_noise_and_class_for_all(spec_of, trainer, run, seed, monkeypatch):
    sampler, found = SdeSampler(evaluations=3, seed=seed), []
    for row in (run, BASELINE):
        spec, watched = spec_of(row), Watched()
        monkeypatch.setattr(drawing, "build_process", lambda process, watched=watched: watched)
        model, conditions = trainer(row).state.teacher, SampledClasses(spec, sampler, CPU)
        labels = [asked.tolist() for _, asked in drawn_batches(spec, model, conditions, sampler, range(3, 8), 3, CPU)]
        size = spec.model.latent.channels * spec.model.latent.size**2
        found.append((labels, [seen.flatten(1)[:, :size] for seen in watched.seen]))  # the image comes first, a summary after it
    (labels, ours), (base_labels, theirs) = found
    assert labels == base_labels
    assert len(ours) == len(theirs) == 8
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
