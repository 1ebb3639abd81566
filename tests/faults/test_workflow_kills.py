"""The campaign of kills over a whole build, shortened; and that it would notice what it looks for."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from builds import Build, Process
from workflow_kills import ALL, KINDS, Campaign, Kill, KilledBuild, Outcome, Trainings

RUN = "sit_b2_sra"


class Small(Build):
    """One run, trained by one process."""

    def __init__(self, folder, **options):
        super().__init__(folder, runs=(RUN,), processes=1, **options)


@pytest.fixture
def build(tmp_path):
    """Not built: its files are put there by hand."""
    return Small(tmp_path.resolve() / "build")


def kind(target, number):
    return next(kind for kind in KINDS if (kind.target, kind.signal) == (target, number))


def put(build, path, text=""):
    file = build.results / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.slow
def test_a_build_that_is_killed_again_and_again_comes_to_the_same(tmp_path):
    """From training to the page; latents and stand-in models are those of the undisturbed build."""
    folder, chance = tmp_path.resolve(), random.Random(1)
    peaceful = Small(folder / "peaceful")
    seconds = {"planning": 3.0, **peaceful.undisturbed()}
    build, expected, outcome = Small(folder / "killed"), peaceful.digests(), Outcome(1.0)
    for name in (".snakemake", "results"):
        shutil.copytree(peaceful.folder / name, build.folder / name, dirs_exist_ok=True)
    kinds = [kind("rule", signal.SIGKILL), kind("snakemake", signal.SIGKILL), kind(ALL, signal.SIGINT)]
    while len(outcome.kills) < len(kinds):  # a build that is done before all have fallen is built again
        shutil.rmtree(build.results / "tiny")
        killed = KilledBuild(build, seconds, chance)
        killed.suffer(kinds[len(outcome.kills) :])
        Campaign(Small, chance).judge(killed, expected, outcome)
    assert outcome.wrong == []
    assert [kill.survived for kill in outcome.kills] == [True] * len(kinds)
    assert {"tiny/tables/table_s9.json", f"tiny/scores/{RUN}/m400k/sde250/n50000.json", f"tiny/runs/{RUN}/state/m400k.safetensors"} <= set(expected)


def test_what_differs_is_missing_or_was_left_is_a_loss(build):
    table, weights = put(build, "tiny/tables/table_1.md", "1.00"), put(build, "tiny/runs/r/weights/m.safetensors", "bytes")
    expected, chance = build.digests(), random.Random(0)

    def wrong():
        killed, outcome = KilledBuild(build, {}, chance), Outcome(1.0)
        killed.kills = [Kill(KINDS[0], "training")]
        Campaign(Small, chance).judge(killed, expected, outcome)
        assert [kill.survived for kill in outcome.kills] == [not outcome.wrong]
        return outcome.wrong

    put(build, "tiny/logs/train.log", "took 3 s")
    put(build, "tiny/benchmarks/train.tsv", "3")
    assert wrong() == []
    table.write_text("1.01")
    assert wrong() == ["build: tiny/tables/table_1.md differs"]
    table.write_text("1.00")
    weights.unlink()
    assert wrong() == ["build: tiny/runs/r/weights/m.safetensors differs"]
    weights.write_text("bytes")
    (build.results / "tiny/tables/.table_1.md.partial").mkdir()
    assert wrong() == ["build: tiny/tables/.table_1.md.partial was left half-written"]


def test_a_command_that_fails_on_its_own_and_training_done_twice_are_losses(build):
    for failed, redone, line in [(["no memory"], 0.0, "failed on its own: no memory"), ([], 2.5, "2.50 s of training done twice")]:
        killed, outcome = KilledBuild(build, {}, random.Random(0)), Outcome(1.0)
        killed.kills, killed.failed = [Kill(KINDS[0], "training", redone=redone)], failed
        Campaign(Small, random.Random(0)).judge(killed, {}, outcome)
        assert len(outcome.wrong) == 1
        assert line in outcome.wrong[0]
        assert outcome.receipt()["lost"] == 1


def test_a_training_that_goes_back_is_seen(build, monkeypatch):
    trainings, scratch = Trainings(build), f"tiny/runs/{RUN}/scratch/fingerprint/curve.jsonl"
    for second, steps, expected in [(0, (), 0), (1, (10,), 0), (2, (10, 20), 0), (5, (10, 20, 30), 0), (9, (10,), 4), (10, (10, 20), 0)]:
        monkeypatch.setattr("workflow_kills.time.monotonic", lambda second=second: float(second))
        put(build, scratch, "".join(f'{{"step": {step}}}\n' for step in steps))
        assert trainings.look() == expected


def test_processes_are_told_apart(build):
    """By where they run and what they were started as."""
    (build.folder / "sra").write_text("import time; time.sleep(60)")
    commands = {
        ("shell", "sampling"): ["bash", "-c", "sleep 60; sra --gpus 0 sample config.json"],
        ("rule", "training"): [sys.executable, str(build.folder / "sra"), "--gpus", "0", "train", "index.json"],
    }
    started = {said: subprocess.Popen(command, cwd=build.folder, start_new_session=True) for said, command in commands.items()}
    expected = {Process(process.pid, *said) for said, process in started.items()}
    with subprocess.Popen(["sleep", "60"]) as elsewhere:
        end = time.monotonic() + 20
        while not expected <= set(found := build.processes()) and time.monotonic() < end:
            time.sleep(0.01)  # until they are what they were started as
        for process in started.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        elsewhere.kill()
    assert expected <= set(found)
    assert elsewhere.pid not in {process.pid for process in found}


def test_the_receipt_counts_every_kill_once():
    kills = [Kill(KINDS[0], "training"), Kill(KINDS[0], "index", survived=False), Kill(KINDS[4], "index", orphans=1, redone=0.4)]
    receipt = Outcome(1.0, "hash", kills, builds=1, unlocks=1, reruns=4).receipt()
    assert [(row["tried"], row["survived"], row["lost"]) for row in receipt["rows"]] == [(2, 1, 1), (1, 1, 0)]
    assert receipt["kills"] == {
        "signal": {"SIGKILL": 3},
        "target": {"rule": 2, "snakemake": 1},
        "stage": {"training": 1, "index": 2},
    }
    assert (receipt["survived"], receipt["lost"], receipt["rerun_while_jobs_ran"], receipt["worst_seconds_redone"]) == (2, 1, 1, 0.4)
