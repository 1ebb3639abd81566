"""Write down the jobs that Snakemake would run, for a machine without Snakemake: `sra run-jobs` runs them there, a piece at a time.

From the checkout's root, on a machine with Snakemake:

    .venv/bin/python workflow/scripts/list_jobs.py [TARGET...] --config preset=digits --cores 16 --output results/digits/jobs.json

Nothing is run and nothing is locked. Results that lie here are not asked about: all jobs behind the targets are listed.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from snakemake.api import SnakemakeApi, WorkflowApi
from snakemake.cli import parse_config, parse_cores
from snakemake.dag import DAG
from snakemake.io import is_flagged
from snakemake.jobs import Job as SnakemakeJob
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from sra.core.errors import InputError, spelled_out
from sra.core.files import check_writable, write_json
from sra.stages.run_jobs import Job, JobList

QUIET = {Quietness.HOST, Quietness.PROGRESS, Quietness.REASON, Quietness.RULES}  # not about errors
PREFIX = "SRA_"  # of the variables that the Snakefile sets for its jobs


def main() -> None:
    """Exit codes: 0 written, 1 Snakemake cannot plan this (it says why), 2 the input is unusable."""
    parser = argparse.ArgumentParser(description="List the jobs behind targets as JSON, for sra run-jobs.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="files or rules, as for snakemake; default: everything")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake")
    parser.add_argument("--cores", default="1", help="of the machine that will run them, or all: no job gets more threads")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    given = parser.parse_args()
    try:
        jobs = listed(given.targets, given.config, given.cores, given.output)
    except InputError as error:
        print(f"error: {spelled_out(error)}", file=sys.stderr)
        sys.exit(2)
    print(f"{given.output}: {len(jobs)} jobs; sra run-jobs {given.output} runs them")


def listed(targets: list[str], config: list[str], cores: str, output: Path) -> tuple[Job, ...]:
    """Write the list and return its jobs. Raises InputError; ends with Snakemake's message where it cannot plan the targets."""
    check_writable(output)
    if not Path("Snakefile").is_file():
        raise InputError("no Snakefile here; run this from the root of the checkout")
    try:
        resources, settings = ResourceSettings(cores=parse_cores(cores)), ConfigSettings(config=parse_config(config))
    except Exception as error:  # Snakemake's own, of several kinds
        raise InputError(f"{str(error).rstrip('.')}; give --config and --cores as for snakemake") from None
    with SnakemakeApi(OutputSettings(quiet=QUIET, enable_file_logging=False)) as snakemake:
        try:
            workflow = snakemake.workflow(resources, settings, snakefile=Path("Snakefile"))
            dag = built(workflow, frozenset(targets))
            jobs = needed(ordered(dag), dag.workflow._localrules)
        except Exception as error:
            snakemake.print_exception(error)
            sys.exit(1)
    if not jobs:
        raise InputError(f"{' '.join(targets)}: no job behind it that takes time; run snakemake itself")
    made = JobList(environment={name: value for name, value in os.environ.items() if name.startswith(PREFIX)}, jobs=jobs)
    write_json(output, made.model_dump(mode="json"))
    return made.jobs


def built(workflow: WorkflowApi, targets: frozenset[str]) -> DAG:
    """The whole graph, as Snakemake's own `DAGApi.printdag` builds it: that one alone would cut every job to one thread and print."""
    workflow.dag(DAGSettings(targets=targets, forceall=True))
    inner = workflow._workflow
    inner._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True, nolock=True)
    inner._build_dag()
    return inner.dag


def ordered(dag: DAG) -> list[SnakemakeJob]:
    """Each job after those that it reads from and as early as that allows, so that one run is finished before the next begins."""
    found: dict[SnakemakeJob, None] = {}

    def add(jobs: Iterable[SnakemakeJob]) -> None:
        for job in sorted(jobs, key=lambda job: (job.rule.name, list(job.output))):
            if job not in found:
                add(dag.dependencies[job])
                found[job] = None

    add(dag.targetjobs)
    return list(found)


def needed(jobs: list[SnakemakeJob], local: set[str]) -> tuple[Job, ...]:
    """Those with a command. Local rules, seconds of rendering, are left to Snakemake, where no other job of the list reads what they make."""
    kept: list[SnakemakeJob] = []
    read: set[str] = set()
    for job in reversed(jobs):
        if job.shellcmd and (job.rule.name not in local or read & set(job.output)):
            kept.append(job)
            read |= set(job.input)
    return tuple(map(described, reversed(kept)))


def described(job: SnakemakeJob) -> Job:
    return Job(
        rule=job.rule.name,
        message=job.message or job.rule.name,
        command=job.shellcmd.strip(),
        threads=job.threads,
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        temporary=tuple(str(path) for path in job.output if is_flagged(path, "temp")),
        log=next(map(str, job.log), None),
        benchmark=str(job.benchmark) if job.benchmark else None,
    )


if __name__ == "__main__":
    main()
