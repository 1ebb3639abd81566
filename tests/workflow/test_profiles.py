"""What the profiles ask of a cluster: the very sbatch lines, recorded by a program that stands where Slurm's would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[2] / "workflow/profiles"
NAMES = ("kubernetes", "local", "slurm", "slurm-multinode")
PAPER = ("preset=paper", "paths={imagenet: images}")
SLURM = ("sacct", "sacctmgr", "scontrol", "sinfo", "squeue", "sshare")

# A rule without GPU, one with one, a training and its measurement; and what they read.
WANTED = {
    "index_images": "results/shared/imagenet256/index.json",
    "sample_shard": "results/paper/samples/sit_b2/m400k/sde250/n50000/shard_000_of_005.npz",
    "train_segment": "results/paper/runs/sit_b2_sra/state/m200k.safetensors",
    "measure_cost": "results/paper/costs/sit_b2_sra.json",
}
READ = (
    "images",
    "results/paper/runs/sit_b2/config.json",
    "results/paper/runs/sit_b2/weights/m400k.safetensors",
    "results/paper/runs/sit_b2_sra/config.json",
    "results/paper/runs/sit_b2_sra/state/s0100000.safetensors",
    "results/shared/imagenet256/latents/sd_vae_ft_ema/store.json",
)


def path_of(name: str) -> Path:
    return PROFILES / name / "config.v9+.yaml"


@pytest.fixture
def submitted(checkout, monkeypatch):
    """`submitted(profile, *config)`: by rule, the options of sbatch after the comment, without the folder. Every submission fails."""
    programs, lines = checkout.folder.parent / "bin", checkout.folder.parent / "lines"
    programs.mkdir()
    for name, does in {**dict.fromkeys(SLURM, ""), "sbatch": f'echo "$@" | head -1 >> {lines}; exit 1'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for path in READ:
        (checkout.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout.folder / path).touch()

    def lines_of(name: str, *config: str) -> dict[str, str]:
        site = ("--default-resources", "slurm_account=lab", "slurm_partition=gpu", "--retries", "0")
        soon = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")
        profile = ("--workflow-profile", f"workflow/profiles/{name}", "--config", *PAPER, *config, *site, *soon)
        command = [sys.executable, "-m", "snakemake", *profile, "--allowed-rules", *WANTED, "--", *WANTED.values()]
        done = subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True, check=False)
        assert lines.exists(), done.stderr[-4000:]
        found = re.findall(r"--comment rule_([a-z_]+?)_wildcards_\S+ +(.*?) -D \S+(.*?) --wrap", lines.read_text(encoding="utf-8"))
        # The cost model says how long; what it says has its own tests.
        return {rule: re.sub(r" -t \d+ ", " -t MINUTES ", " ".join(f"{before} {after}".split())) for rule, before, after in found}

    return lines_of


@pytest.mark.slow
def test_a_training_on_one_node_is_one_task_with_all_its_gpus(submitted):
    assert submitted("slurm", "processes=8") == {
        "index_images": "-A lab -p gpu -t MINUTES --mem 32000 --requeue --ntasks=1 --cpus-per-task=8",
        "sample_shard": "-A lab -p gpu -t MINUTES --mem 32000 --requeue --cpus-per-task=4 --gpus=1",
        "train_segment": "-A lab -p gpu -t MINUTES --mem 128000 --nodes=1 --requeue --cpus-per-task=16 --signal=TERM@120 --gpus=8",
        "measure_cost": "-A lab -p gpu -t MINUTES --mem 128000 --nodes=1 --requeue --cpus-per-task=16 --gpus=8",
    }


@pytest.mark.slow
def test_a_training_on_two_nodes_is_one_task_on_each(submitted):
    lines = submitted("slurm-multinode", "nodes=2", "processes=8")
    assert lines == {
        "index_images": "-A lab -p gpu -t MINUTES --mem 32000 --requeue --ntasks=1 --cpus-per-task=8",
        "sample_shard": "-A lab -p gpu -t MINUTES --mem 32000 --requeue --cpus-per-task=4 --gpus=1",
        "train_segment": "-A lab -p gpu -t MINUTES --mem 128000 --nodes=2 --requeue --ntasks=2 --cpus-per-task=16 --signal=TERM@120 --gpus=16",
        "measure_cost": "-A lab -p gpu -t MINUTES --mem 128000 --nodes=2 --requeue --ntasks=2 --cpus-per-task=16 --gpus=16",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_profile_plans_the_paper(checkout, name):
    jobs = checkout.planned("table_6", "--workflow-profile", f"workflow/profiles/{name}", "--config", *PAPER)
    assert jobs["train_segment"] >= 3
    assert jobs["table_6"] == 1


def test_without_slurm_no_job_runs(checkout, monkeypatch):
    """Not even those that would run on the login node."""
    programs = checkout.folder.parent / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "env", "git", "which"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    done = checkout.snakemake("results/digits/runs/sit_b2/config.json", "--workflow-profile", "workflow/profiles/slurm")
    assert done.returncode == 2
    assert [line for line in done.stdout.splitlines() if line.startswith("error: ")] == [
        "error: no Slurm on this machine (sbatch is not on the PATH); start this on the cluster's login node, or leave the profile out to run here"
    ]
    assert "Traceback" not in done.stdout
    assert not (checkout.folder / "results/digits/runs").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_one_file_that_names_no_site(name):
    assert list((PROFILES / name).iterdir()) == [path_of(name)]
    profile = yaml.safe_load(path_of(name).read_text(encoding="utf-8"))
    assert not re.search("account|slurm_partition|namespace|bucket", str(profile))
    assert all(profile[key] for key in ("rerun-incomplete", "keep-going", "show-failed-logs", "retries"))


def test_two_nodes_change_nothing_but_the_training():
    one, two = (yaml.safe_load(path_of(name).read_text(encoding="utf-8")) for name in ("slurm", "slurm-multinode"))
    changed = two.pop("set-resources")
    assert one == two
    assert set(changed) == {"train_segment", "train_between", "measure_cost"}
    assert len({str(shape) for shape in changed.values()}) == 1
