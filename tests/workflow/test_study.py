"""A whole study through Snakemake, on digits in seconds: its numbers by hand, a method more, a run less, and one that diverges."""

import re

import numpy as np
import pytest
from toy_study import FOURTH, ONE_METHOD, with_row, write_toy_study

from sra.core.files import read_json
from sra.study.document import read_choices, read_study

CONFIG = ["--config", "preset=toy"]
BASELINE, METHOD = "sit_b2", "sit_b2_sra"  # a second method would be a third more to run
T_975 = 4.302652729911275  # Student's t of 2 degrees of freedom at 97.5 %
TIE = 0.9  # so wide that no row is tuned, which would be as much again
SHORTER = ONE_METHOD.replace("repeated: [10, 11, 12]\n", "").replace("rates: [1, 2]", f"rates: [1], tie: {TIE}")
DIVERGING = """
recipe: sit
model: SiT-B/2
milestones: [m400k]
runs:
  mine: {method: sra, student_block: 3, teacher_block: 8, weight: 1.0e+38}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, new_checkout):
    """The study, run from nothing."""
    checkout = new_checkout(tmp_path_factory.mktemp("study") / "checkout")
    checkout.show_only()
    write_toy_study(checkout.folder, SHORTER)
    done = checkout.snakemake("study_toy", "--show-failed-logs", *CONFIG)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout


def document_of(checkout):
    return read_study(checkout.folder / "results/toy/studies/toy.json")


def fid(checkout, run: str, milestone: str, sampler: str = "sde250", seeds=(0, 1, 2)) -> np.ndarray:
    """By seed, from the files of scores."""
    runs = [run if seed == 0 else f"{run}__s{seed}" for seed in seeds]
    files = [checkout.folder / f"results/toy/scores/{name}/{milestone}/{sampler}/n50000.json" for name in runs]
    return np.array([read_json(file)["metrics"]["fid"] for file in files])


def check_effect(effect, ours: np.ndarray, theirs: np.ndarray) -> None:
    logs = np.log(ours / theirs)
    half = T_975 * logs.std(ddof=1) / np.sqrt(3)
    assert [seed.effect for seed in effect.seeds] == pytest.approx(ours / theirs)
    assert (effect.mean, effect.low, effect.high) == pytest.approx(tuple(np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])))


def trained(output: str) -> set[str]:
    """Runs that a dry run would train."""
    return set(re.findall(r"^Job \d+: train (\S+) to m", output, re.MULTILINE))


@pytest.mark.slow
def test_its_numbers_are_those_of_the_score_files(finished):
    document = document_of(finished)
    rows = {row.run: row for row in document.rows}
    assert (document.missing, document.diverged) == (0, [])
    for sampler in ("sde250", "ode50_heun"):
        check_effect(rows[METHOD].effect(sampler=sampler), *(fid(finished, run, "m400k", sampler) for run in (METHOD, BASELINE)))
    for run in (BASELINE, METHOD):
        for point in rows[run].points:
            values = fid(finished, run, point.milestone)
            assert [value.value for value in point.values] == values.tolist()
            assert point.mean == pytest.approx(np.exp(np.log(values).mean()))
    check_effect(document.longer, fid(finished, BASELINE, "m800k"), fid(finished, BASELINE, "m400k"))
    assert document.informative == (document.longer.high < 1)
    assert document.machine
    assert rows[METHOD].hours_a_step > 0


@pytest.mark.slow
def test_its_trials_chose_by_the_rule(finished):
    choices = read_choices(finished.folder / "results/toy/studies/toy/choices.json")
    assert [sweep.run for sweep in choices.sweeps] == [BASELINE, METHOD]
    for sweep in choices.sweeps:
        tried = {1: sweep.run} if sweep.run == BASELINE else {1: sweep.run, 4: f"{sweep.run}__weight_x4"}
        values = {factor: fid(finished, name, "m200k", "sde250__s100", seeds=[100])[0] for factor, name in tried.items()}
        assert {trial.factor: trial.value for trial in sweep.trials} == values
        assert sweep.chosen == (4 if values.get(4, np.inf) < (1 - TIE) * values[1] else 1)
    tuned = {row.run for row in document_of(finished).rows if row.kind == "tuned"}
    assert tuned == {f"{sweep.run}__weight_x4" for sweep in choices.sweeps[1:] if sweep.chosen == 4}


@pytest.mark.slow
def test_a_method_more_trains_that_alone(finished):
    assert not finished.planned("study_toy", *CONFIG)
    write_toy_study(finished.folder, with_row(FOURTH, SHORTER))
    try:
        plan = finished.snakemake("--dry-run", "study_toy", *CONFIG)
    finally:
        write_toy_study(finished.folder, SHORTER)
    assert plan.returncode == 0, plan.stdout
    jobs = plan.stdout.split("Job stats:")[1]
    assert "train_segment" in jobs
    runs = trained(plan.stdout)
    assert runs == {"sit_b2_contrastive", *(f"sit_b2_contrastive__s{seed}" for seed in (1, 2, 100)), "sit_b2_contrastive__weight_x4__s100"}


@pytest.mark.slow
def test_a_method_that_diverges_stays_in_the_study_as_such(finished):
    """The first time the training fails and all else is done; then the study says so and trains it no more."""
    (finished.folder / "config/experiments/mine.yaml").write_text(DIVERGING)
    row = "  - {run: mine, label: Mine, family: From the model itself}\n"
    write_toy_study(finished.folder, with_row(row, SHORTER))
    try:
        done = finished.snakemake("study_toy", "--keep-going", *CONFIG)
        assert done.returncode == 1
        assert "mine" in done.stdout
        assert not (finished.folder / "results/toy/runs/mine/weights").exists()
        again = finished.snakemake("study_toy", "--show-failed-logs", *CONFIG)
        assert again.returncode == 0, again.stdout[-6000:]
        document = document_of(finished)
        assert document.diverged == ["Mine, seed 0", "Mine, seed 1", "Mine, seed 2"]
        assert "Diverged: Mine, seed 0; Mine, seed 1; Mine, seed 2." in document.findings[0]
        sweep = next(sweep for sweep in document.sweeps if sweep.run == "mine")
        assert (sweep.chosen, sweep.words) == (1.0, "every trial diverged, so the published value stays")
        assert next(row for row in document.rows if row.run == "mine").hours_a_step is None
        assert not finished.planned("study_toy", *CONFIG)
    finally:
        (finished.folder / "config/experiments/mine.yaml").unlink()
        write_toy_study(finished.folder, SHORTER)


@pytest.mark.slow
def test_a_run_that_is_missing_is_said(finished):
    score = finished.folder / "results/toy/scores/sit_b2_sra__s1/m400k/sde250/n50000.json"
    content = score.read_bytes()
    score.unlink()
    done = finished.snakemake("refresh", *CONFIG)
    assert done.returncode == 0, done.stdout[-6000:]
    document = document_of(finished)
    score.write_bytes(content)
    assert document.missing == 1
    assert "1 of the numbers are not there yet." in document.findings[0]
    row = next(row for row in document.rows if row.run == "sit_b2_sra")
    assert [value.status for value in row.points[-1].values] == ["ok", "not run", "ok"]
    assert row.effect().reason == "seed 1 has no number on one side or both"
