"""A slice of Table 1 through a real Slurm cluster of two nodes, its trainings killed in three ways; the results are the local ones bit for bit."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from slurm_cluster import SlurmCluster, wait_until, why_not
from stopping import stop

from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt

pytestmark = pytest.mark.slow

RUNS = ("sit_b2", "sit_b2_sra")
TARGETS = ("table_1", "results/tiny/runs/sit_b2_sra/state/m200k.safetensors")
SEGMENT = 150  # steps
ENDS = {"m200k": SEGMENT, "m400k": 2 * SEGMENT}
SHORT = {
    "milestones": str(ENDS).replace("'", ""),
    "samples": "{50000: 64, 1000: 64}",
    "evaluations": "{250: 4}",
    "shard_samples": "64",
    "reference_images": "300",
    "B": "{depth: 8, width: 32, heads: 2}",
    "rolling_minutes": "0.005",
    "standins": "{vae: {steps: 60}, extractor: {steps: 80}}",
}
# The plugin asks Slurm ten seconds later each time that nothing has ended; here, every second.
SNAKEMAKE = """
import snakemake.cli, snakemake_executor_plugin_slurm
snakemake_executor_plugin_slurm.Executor.next_seconds_between_status_checks = property(lambda executor: 1, lambda executor, seconds: None)
snakemake.cli.main()
"""
SITE = ("--slurm-status-command", "squeue", "--latency-wait", "5", "--default-resources", "slurm_account=lab", "slurm_partition=cpu")
PATIENCE = 180  # seconds, for one thing to happen
BUILD_PATIENCE = 400  # for Snakemake to end after the last of them


def sliced(checkout):
    """The first row of Table 1, a run of two segments that is sampled and scored; of a second run the first segment is trained."""
    table = yaml.safe_load((checkout.folder / "report/tables/table_1.yaml").read_text(encoding="utf-8"))
    table["rows"] = [next(row for row in table["rows"] if row["run"] == RUNS[0])]
    checkout.show_only(table_1=yaml.safe_dump(table, allow_unicode=True))
    checkout.shorten(**SHORT)
    return checkout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[SlurmCluster]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    if not cluster.take_place():
        pytest.skip("another session of these tests has its cluster on this machine")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory, new_checkout):
    """The slice without Slurm."""
    checkout = sliced(new_checkout(tmp_path_factory.mktemp("local") / "checkout"))
    done = checkout.snakemake(*TARGETS, "--show-failed-logs")
    assert done.returncode == 0, done.stdout[-4000:]
    return checkout


@pytest.fixture
def beside(local, checkout):
    """A checkout in which what runs share is there already: latents, the reference, the extractor."""
    shutil.copytree(local.folder / "results/shared", checkout.folder / "results/shared", copy_function=os.link)
    return sliced(checkout)


@contextmanager
def building(checkout, *arguments: str) -> Iterator[subprocess.Popen]:
    """Snakemake at work, until it has ended by itself with exit code 0."""
    said = checkout.folder / "snakemake.txt"
    with said.open("w") as file:
        command = [sys.executable, "-c", SNAKEMAKE, *arguments, "--slurm-init-seconds-before-status-checks", "1", *SITE]
        process = subprocess.Popen(command, cwd=checkout.folder, env=checkout.environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
        assert process.wait(BUILD_PATIENCE) == 0, said.read_text(encoding="utf-8")[-6000:]
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Frozen:
    """A training that stands still: its job, that job's node, and the step of its newest state."""

    job: str
    node: str
    step: int


def freeze(cluster: SlurmCluster, folder: Path, point: str, *runs: str) -> list[Frozen]:
    """Stop the training of each segment as soon as it has saved a state inside it: it ends no sooner than somebody ends it."""
    moving = list(runs)

    def all_stand() -> bool:
        for run in [run for run in moving if saved(folder, run, point)]:
            for process in _trainers(folder, f"results/tiny/runs/{run}/config.json", str(ENDS[point])):
                stop(process)
            moving.remove(run)
        return not moving

    wait_until(all_stand, f"{', '.join(runs)} to save a state before {point}", PATIENCE)
    jobs = {run: cluster.job(f"tiny_{run}_{point}") for run in runs}
    return [Frozen(job, cluster.ask("squeue", "-h", "-j", job, "-o", "%N"), max(saved(folder, run, point))) for run, job in jobs.items()]


def saved(folder: Path, run: str, point: str) -> list[int]:
    """The steps of states inside a segment, each with its receipt."""
    found = [int(path.name.partition(".")[0]) for path in (folder / f"results/tiny/runs/{run}").glob("scratch/*/[0-9]*.receipt.json")]
    return [step for step in found if ENDS[point] - SEGMENT < step < ENDS[point]]


def _trainers(folder: Path, config: str, until: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, here = (process / "cmdline").read_text().split("\0"), (process / "cwd").readlink()
        except OSError:  # it has ended
            continue
        if here == folder.resolve() and words[0] != "srun" and {"train", config, until} <= set(words):
            found.append(int(process.name))
    return found


def continued_from(checkout, run: str, point: str) -> int:
    """The step at which the last attempt at a segment began."""
    log = (checkout.folder / f"results/tiny/logs/train/{run}/{point}.log").read_text(encoding="utf-8")
    return int(re.search(r"continuing from .* \(step (\d+)\)", log)[1])


def test_what_is_killed_on_the_cluster_continues_and_ends_as_the_local_run_does(cluster, local, beside):
    """One training is cancelled and later loses its node, the other's time runs out; Snakemake is left alone."""
    # Without the warning of two minutes before, to see time run out.
    unwarned = ("--set-resources", "train_segment:slurm_extra=--nice=0")
    with building(beside, *TARGETS, "--workflow-profile", "workflow/profiles/slurm", *unwarned):
        cancelled, late = freeze(cluster, beside.folder, "m200k", *RUNS)
        assert cancelled.node != late.node
        cluster.ask("scancel", cancelled.job)
        cluster.ask("scontrol", "update", f"JobId={late.job}", "TimeLimit=1")
        (lost,) = freeze(cluster, beside.folder, "m400k", "sit_b2")
        cluster.kill_node(lost.node)
        wait_until(lambda: cluster.state(lost.job) == "PENDING", "Slurm to put the lost job back into the queue", PATIENCE)
        cluster.start_now(lost.job)
        wait_until(lambda: cluster.state(lost.job) in ("RUNNING", "COMPLETED"), "the lost job to start on the other node", PATIENCE)
        cluster.start_node(lost.node)
    assert [cluster.state(each.job) for each in (cancelled, late, lost)] == ["CANCELLED", "TIMEOUT", "COMPLETED"]
    # The signal was heard: what stood still went on to save one more state. Nothing is heard of a power failure.
    assert continued_from(beside, "sit_b2", "m200k") > cancelled.step
    assert continued_from(beside, "sit_b2_sra", "m200k") > late.step
    assert continued_from(beside, "sit_b2", "m400k") == lost.step

    results = {path.relative_to(local.folder) for path in (local.folder / "results/tiny").rglob("*") if path.is_file()}
    compared = [path for path in results if path.parts[2] in ("scores", "tables") or (path.suffix == ".safetensors" and "scratch" not in path.parts)]
    assert len(compared) == 2 + 1 + 1 + 1 + 5  # states, weights and score of one run; a state of the other; a table in five forms
    for path in compared:
        assert sha256_of_file(beside.folder / path) == sha256_of_file(local.folder / path), path


def test_two_nodes_train_as_two_processes_of_one_do(cluster, local, beside, new_checkout, tmp_path):
    """Told to stop, as Slurm does before time runs out, both leave together; the second attempt ends as the one that nobody disturbed."""
    alone = sliced(new_checkout(tmp_path / "alone"))
    shutil.copytree(local.folder / "results/shared", alone.folder / "results/shared", copy_function=os.link)
    state = "results/tiny/runs/sit_b2_sra/state/m200k.safetensors"
    done = alone.snakemake(state, "--config", "processes=2")
    assert done.returncode == 0, done.stdout[-4000:]
    with building(beside, state, "--workflow-profile", "workflow/profiles/slurm-multinode", "--config", "nodes=2", "processes=1"):
        job = wait_until(lambda: cluster.job("tiny_sit_b2_sra_m200k"), "the training to start", PATIENCE)
        assert cluster.ask("squeue", "-h", "-j", job, "-o", "%N") == "sra[1-2]"
        first = wait_until(lambda: saved(beside.folder, "sit_b2_sra", "m200k"), "a state", PATIENCE)
        cluster.ask("scancel", "--signal=TERM", job)
    assert cluster.state(job) == "FAILED"
    assert continued_from(beside, "sit_b2_sra", "m200k") >= max(first)
    assert sha256_of_file(beside.folder / state) == sha256_of_file(alone.folder / state)
    machine = read_receipt(beside.folder / state, "training state")["facts"]["machine"]
    assert (machine["nodes"], machine["processes"]) == (2, 1)
