"""The list of jobs for a machine without Snakemake."""

import subprocess
import sys

from sra.stages.run_jobs import JobList, read_list


def run(checkout, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "workflow/scripts/list_jobs.py", *arguments, "--output", "jobs.json"]
    return subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True, check=False)


def listed(checkout, *arguments: str) -> JobList:
    done = run(checkout, *arguments)
    assert done.returncode == 0, done.stderr
    return read_list(checkout.folder / "jobs.json")


def test_the_list_holds_what_snakemake_would_run(checkout):
    target = "results/shared/digits/index.json"
    found = listed(checkout, target, "--config", "device=cpu", "--cores", "2")
    archive, index = found.jobs
    assert (archive.rule, index.rule) == ("make_digits", "index_images")
    assert index.inputs == archive.outputs
    assert index.outputs == (target,)
    assert found.environment["SRA_DEVICE"] == "cpu"
    printed = checkout.snakemake("--dry-run", "--printshellcmds", "--config", "device=cpu", "--", target).stdout
    assert all(job.command in printed for job in found.jobs)
    assert not list((checkout.folder / ".snakemake/locks").iterdir())
    # What lies here does not matter.
    for path in (*archive.outputs, *index.outputs):
        (checkout.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout.folder / path).write_text("")
    assert listed(checkout, target, "--config", "device=cpu", "--cores", "2") == found


def test_a_table_is_left_to_snakemake_and_all_that_it_stands_on_is_listed_run_by_run(checkout):
    jobs = listed(checkout, "table_1", "--cores", "2").jobs
    rules = [job.rule for job in jobs]
    assert {"resolve_run", "train_segment", "sample_shard", "score_samples"} < set(rules)
    assert not {"render_table", "table_1"} & set(rules)
    made = {path for job in jobs for path in job.outputs}
    assert {path for job in jobs for path in job.inputs} <= made  # the digits come with a library
    assert all(job.temporary == job.outputs for job in jobs if job.rule == "sample_shard")
    assert rules.index("score_samples") < len(rules) - rules[::-1].index("resolve_run") - 1


def test_what_cannot_be_listed_is_refused_and_nothing_is_written(checkout):
    for arguments, code, message in (
        (["table_77"], 2, "error: unknown table 'table_77'; did you mean 'table_7'?"),
        (["nothing.txt"], 1, "No rule to produce nothing.txt"),
        (["plan"], 2, "error: plan: no job behind it that takes time; run snakemake itself"),
        (["--config", "preset"], 2, "error: Invalid config definition"),
    ):
        done = run(checkout, *arguments)
        assert done.returncode == code, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not (checkout.folder / "jobs.json").exists()
