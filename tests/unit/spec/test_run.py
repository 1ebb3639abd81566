"""A run resolves to what its recipe, experiment and preset say, and to nothing when they contradict each other."""

from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.methods.sra import SraOptions
from sra.spec.recipe import Experiment, RunRow
from sra.spec.registry import Registry
from sra.spec.run import RunSpec, check_place, model_named, resolve_run
from sra.spec.scale import Latent

ROOT = Path(__file__).parents[3]
PAPER, DIGITS = Registry(ROOT, "paper"), Registry(ROOT, "digits")


@pytest.mark.parametrize(
    ("run", "blocks"),
    [
        ("sit_b2_sra", (3, 8)),
        ("sit_l2_sra", (6, 16)),
        ("sit_xl2_sra", (8, 20)),
        ("dit_b2_sra", (3, 7)),
        ("dit_l2_sra", (6, 14)),
        ("dit_xl2_sra", (8, 16)),
    ],
)
def test_the_papers_block_pairs(run, blocks):
    alignment = PAPER.spec(run).alignment
    assert (alignment.student_block, alignment.teacher_block) == blocks


def test_the_papers_training_settings():
    training = PAPER.spec("sit_xl2_sra").training
    assert (training.learning_rate, training.betas, training.weight_decay, training.batch) == (1e-4, (0.9, 0.999), 0.0, 256)
    assert (training.ema.decay, training.condition_dropout, training.gradient_clip, training.paper_steps_per_step) == (0.9999, 0.1, 1.0, 1)


@pytest.mark.parametrize("run", PAPER.runs)
def test_a_preset_changes_scale_alone(run):
    """Everything that names a method is equal at both presets; block numbers may move with the depth, and the encoder has its stand-in."""
    paper, digits = PAPER.spec(run), DIGITS.spec(run)
    parts = [[part.model_dump(exclude={*part.BLOCKS, "encoder", "projector_width"}) for part in spec.alignment.parts] for spec in (paper, digits)]
    assert parts[0] == parts[1]
    assert (paper.family, paper.process, paper.model.name) == (digits.family, digits.process, digits.model.name)
    same = ("betas", "epsilon", "weight_decay", "gradient_clip", "ema", "condition_dropout", "seed")
    assert all(getattr(paper.training, name) == getattr(digits.training, name) for name in same)


@pytest.mark.parametrize("registry", [PAPER, DIGITS], ids=["paper", "digits"])
def test_no_two_runs_are_the_same_experiment(registry):
    """Nor do two of the paper's blocks become one in the shallower models of the digits."""
    runs = set(registry.runs) - ({"sit_b2_layersync_sra"} if registry is DIGITS else set())  # 7 and 8 of 12 are both 5 of 8: no table shows both
    specs = [registry.spec(run).model_dump_json(exclude={"run"}) for run in runs]
    assert len(specs) == len(set(specs))


def test_both_methods_together_take_each_its_own_defaults():
    repa, sra = PAPER.spec("sit_xl2_repa_sra").alignment.parts
    assert repa == PAPER.spec("sit_xl2_repa_dinov2b").alignment
    assert sra == PAPER.spec("sit_xl2_sra").alignment
    assert PAPER.spec("sit_xl2_repa_sra").encoder == "dinov2b"
    assert PAPER.spec("sit_xl2_sra").encoder is None


def test_options_of_one_part_change_that_part_alone():
    experiment = Experiment(
        recipe="sit", model="SiT-B/2", milestones=["m400k"], runs={"x": {"method": "repa+sra", "sra": {"weight": 0.1}, "repa": {"stop_step": 100000}}}
    )
    repa, sra = resolve_run("x", experiment.runs["x"], experiment, PAPER.recipes["sit"], "paper", PAPER.preset).alignment.parts
    assert (repa.block, repa.weight, repa.stop_step) == (4, 0.5, 100_000)
    assert (sra.student_block, sra.teacher_block, sra.weight) == (3, 8, 0.1)


def test_any_timm_transformer_is_a_target_by_name():
    experiment = Experiment(recipe="sit", model="SiT-B/2", milestones=["m400k"], runs={"x": {"method": "repa", "encoder": "timm/eva02_base.mim"}})
    for registry in (PAPER, DIGITS):
        spec = resolve_run("x", experiment.runs["x"], experiment, registry.recipes["sit"], registry.preset_id, registry.preset)
        assert spec.encoder == "timm/eva02_base.mim"


@pytest.mark.parametrize(
    "weights", [{"file": "sit_xl2_256", "family": "sit"}, {"file": "mine/sit.pt"}, {"file": "mine/sit.pt", "family": "sit"}, {"file": "x", "step": 1}]
)
def test_weights_are_a_name_or_a_path_with_its_family_and_step(weights):
    with pytest.raises(ValueError, match="is a path and needs family and step, or a name"):
        RunRow(method="none", weights=weights)


def test_flips_are_a_method_of_any_run_but_one_on_captions():
    rows = {"x": {"method": "sra", "flips": "latents"}, "y": {"method": "sra"}}
    experiment = Experiment(recipe="sit", model="SiT-B/2", milestones=["m400k"], runs=rows)
    flipped, plain = (resolve_run(name, row, experiment, PAPER.recipes["sit"], "paper", PAPER.preset) for name, row in experiment.runs.items())
    assert flipped.training.flips == "latents"
    assert flipped.words == f"{plain.words}; latents flipped"
    assert "flips" not in plain.model_dump_json(), "a run without flips would no longer be the one it was"
    assert flipped.fingerprint != plain.fingerprint
    captioned = Experiment(recipe="mmdit", model="MMDiT/2", milestones=["m150k"], runs={"x": {"method": "none", "flips": "latents"}})
    with pytest.raises(InputError, match="run x: flips: captions say what is left and right; leave out flips"):
        resolve_run("x", captioned.runs["x"], captioned, PAPER.recipes["mmdit"], "paper", PAPER.preset)


def test_the_fingerprint_follows_the_spec():
    spec = DIGITS.spec("sit_b2_sra")
    assert spec.fingerprint == DIGITS.spec("sit_b2_sra").fingerprint
    assert spec.fingerprint != DIGITS.spec("sit_b2").fingerprint
    assert spec.fingerprint != PAPER.spec("sit_b2_sra").fingerprint


@pytest.mark.parametrize(
    ("row", "model", "message"),
    [
        ({"method": "none", "weight": 0.1}, "SiT-B/2", "run x: weight is not an option of method none"),
        ({"method": "sra", "teacher_time_floor": 1}, "SiT-B/2", "run x: teacher_time_floor counts steps of the chain of DiT"),
        ({"method": "repa", "student_block": 3}, "SiT-B/2", "run x: student_block is not an option of method repa"),
        ({"method": "repa+sra", "weight": 0.1}, "SiT-B/2", "run x: weight is not an option of method repa+sra"),
        ({"method": "repa+sra", "sra": {"student_block": 9}}, "SiT-B/2", "run x: student_block 9 is deeper than teacher_block 8"),
        ({"method": "sra", "student_block": 9}, "SiT-B/2", "run x: student_block 9 is deeper than teacher_block 8"),
        ({"method": "sra", "teacher_block": 13}, "SiT-B/2", "run x: block 13 does not exist in a model of 12 blocks"),
        ({"method": "sra"}, "SiT-S/2", "run x: the paper gives no blocks for size S; set student_block and teacher_block"),
        ({"method": "repa", "encoder": "dinov3"}, "SiT-B/2", "run x: unknown encoder 'dinov3'; did you mean 'dinov2b'?"),
        ({"method": "none"}, "SiT-B/8", None),
        ({"method": "none"}, "DiT-B/2", "run x: recipe sit trains sit models, its model is DiT-B/2"),
        ({"method": "sra", "ema": {"rule": "ramp", "milestone": "m40k"}}, "SiT-B/2", "run x: ema: unknown milestone 'm40k'; did you mean 'm400k'?"),
    ],
)
def test_contradictions_are_named(row, model, message):
    experiment = Experiment(recipe="sit", model=model, milestones=["m400k"], runs={"x": RunRow(**row)})

    def resolve():
        return resolve_run("x", experiment.runs["x"], experiment, DIGITS.recipes["sit"], "digits", DIGITS.preset)

    if message is None:
        assert resolve().model.tokens == 1
    else:
        with pytest.raises(InputError) as error:
            resolve()
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("method", "words"),
    [("repa", "REPA: block not said"), ("sra", "SRA: blocks not said"), ("repa+sra", "REPA: block not said"), ("none", "baseline")],
)
@pytest.mark.parametrize("registry", [PAPER, DIGITS], ids=["paper", "digits"])
def test_a_run_of_released_weights_needs_no_block_since_nothing_is_trained(method, words, registry):
    weights = {"file": "mine/s.pt", "family": "repa", "step": 400_000}
    row = RunRow(method=method, weights=weights)
    experiment = Experiment(recipe="sit", model="SiT-S/2", milestones=["m400k"], runs={"x_released": row})
    spec = resolve_run("x_released", row, experiment, PAPER.recipes["sit"], registry.preset_id, registry.preset)
    assert spec.alignment.words.startswith(words)
    assert RunSpec.model_validate(spec.model_dump(mode="json")).fingerprint == spec.fingerprint
    if method != "none":
        with pytest.raises(ValueError, match="a run that is trained names the blocks that it aligns"):
            RunSpec.model_validate(spec.model_dump(mode="json") | {"weights": None})


def test_half_a_pair_of_blocks_is_refused():
    with pytest.raises(ValueError, match="student_block and teacher_block go together"):
        SraOptions(student_block=3)


def test_models_are_built_by_name():
    model = model_named("SiT-XL/2", Latent(channels=4, size=32), 1000)
    assert (model.depth, model.width, model.heads, model.tokens, model.learns_variance) == (28, 1152, 16, 256, False)
    assert model_named("DiT-S/8", Latent(channels=4, size=32), 1000).learns_variance
    with pytest.raises(InputError, match="patch 8 does not divide latents of 12 x 12"):
        model_named("SiT-B/8", Latent(channels=4, size=12), 10)
    with pytest.raises(InputError, match="model 'SiT-H/2': expected a family, a size and a patch"):
        model_named("SiT-H/2", Latent(channels=4, size=32), 10)


def test_unknown_names_are_refused_with_a_suggestion():
    with pytest.raises(InputError, match="unknown preset 'digit'; did you mean 'digits'"):
        _ = Registry(ROOT, "digit").preset
    with pytest.raises(InputError, match="unknown run 'sit_b2_sar'; did you mean 'sit_b2_sra'"):
        DIGITS.spec("sit_b2_sar")
    with pytest.raises(InputError, match="unknown sampler 'sde25'; did you mean 'sde250'"):
        DIGITS.sampler("sde25")
    with pytest.raises(InputError, match="no entry for the paper's 12345"):
        DIGITS.sample_count(12345)


def test_the_preset_scales_the_sampler_and_nothing_else_of_it():
    paper, digits = PAPER.sampler("sde250_cfg18"), DIGITS.sampler("sde250_cfg18")
    assert paper.evaluations == 250
    assert digits.evaluations < 250
    assert paper.model_dump(exclude={"evaluations"}) == digits.model_dump(exclude={"evaluations"})


@pytest.mark.parametrize(
    "path",
    [
        "/data/results/digits/runs/other/config.json",
        "/data/results/digits/scores/other/m400k/sde250/n50000.json",
        "/data/results/digits/costs/other.json",
        "/results/digits/runs/mine/results/digits/runs/other/config.json",
    ],
)
def test_a_file_in_the_place_of_another_run_is_refused(path):
    with pytest.raises(InputError, match=r"is of run mine, not of other; delete it and run snakemake again"):
        check_place(Path(path), "mine")


@pytest.mark.parametrize(
    "path",
    [
        "/data/results/digits/runs/mine/config.json",
        "/data/results/digits/costs/mine.json",
        "/home/results/digits/runs/checkout/results/digits/scores/mine/m400k/sde250/n50000.json",
        "/data/results/of/last/week/other/config.json",
        "elsewhere/other.json",
    ],
)
def test_a_file_in_its_place_or_in_no_place_is_taken(path):
    check_place(Path(path), "mine")
