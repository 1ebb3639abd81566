"""Two views of each image: the first is what every run sees, the second has draws of its own, and the loss is the mean of both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.diffusion.process import build_process
from sra.forecast.budget import Budget
from sra.forecast.flops import images_at_once
from sra.spec.machine import Machine
from sra.spec.recipe import Experiment
from sra.spec.registry import Registry
from sra.spec.run import resolve_run
from sra.training.batches import Batches
from sra.training.conditions import ClassLabels
from sra.training.distributed import World
from sra.training.setup import set_up

CPU = torch.device("cpu")
TWO = {"views": 2}


def batch_of(spec, latents, world=World()):
    return Batches(spec, latents, ClassLabels(latents, spec.model.classes), None, build_process(spec.process), world).at(3)


@pytest.fixture
def trainer(tiny_run, tiny_stores):
    def make(run="sit_b2", machine=Machine(), **training):
        return set_up(tiny_run(run, training=training), tiny_stores[0], None, CPU, machine)

    return make


@pytest.mark.parametrize("run", ["sit_b2", "dit_b2"])
def test_the_first_view_is_the_plain_batch_and_the_second_the_same_images_and_classes(tiny_run, tiny_stores, run):
    plain, both = (batch_of(tiny_run(run, training=changed), tiny_stores[0]).noisy for changed in ({}, TWO))
    first, second = both.part(slice(0, None, 2)), both.part(slice(1, None, 2))
    for name in ("latents", "noise", "timestep", "condition"):
        assert torch.equal(getattr(first, name), getattr(plain, name))
    assert torch.equal(second.condition, plain.condition)
    # The stores' posterior deviation is exp(0.05): latents of one image differ by their draws alone.
    assert not torch.equal(second.latents, first.latents)
    assert (second.timestep != first.timestep).float().mean() > 0.9
    correlation = np.corrcoef(second.noise.flatten(), first.noise.flatten())[0, 1]
    assert abs(correlation) < 0.1


def test_a_flip_turns_both_views(tiny_run, tiny_stores):
    plain, turned = (batch_of(tiny_run("sit_b2", training={**TWO, "flips": flips}), tiny_stores[0]).noisy for flips in ("none", "latents"))
    changed = (plain.latents != turned.latents).flatten(1).any(dim=1).view(-1, 2)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert 0 < changed[:, 0].sum() < len(changed)


def test_the_loss_is_the_mean_of_both_views(trainer):
    run = trainer(**TWO)
    whole = run.objective(run.batch(0), {}, run.state.teacher)[0]
    views = [run.objective(run.batch(0).part(slice(view, None, 2)), {}, run.state.teacher)[0] for view in range(2)]
    torch.testing.assert_close(whole, sum(views) / 2)


def test_processes_share_the_images_with_both_their_views(tiny_run, tiny_stores):
    spec = tiny_run("sit_b2", training=TWO)
    whole, shares = batch_of(spec, tiny_stores[0]).noisy, [batch_of(spec, tiny_stores[0], World(rank=rank, size=2)).noisy for rank in range(2)]
    assert torch.equal(torch.cat([share.noisy for share in shares]), whole.noisy)
    assert len(shares[0].latents) == spec.training.batch


@pytest.mark.parametrize("micro_batch", [3, 8])
def test_parts_of_any_size_give_the_gradients_of_the_whole(trainer, micro_batch):
    gradients = []
    for machine in (Machine(), Machine(micro_batch=micro_batch)):
        run = trainer(machine=machine, **TWO)
        run._gradients(run.batch(0), {})
        gradients.append({name: tensor.grad for name, tensor in run.state.trained.items()})
    assert all(torch.allclose(tensor, gradients[1][name], rtol=1e-3, atol=1e-6) for name, tensor in gradients[0].items())


def test_segments_equal_one_run_bit_for_bit(trainer, tmp_path):
    whole, first, second = (trainer(**TWO) for _ in range(3))
    whole.train(6)
    first.train(3)
    first.state.save(tmp_path / "state.safetensors")
    second.state.restore(tmp_path / "state.safetensors")
    second.train(6)
    assert all(torch.equal(tensor, second.state.tensors()[name]) for name, tensor in whole.state.tensors().items())


def test_two_views_cost_two_passes(tiny_run):
    plain, both = tiny_run("sit_b2"), tiny_run("sit_b2", training=TWO)
    assert Budget(both).between(0, 10) == 2 * Budget(plain).between(0, 10)
    assert images_at_once(both, Machine()) == 2 * images_at_once(plain, Machine())
    assert images_at_once(both, Machine(micro_batch=3)) == 3


def test_a_run_without_views_is_the_one_it_was(tiny_run):
    plain, both = tiny_run("sit_b2"), tiny_run("sit_b2", training=TWO)
    assert "views" not in plain.model_dump_json()
    assert plain.fingerprint != both.fingerprint
    assert both.words.endswith("; 2 views of each image")


def test_views_with_an_alignment_are_refused():
    registry = Registry(Path(__file__).parents[3], "digits")
    experiment = Experiment(recipe="sit", model="SiT-B/2", milestones=["m400k"], runs={"x": {"method": "sra", "views": 2}})
    with pytest.raises(InputError, match="run x: views: 2 is a control that trains on the generation loss alone; leave it out or give method: none"):
        resolve_run("x", experiment.runs["x"], experiment, registry.recipes["sit"], "digits", registry.preset)
