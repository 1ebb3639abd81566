"""What the Snakefile begins with: bad input is one line, every job inherits the user's machine, and rules get functions that Snakemake can call."""

import os
import shutil
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.plan import assets, train
from sra.plan.workflow import checked_plan, open_plan, prepare_environment, refuse_missing_slurm, use_every_core

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"preset": "digts"}, "unknown preset 'digts'; did you mean 'digits'?"),
        ({"preset": "digits", "pathes": {}}, "pathes: unknown key 'pathes'; did you mean 'paths'?"),
        ({"preset": "digits", "device": "gpu"}, "device: Input should be 'auto', 'cpu' or 'cuda', got 'gpu'"),
    ],
)
def test_a_wrong_configuration_ends_with_one_line_and_exit_code_2(config, message, capsys):
    with pytest.raises(SystemExit) as stop:
        open_plan(ROOT, config)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_a_rule_is_given_a_function_of_what_snakemake_has():
    plan, run = checked_plan(ROOT, {"preset": "digits"}), SimpleNamespace(preset="digits", run="sit_b2")
    assert plan.ask(train.latents)(run) == train.latents(plan, run)
    assert plan.ask(assets.source, kind="vae")(run) == assets.source(plan, run, "vae")
    assert [*signature(plan.ask(train.runtime)).parameters] == ["wildcards", "attempt"]


def test_a_wrong_name_in_a_rules_question_ends_with_one_line(capsys):
    plan = checked_plan(ROOT, {"preset": "digits"})
    with pytest.raises(SystemExit) as stop:
        plan.ask(train.latents)(SimpleNamespace(preset="digits", run="sit_b9"))
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: unknown run 'sit_b9'; did you mean 'sit_b2'?\n"


@pytest.mark.parametrize(("cores", "nodes", "used"), [(None, None, 8), (1, None, 1), (None, 100, None)], ids=["neither", "--cores 1", "a cluster"])
def test_every_core_where_the_command_line_names_none(cores, nodes, used):
    workflow = SimpleNamespace(resource_settings=SimpleNamespace(cores=cores, nodes=nodes), global_resources={"_cores": cores})
    use_every_core(workflow, 8)
    assert workflow.resource_settings.cores == workflow.global_resources["_cores"] == used


def test_jobs_for_slurm_are_refused_where_there_is_none(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    refuse_missing_slurm("local")
    with pytest.raises(SystemExit) as stop:
        refuse_missing_slurm("slurm")
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: no Slurm on this machine (sbatch is not on the PATH); ")
    (tmp_path / "sbatch").write_text("#!/bin/sh\n")
    (tmp_path / "sbatch").chmod(0o755)
    refuse_missing_slurm("slurm")


def test_the_machine_reaches_every_job_by_the_environment(monkeypatch):
    monkeypatch.setattr("os.environ", {"PATH": "/bin", "SRA_MICRO_BATCH": "7"})
    prepare_environment(checked_plan(ROOT, {"device": "cpu", "processes": 2, "compile": True}))
    assert os.environ["PATH"].endswith(":/bin")
    assert {name: value for name, value in os.environ.items() if name != "PATH"} == {
        **{"SRA_DEVICE": "cpu", "SRA_PROCESSES": "2", "SRA_NODES": "1", "SRA_COMPILE": "True", "SRA_ACTIVATION_CHECKPOINTING": "False"},
        "SRA_CUDA_GRAPHS": "False",
        "SRA_LOGGED": "1",
    }


@pytest.mark.parametrize(
    ("choice", "leased"), [({}, False), ({"preset": "paper"}, True), ({"lease_gpus": True}, True), ({"preset": "paper", "lease_gpus": False}, False)]
)
def test_jobs_keep_out_of_each_others_gpus_where_rules_ask_for_gpus(choice, leased, monkeypatch):
    monkeypatch.setattr("os.environ", {"PATH": "/bin", "SRA_LEASE_GPUS": "1"})
    prepare_environment(checked_plan(ROOT, choice))
    assert ("SRA_LEASE_GPUS" in os.environ) == leased


@pytest.mark.parametrize(
    ("file", "old", "new", "paths", "says"),
    [
        (
            "config/samplers.yaml",
            "",
            "",
            {"expected_coco": {"train": 6, "val": 40191}},
            "40192 samples take a caption of as many validation images in",
        ),
        ("config/samplers.yaml", "guidance: {scale: 2.0}}", "guidance: {scale: 2.0}, official_seeding: {}}", {}, "official_seeding draws classes"),
        ("config/samplers.yaml", "sde250: {kind: sde", "sde250: {kind: ddpm", {}, "sampler sde250: sampler kind ddpm does not fit a flow model"),
        ("config/samplers.yaml", "ddpm250: {kind: ddpm", "ddpm250: {kind: sde", {}, "sampler ddpm250: sampler kind sde does not fit a DiT model"),
        ("config/samplers.yaml", "ddpm250: {kind: ddpm, evaluations: 250}", "ddpm250: {kind: ddpm, evaluations: 1001}", {}, "a chain of 1000 steps"),
        ("config/presets/paper.yaml", "evaluations: {250: 250", "evaluations: {250: 1", {}, "sampler ddpm250 at preset paper: evaluations"),
        ("config/presets/paper.yaml", "extractor: inception_2015", "extractor: digits_cnn", {}, "leave fid_pytorch out of secondary"),
        (
            "config/presets/paper.yaml",
            "secondary: [kid,",
            "secondary: [clip_score, kid,",
            {},
            "secondary has clip_score, which images of classes do not give",
        ),
        ("config/presets/paper.yaml", "secondary: [kid,", "secondary: [cmmd, kid,", {}, "do not give; name its CLIP as cmmd_model"),
        ("config/presets/paper.yaml", "secondary: [kid,", "secondary: [fd_selfsup, kid,", {}, "name the network that it asks as second_extractor"),
        (
            "config/presets/paper.yaml",
            "secondary: [kid,",
            "second_extractor: inception_2015\nsecondary: [fd_selfsup, kid,",
            {},
            "preset paper: second_extractor inception_2015 is no second opinion: it has no task in config/weights.tsv, so labels taught it",
        ),
    ],
)
def test_what_could_not_be_scored_is_refused_before_the_training(file, old, new, paths, says, tmp_path, capsys):
    for name in ("config", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    with pytest.raises(SystemExit):
        open_plan(tmp_path, {"preset": "paper", "paths": paths})
    assert says in capsys.readouterr().err
