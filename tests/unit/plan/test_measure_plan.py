"""Which runs are measured, what the rule that measures one asks, what that costs, and that it gets the machine to itself."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from cost_files import write_cost_file

from sra.content.catalogue import Catalogue
from sra.content.required import measured_by_figure, measured_by_table, required_by_figure, required_by_table
from sra.content.tables import TableSpec
from sra.core.errors import InputError
from sra.forecast.flops import parameters, training_flops
from sra.plan import needs, show
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.spec.layout import Results
from sra.spec.measured import STEPS_PER_BLOCK, TIMED_BLOCKS, WARM_UP_STEPS

ROOT = Path(__file__).parents[3]
DIGITS, PAPER = Catalogue(ROOT, "digits"), Catalogue(ROOT, "paper")
RUNS = [f"{family}_{size}2{method}" for family in ("sit", "dit") for size in ("b", "l", "xl") for method in ("", "_sra")]


def test_table_7_measures_twelve_runs_and_scores_none():
    table = DIGITS.tables["table_7"]
    assert measured_by_table(table, DIGITS) == RUNS
    assert required_by_table(table, DIGITS) == []


def test_figures_against_hours_measure_their_runs_and_no_other_does():
    assert set(measured_by_figure(DIGITS.figures["figure_4"], DIGITS)) == set(RUNS)
    assert measured_by_figure(DIGITS.figures["figure_6"], DIGITS) == ["sit_xl2_repa_dinov2b", "sit_xl2_sra"]
    assert [name for name in DIGITS.figures if measured_by_figure(DIGITS.figures[name], DIGITS)] == ["figure_4", "figure_6"]
    assert [name for name in DIGITS.tables if measured_by_table(DIGITS.tables[name], DIGITS)] == ["table_7"]


def test_the_supplement_needs_the_scores_of_figure_4_and_no_other():
    assert required_by_figure(DIGITS.figures["figure_s1"], DIGITS) == required_by_figure(DIGITS.figures["figure_4"], DIGITS)


def test_released_weights_are_not_measured():
    released = Catalogue(ROOT, "paper", released=True)
    assert measured_by_table(released.tables["table_7"], released) == []
    rows, columns = [{"label": "a", "run": "sit_xl2_released"}], [{"cost": "memory", "format": ".2f"}]
    table = TableSpec(kind="costs", id="table_7", title="t", paper="p", costs=columns, rows=rows)
    assert measured_by_table(table, PAPER) == []


def test_a_run_that_is_not_there_is_refused():
    table = DIGITS.tables["table_7"]
    wrong = table.model_copy(update={"rows": [table.rows[0].model_copy(update={"run": "sit_b3"})]})
    with pytest.raises(InputError, match="sit_b3"):
        measured_by_table(wrong, DIGITS)


@pytest.mark.parametrize(("run", "printed"), [("sit_b2_sra", 87), ("sit_l2_sra", 305), ("sit_xl2_sra", 481)])
def test_what_the_teacher_runs_is_what_the_paper_prints_for_sit(run, printed):
    """SRA, Table 7. Of DiT it prints the same, though its targets are earlier blocks."""
    spec = PAPER.spec(run)
    assert round(parameters(spec.model, spec.alignment.teacher_block) / 1e6) == printed
    dit = PAPER.spec(run.replace("sit", "dit"))
    assert round(parameters(dit.model, dit.alignment.teacher_block) / 1e6) < 0.9 * printed


def test_the_job_takes_all_cores_and_trains_on_as_many_as_training_does():
    plan, wildcards = checked_plan(ROOT, {"preset": "digits"}), SimpleNamespace(preset="digits", run="sit_b2")
    assert needs.threads(plan, wildcards, "train") == DIGITS.preset.needs["train"].threads
    assert needs.threads(plan, wildcards, "measure") >= 128
    paper = SimpleNamespace(preset="paper", run="sit_b2")
    assert needs.gpu(checked_plan(ROOT, {"preset": "paper"}), paper, "measure") == 1
    assert needs.gpu(checked_plan(ROOT, {"preset": "paper", "processes": 4}), paper, "measure") == 4


def test_rules_wait_for_the_receipts():
    plan = checked_plan(ROOT, {"preset": "digits"})
    assert show.costs_of_table(plan, SimpleNamespace(preset="digits", table="table_7")) == [f"results/digits/costs/{run}.json" for run in RUNS]
    assert show.costs_of_table(plan, SimpleNamespace(preset="digits", table="table_1")) == []
    assert len(show.costs_of_figure(plan, SimpleNamespace(preset="digits", figure="figure_6"))) == 2
    assert show.costs_of_figure(plan, SimpleNamespace(preset="digits", figure="figure_s1")) == []


def test_measured_steps_are_counted_until_their_receipt_is_there(checkout):
    results, run = Results("digits"), "sit_b2_sra"
    shutil.rmtree(checkout.folder / "results", ignore_errors=True)
    left = Remaining(checked_plan(checkout.folder, {"preset": "digits"}))
    task = left.measurement(run)[-1]
    spec = DIGITS.spec(run)
    steps = WARM_UP_STEPS + TIMED_BLOCKS * STEPS_PER_BLOCK
    assert task.work[0].amount == steps * spec.training.batch * training_flops(spec).total
    assert task.steps == 0  # nothing of the run is trained by it
    assert task in [part for chain in left.chains_of("table_7") for part in chain]
    assert task in [part for chain in left.chains_of("figure_4") for part in chain]
    write_cost_file(checkout.folder / results.cost(run), run, preset="digits", fingerprint="of another run")
    assert left.measurement(run)
    write_cost_file(checkout.folder / results.cost(run), run, preset="digits", fingerprint=spec.fingerprint)
    assert left.measurement(run) == ()


def test_snakemake_measures_before_it_draws(checkout):
    jobs = checkout.planned("table_7")
    assert jobs["measure_cost"] == 12
    assert "train_segment" not in jobs
    assert "score_samples" not in jobs
