"""What training computes between two steps: sums over single steps, each part counted only where the loop runs it."""

from pathlib import Path

import pytest

from sra.alignment.weight_schedule import WeightSchedule
from sra.content.catalogue import Catalogue
from sra.forecast.budget import Budget
from sra.forecast.flops import forward_flops, training_flops
from sra.forecast.job_flops import Works
from sra.spec.encoders import ENCODERS

ROOT = Path(__file__).parents[3]
DIGITS, PAPER = Catalogue(ROOT, "digits"), Catalogue(ROOT, "paper")
ENCODER, WIDTH = 10**6, 64


def stopping(run, **stops):
    """The digits run with stops of its parts: `stop_step` of the method itself, or by the name of a part."""
    spec = DIGITS.spec(run)
    options = spec.alignment
    for name, stop in stops.items():
        value = stop if name == "stop_step" else getattr(options, name).model_copy(update={"stop_step": stop})
        options = options.model_copy(update={name: value})
    return spec.model_copy(update={"alignment": options})


CASES = {
    "a plain run": DIGITS.spec("sit_b2"),
    "one that never stops": DIGITS.spec("sit_b2_sra"),
    "one that stops": DIGITS.spec("sit_b2_sra_stop"),
    "an encoder that stops": DIGITS.spec("sit_b2_haste"),
    "parts that stop at two steps": stopping("sit_b2_haste", repa=48_000, attention=100_000),
    "a stop on a whole step": stopping("sit_b2_repa", stop_step=32_000),
    "the token stays": stopping("sit_b2_reg", repa=32_000, summary=48_000),
}


@pytest.mark.parametrize("spec", CASES.values(), ids=CASES)
@pytest.mark.parametrize(("first", "last"), [(0, 125), (0, 20), (20, 20), (20, 63), (62, 63), (63, 125), (40, 90)])
def test_a_stretch_is_the_sum_of_its_steps(spec, first, last):
    budget = Budget(spec, WIDTH, ENCODER)
    assert budget.between(first, last) == sum(budget.of_step(step) for step in range(first, last))


@pytest.mark.parametrize("spec", CASES.values(), ids=CASES)
def test_a_part_acts_where_its_weight_is_not_zero(spec):
    """The schedule that training multiplies by, against what the budget counts."""
    for step in range(125):
        weighing = [part for part in spec.alignment.parts if WeightSchedule.of_run(part, spec).at(step)]
        assert list(spec.acting_at(step)) == weighing
    changes = [step for step in range(1, 125) if spec.acting_at(step) != spec.acting_at(step - 1)]
    assert list(spec.stops) == changes


@pytest.mark.parametrize("pace", [1.0, 0.1, 0.3, 40.0, 1600.0, 3125.0, 187.5])
@pytest.mark.parametrize("stop", [1, 3, 299, 300, 100_000])
def test_the_first_step_without_a_part_whatever_the_pace(pace, stop):
    options = DIGITS.spec("sit_b2_sra").alignment.model_copy(update={"stop_step": stop})
    first = options.first_stopped(pace)
    assert options.acts_at(first - 1, pace)
    assert not options.acts_at(first, pace)
    assert options.model_copy(update={"weight": 0.0}).first_stopped(pace) is None


def test_a_run_that_does_not_stop_costs_every_step_alike():
    spec = DIGITS.spec("sit_b2_sra")
    assert Budget(spec).between(100, 850) == 750 * spec.training.batch * training_flops(spec).total
    assert Budget(spec).knots(850) == [(0, 0), (850, Budget(spec).between(0, 850))]


def test_a_stopped_run_costs_a_plain_one_from_its_stop_on():
    plain, stopped, spec = Budget(DIGITS.spec("sit_b2")), Budget(DIGITS.spec("sit_b2_haste"), WIDTH, ENCODER), DIGITS.spec("sit_b2_haste")
    assert spec.stops == (63,)  # 100 000 / 1600 = 62.5
    assert stopped.between(63, 250) == plain.between(63, 250)
    assert stopped.of_step(62) > plain.of_step(62) + spec.training.batch * ENCODER
    total = stopped.between(0, 63) + plain.between(63, 250)
    assert stopped.knots(250) == [(0, 0), (63, stopped.between(0, 63)), (250, total)]
    assert stopped.knots(50) == [(0, 0), (50, 50 * stopped.of_step())]
    assert stopped.knots(63) == [(0, 0), (63, 63 * stopped.of_step())]


def test_the_token_of_reg_needs_its_encoder_after_every_loss_has_stopped():
    spec = CASES["the token stays"]
    last = Budget(spec, WIDTH, ENCODER).of_image(1000)
    assert (last.heads, last.encoder) == (0, ENCODER)
    assert last.student + last.extra_token == 3 * forward_flops(spec.model)
    assert Budget(CASES["a stop on a whole step"], WIDTH, ENCODER).of_image(1000).encoder == 0


def test_the_planned_work_of_a_segment_knows_where_it_starts():
    works, spec = Works(PAPER), PAPER.spec("sit_b2_haste")
    plain = Works(PAPER).training(PAPER.spec("sit_b2"), 100_000, 200_000).amount
    assert works.training(spec, 100_000, 200_000).amount == plain
    assert works.training(spec, 0, 200_000).amount == works.training(spec, 0, 100_000).amount + plain
    before = training_flops(spec, ENCODERS["dinov2b"].width).total + ENCODERS["dinov2b"].flops(256)
    assert works.training(spec, 0, 100_000).amount == 100_000 * 256 * before


def test_stored_features_cost_no_encoder():
    works, spec = Works(PAPER), PAPER.spec("sit_b2_repa")
    stored, in_step = (works.budget(spec, in_step=counted).between(0, 10) for counted in (False, True))
    assert in_step - stored == 10 * 256 * ENCODERS["dinov2b"].flops(256)


def test_steps_out_of_order_are_refused():
    with pytest.raises(ValueError, match="steps 5 to 4 are no stretch"):
        Budget(DIGITS.spec("sit_b2")).between(5, 4)
