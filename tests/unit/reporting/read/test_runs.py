"""`sra status` on folders as training, Snakemake and their interruptions leave them."""

import json
import os
import subprocess
import sys

import pytest

from sra.commands.status import status as watched
from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.locks import only_one
from sra.core.receipts import write_receipt
from sra.reporting.read.runs import status_of
from sra.reporting.status import cut, text_of
from sra.spec.layout import Results
from sra.spec.scratch import LOCK, last_entry
from sra.spec.seeds import Seeds

NOW, RUN, LOG = 1_000_000.0, "sit_b2", "results/digits/logs/train/sit_b2/m200k.log"


def put(path, text, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (NOW - age, NOW - age))


def status(folder, preset="digits", **choices):
    return status_of(Catalogue(folder, preset, **choices), NOW)


def of_run(folder, run=RUN):
    return next(one for one in status(folder).runs if one.run == run)


def scratch(folder):
    return folder / "results/digits/runs" / RUN / "scratch" / Catalogue(folder, "digits").spec(RUN).fingerprint[:12]


def failed_log(folder, end=""):
    said = f"Error in rule train_segment:\n    message: None\n    jobid: 3\n    input: a\n    log: {LOG} (check log file(s))\n"
    put(folder / ".snakemake/log/2026-01-01T000000.1.snakemake.log", said + end)
    put(folder / LOG, "train sit_b2: 0/150 steps, starting\nerror: the loss \x1b[31mis not finite\n\n")


def test_an_empty_folder_waits_for_everything_without_torch(checkout):
    status = "import sys; from sra.commands import main; sys.argv = ['sra', 'status', '--json']"
    command = f"{status}\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", command], cwd=checkout.folder, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert {run["state"] for run in found["runs"]} == {"waiting"}
    assert found["newer_scores"] is None
    assert not (checkout.folder / "results").exists()


def test_a_running_run_has_rate_and_time_left(checkout):
    put(scratch(checkout.folder) / "curve.jsonl", '{"loss": 0.9, "step": 50}\n{"loss": 0.8, "step": 60}\n{"loss": 0.', age=5)
    put(scratch(checkout.folder) / "0000050.safetensors", "", age=20)
    put(checkout.folder / LOG, "train sit_b2: 0/150 steps, starting\n", age=15)
    run = of_run(checkout.folder)
    assert (run.state, run.step, run.loss, run.saved_age, run.last_step) == ("running", 60, 0.8, 20, 375)
    assert (run.rate, run.left) == (pytest.approx(6), pytest.approx(52.5))
    put(checkout.folder / LOG, "train sit_b2: 0/150 steps, starting\ntrain sit_b2: 55/150 steps  3.0/s  loss 1\n", age=15)
    assert of_run(checkout.folder).left == pytest.approx(105)


@pytest.mark.parametrize(("seconds", "state"), [(59, "running"), (61, "stopped"), (-60, "running")])
def test_a_run_that_nobody_trains_is_stopped(checkout, seconds, state):
    put(scratch(checkout.folder) / "curve.jsonl", '{"loss": 0.9, "step": 50}\n', age=seconds)
    assert of_run(checkout.folder).state == state


def test_a_run_is_running_while_its_lock_is_held(checkout):
    """However long ago its last sign: steps of large models, or a clock that differs."""
    put(scratch(checkout.folder) / "curve.jsonl", '{"loss": 0.9, "step": 50}\n', age=10_000)
    lock = scratch(checkout.folder).parents[1] / LOCK
    with only_one(lock, "busy"):
        assert of_run(checkout.folder).state == "running"
    lock.touch()  # as a killed process leaves it
    assert of_run(checkout.folder).state == "stopped"


@pytest.mark.parametrize(("minutes", "state"), [(29, "running"), (31, "stopped")])
def test_on_a_disk_without_locks_three_intervals_decide(checkout, monkeypatch, minutes, state):
    monkeypatch.setattr("sra.reporting.read.runs.is_held", lambda lock: None)
    put(scratch(checkout.folder) / "curve.jsonl", '{"loss": 0.9, "step": 50}\n', age=60 * minutes)
    assert of_run(checkout.folder).state == state


def test_every_seed_is_a_run_of_its_own(checkout):
    runs = [run.run for run in status(checkout.folder, asked=Seeds(training=[0, 1])).runs]
    assert {"sit_b2", "sit_b2__s1"} <= set(runs)


def test_weights_of_another_configuration_are_not_reached(checkout):
    path = checkout.folder / Results("digits").weights(RUN, "m600k")
    put(path, "weights", age=7)
    write_receipt(path, "weights", fingerprint="f" * 64)
    assert (of_run(checkout.folder).state, of_run(checkout.folder).milestone) == ("waiting", None)
    write_receipt(path, "weights", fingerprint=Catalogue(checkout.folder, "digits").spec(RUN).fingerprint)
    assert (of_run(checkout.folder).state, of_run(checkout.folder).milestone, of_run(checkout.folder).step) == ("done", "m600k", 375)


def test_a_failed_job_is_named_until_it_ends_well(checkout):
    failed_log(checkout.folder)
    document = status(checkout.folder)
    (failure,) = document.failures
    assert (failure.rule, failure.log, failure.message) == ("train_segment", LOG, "error: the loss  [31mis not finite")
    assert of_run(checkout.folder).state == "failed"
    assert text_of(document).index("not finite") < text_of(document).index("sit_b2_sra")
    put(checkout.folder / LOG, "started in 0.90 s\n")
    assert status(checkout.folder).failures[0].message == "its log is empty"
    failed_log(checkout.folder, "Finished jobid: 3 (Rule: train_segment)\n")
    assert not status(checkout.folder).failures
    assert not status(checkout.folder, "paper").failures


def test_a_report_knows_scores_that_are_newer(checkout):
    put(checkout.folder / "results/digits/report.html", "", age=10)
    for name, age in (("old", 20), ("new", 5)):
        path = checkout.folder / f"results/digits/scores/{name}.json"
        write_json(path, {})
        os.utime(path, (NOW - age, NOW - age))
    assert status(checkout.folder).newer_scores == 1


def test_text_fits_eighty_columns(checkout):
    text = text_of(status(checkout.folder))
    assert max(map(len, text.splitlines())) <= 80
    assert "state's age" in text  # and not when, nor whether, it was saved


def test_watching_needs_a_terminal(checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    with pytest.raises(InputError, match="terminal"):
        watched("digits", watch=1)


def test_a_curve_that_is_not_there_has_no_entry(tmp_path):
    assert last_entry(tmp_path / "curve.jsonl") == {}


def test_a_small_terminal_is_told_what_it_does_not_show():
    assert cut("a\nb\nc", 3) == "a\nb\nc"
    assert cut("a\nb\nc\nd", 3) == "a\nb\n... 2 more lines: without --watch it shows all"
