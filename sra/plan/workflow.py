"""What the Snakefile begins with: the context that rules ask, what every job inherits, and the one line that refuses bad input."""

import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.content.required import required_by_all
from sra.core.errors import InputError
from sra.core.files import check_writable
from sra.plan import data, score, study
from sra.plan.clocks import again_for_times
from sra.plan.context import Context, refusing
from sra.plan.typed import Typed
from sra.spec.config import UserConfig
from sra.spec.load import checked
from sra.spec.machine import Machine

# Words of a command line of Snakemake that begins no build: a job of one, targets without inputs, and what only sets times.
OF_NO_BUILD = {"--mode", "plan", "refresh", "reference_report", "--touch", "--cleanup-metadata", "--unlock", "--lint"}


def plan_for(workflow: Any, config: dict, parser: Callable[[], ArgumentParser]) -> Context:
    """The plan of the Snakemake that reads the Snakefile. workflow, config: its own.  parser: makes that of its command line."""
    return open_plan(Path(workflow.basedir), config, Typed.of(workflow, parser))


def open_plan(root: Path, config: dict, typed: Typed = Typed()) -> Context:
    """Of a Snakefile in `root`. Bad input ends Snakemake with one line and exit code 2; a build that times alone ask for is said in one."""
    with refusing():
        check_writable(Path(".snakemake", "log"))  # Snakemake's own books; without them it ends in a traceback
        plan = checked_plan(root, config, typed=typed)
    if not OF_NO_BUILD & set(sys.argv) and (line := again_for_times(plan)):
        print(f"note: {line}", file=sys.stderr)
    return plan


def checked_plan(root: Path, config: dict, loaded: Catalogue | None = None, typed: Typed = Typed()) -> Context:
    """loaded: the catalogue of the user's preset, where there is one already.

    Raises InputError for a wrong table, run, sampler, milestone, data set or device, and for what could not be scored, before anything starts.
    """
    user = checked(config, UserConfig, typed.place_of)
    context = Context(root, user, typed, {loaded.preset_id: loaded} if loaded else {})
    data.refuse_unknown(context)
    score.refuse_impossible(context, required_by_all(context.catalogue()))
    study.refuse_impossible(context)
    load_claims(context.catalogue())
    context.rates(context.preset)  # refuses unknown hardware
    return context


def plan_of(catalogue: Catalogue) -> Context:
    """The context of a preset's catalogue, with the seeds and weights that it shows."""
    seeds = catalogue.seeds
    choices = {"seeds": seeds.training and list(seeds.training), "sampling_seeds": seeds.sampling and list(seeds.sampling)}
    weights = "released" if catalogue.released else "trained"
    return checked_plan(catalogue.root, {"preset": catalogue.preset_id, "weights": weights, **choices}, catalogue)


def prepare_environment(context: Context) -> None:
    """What every job inherits.

    PATH: the rules call `sra`, which lies beside the Python that runs Snakemake; it is found with or without an activated environment.
    SRA_DEVICE, SRA_PROCESSES and the like: no parameters of any rule, since the machine changes where a stage runs and not what it is:
    choosing another reruns nothing.
    SRA_LEASE_GPUS: jobs on one machine keep out of each other's GPUs, whatever started them.
    SRA_LOGGED: what a command says goes to the log of a job, which begins with what starting it took.
    """
    user = context.user
    os.environ["SRA_LOGGED"] = "1"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name in Machine.model_fields:
        os.environ.pop(f"SRA_{name.upper()}", None)
        if getattr(user, name) is not None:
            os.environ[f"SRA_{name.upper()}"] = str(getattr(user, name))
    os.environ.pop("SRA_LEASE_GPUS", None)
    if context.catalogue().preset.uses_gpus if user.lease_gpus is None else user.lease_gpus:
        os.environ["SRA_LEASE_GPUS"] = "1"


def use_every_core(workflow: Any, cores: int) -> None:
    """`--cores all`, where the command line gives neither cores nor a number of jobs, which every executor but the local one asks for.

    workflow: Snakemake's.  cores: of this machine. A workflow profile could say it too, but Snakemake finds one by itself only in a folder `profiles`
    beside the Snakefile, and it would overrule what a profile given by `--profile` says of the same keys.
    """
    settings = workflow.resource_settings
    if settings.cores is None and settings.nodes is None:
        settings.cores = workflow.global_resources["_cores"] = cores


def refuse_missing_slurm(executor: str) -> None:
    """End with one line where jobs go to Slurm and its programs are not here; else local jobs run first and each of the others fails by itself."""
    with refusing():
        if executor == "slurm" and not shutil.which("sbatch"):
            raise InputError(
                "no Slurm on this machine (sbatch is not on the PATH); start this on the cluster's login node, or leave the profile out to run here"
            )
