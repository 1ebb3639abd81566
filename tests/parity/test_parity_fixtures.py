"""The fixtures show what they are there to show: networks that are alive, variants that differ, a clip that acts; and the tools tell apart."""

import subprocess
from itertools import combinations

import pytest
import torch
from checkouts import Official, fixed_draws
from formula import BASE, TINY, digest, inputs, two_times, wave, without_key_biases
from measure import rounded_up
from registry import FIXTURES, fixture, official, relative, relative_by_part

from sra.core.errors import InputError

NETWORKS = ("sra_sit", "repa_sit", "sit", "dit", "sra_dit")


def test_the_formula_is_the_same_everywhere():
    table = wave((1_000_003,), "any").double()
    assert table.square().mean().item() == pytest.approx(1, abs=0.01)
    assert abs(table.mean().item()) < 0.01
    # sqrt(2) sin(2 pi k^3 / P) at k = crc32("any") mod P = 705181, whose cube is 864176 mod P.
    assert wave((1,), "any").item() == pytest.approx(2**0.5 * torch.tensor(2 * torch.pi * 864176 / 1_000_003, dtype=torch.float64).sin().item())


@pytest.mark.parametrize("code", NETWORKS)
@pytest.mark.parametrize("size", [TINY, BASE], ids=lambda size: size.name)
def test_features_keep_their_size_and_labels_act(code, size):
    for mode in ("eval", "train"):
        for block in (size.student_block, size.teacher_block):
            mean, deviation, _ = official("models", f"{code}/{size.name}/{mode}/block {block}")[:3].tolist()
            assert 0.5 < deviation < 4
            assert abs(mean) < 0.5 * deviation
    evaluated, trained = (official("models", f"{code}/{size.name}/{mode}/output") for mode in ("eval", "train"))
    assert relative(evaluated, trained) > 0.01  # some label was dropped
    if size is TINY:
        assert 0.5 < evaluated.std() < 3
        assert torch.equal((evaluated != trained).flatten(1).any(1), inputs(TINY).dropped == 1000)


@pytest.mark.parametrize("kind", ["sra/sde", "sra/ode_euler", "sra/ode_heun", "repa/sde", "repa/ode_euler", "repa/ode_heun", "dit/ddpm", "sra/ddpm"])
def test_samples_stay_in_range_and_guidance_shows(kind):
    drawn = {key: official("samplers", key) for key in fixture("samplers") if key.startswith(f"{kind}/")}
    assert len(drawn) == (2 if "ddpm" in kind else 3)
    assert all(0.3 < samples.std() < 3 for samples in drawn.values())
    assert all(relative(one, other) > 0.01 for one, other in combinations(drawn.values(), 2))


def test_variants_of_a_loss_differ():
    for code, names in (("sra_sit", ("smooth_l1", "l1", "l2", "cosine", "cosine_over_tokens_official")), ("sra_dit", ("floor 0", "floor 1"))):
        losses = [official("losses", f"{code}/{name}") for name in names]
        assert all(relative(one, other) > 1e-3 for one, other in combinations(losses, 2))


@pytest.mark.parametrize(
    "variants",
    [
        ["layersync/alignment", "layersync/last of two pairs"],
        ["dispersive/torch/loss", "dispersive/jax/loss"],
        [f"contrastive/{form}/negative" for form in ("any", "any, classes alone", "other_class")],
        [key for key in fixture("relatives") if key.startswith("dual_times") and key.endswith("/alignment")],
        [f"dual_times/{case}/velocity" for case in ("released", "defaults", "one time", "one group", "uneven")],
        [key for key in fixture("relatives") if "/projection, share" in key],
    ],
)
def test_variants_of_the_relatives_differ(variants):
    found = [official("relatives", key) for key in variants]
    assert len(found) > 1
    assert all(relative(one, other) > 1e-4 for one, other in combinations(found, 2))


def test_the_draws_of_two_times_reach_the_edges():
    drawn, given = two_times(TINY), inputs(TINY)
    assert (drawn.second == given.times).any()  # one image has one time after all
    assert (torch.stack([given.times, drawn.second], dim=1) < 0.2 * drawn.intervals).any()  # the teacher's time stops at 0
    assert ((drawn.groups >= 0) & (drawn.groups < 1)).all()
    assert drawn.groups.std().item() == pytest.approx(12**-0.5, abs=0.03)


def test_clipping_and_averaging_act():
    assert all((official("steps", f"{course}/norms") > 2).all() for course in ("released", "large"))
    assert relative(official("steps", "released/average"), official("steps", "large/average")) > 0.01


def test_fixtures_are_small():
    assert sum(path.stat().st_size for path in FIXTURES.iterdir()) < 700_000


def test_relative_difference():
    theirs = torch.tensor([1.0, -4.0, 2.0])
    assert relative(torch.tensor([1.0, -4.0, 2.5]), theirs) == 0.125
    assert relative(torch.zeros(2), torch.zeros(2)) == 0
    assert relative(torch.ones(2), torch.zeros(2)) == float("inf")
    assert not relative(torch.tensor([1.0, float("nan"), 2.0]), theirs) <= 1
    with pytest.raises(ValueError, match=r"ours is \(2,\), the official one \(3,\)"):
        relative(theirs[:2], theirs)
    # A small tensor beside a large one counts as much.
    assert relative_by_part([torch.tensor([100.0]), torch.tensor([0.5])], torch.tensor([100.0, 1.0])) == 0.5
    with pytest.raises(ValueError, match="ours has 1 numbers, the official one 3"):
        relative_by_part([torch.zeros(1)], theirs)


def test_a_digest_sees_the_whole_tensor():
    tensor = wave((64, 64), "a tensor")
    other = tensor.clone()
    other[31, 32] += 1  # between two picks
    assert len(digest(tensor)) == 3 + 509
    assert relative(digest(other), digest(tensor)) > 1e-5


def test_key_biases_are_left_out():
    kept = dict(without_key_biases([("blocks.0.attn.qkv.bias", torch.arange(6.0)), ("final_layer.linear.bias", torch.arange(6.0))]))
    assert kept["blocks.0.attn.qkv.bias"].tolist() == [0, 1, 4, 5]
    assert kept["final_layer.linear.bias"].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (2.0e-7, "2e-7"), (2.1e-7, "3e-7"), (9.5e-7, "1e-6"), (0.3, "3e-1")])
def test_printed_figures_are_rounded_up(value, shown):
    assert rounded_up(value) == shown


def test_another_checkout_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"DiT: is at no commit, expected ed81ce2 of github.com/facebookresearch/DiT; check it out there$"):
        Official(tmp_path)
    # A folder without history inside another repository must not answer with that one's commit.
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    someone = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(tmp_path), *someone, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    (tmp_path / "DiT").mkdir()
    with pytest.raises(InputError, match=r"DiT: is at [0-9a-f]{40}, expected ed81ce2"):
        Official(tmp_path)


def test_draws_that_are_not_used_are_an_error():
    before = torch.rand
    with pytest.raises(RuntimeError, match=r"drew less than expected: \['rand'\]"), fixed_draws(rand=[torch.zeros(1), torch.ones(1)]):
        assert torch.rand(1).item() == 0
    assert torch.rand is before
