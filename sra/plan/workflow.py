"""What the Snakefile begins with: the context that rules ask, what every job inherits, and the one line that refuses bad input."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from sra.content.catalogue import Catalogue
from sra.content.claims import load_claims
from sra.content.required import required_by_all
from sra.core.errors import InputError, spelled_out, unknown
from sra.core.files import check_writable
from sra.plan import data, score, show, study
from sra.plan.clocks import again_for_times
from sra.plan.context import Context
from sra.spec.config import UserConfig
from sra.spec.load import checked
from sra.spec.machine import Machine

# Words of a command line of Snakemake that begins no build: a job of one, targets without inputs, and what only sets times.
OF_NO_BUILD = {"--mode", "plan", "refresh", "reference_report", "--touch", "--cleanup-metadata", "--unlock", "--lint"}


def open_plan(root: Path, config: dict) -> Context:
    """Of a Snakefile in `root`. Bad input ends Snakemake with one line and exit code 2; a build that times alone ask for is said in one."""
    with _refusing():
        check_writable(Path(".snakemake", "log"))  # Snakemake's own books; without them it ends in a traceback
        plan = checked_plan(root, config)
    if not OF_NO_BUILD & set(sys.argv) and (line := again_for_times(plan)):
        print(f"note: {line}", file=sys.stderr)
    return plan


def checked_plan(root: Path, config: dict, loaded: Catalogue | None = None) -> Context:
    """loaded: the catalogue of the user's preset, where there is one already.

    Raises InputError for a wrong table, run, sampler, milestone, data set or device, and for what could not be scored, before anything starts.
    """
    user = checked(config, UserConfig, "config/config.yaml or --config")
    context = Context(root, user, {loaded.preset_id: loaded} if loaded else {})
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


@contextmanager
def _refusing() -> Iterator[None]:
    """A Snakefile has no other way to refuse bad input without a traceback."""
    try:
        yield
    except InputError as error:
        print(f"error: {spelled_out(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def in_one_line(question: Callable[[Context, Any], Any]) -> Callable[[Context, Any], Any]:
    """The same question, whose InputError ends Snakemake with one line: for what a person may ask for by name at a preset that does not have it."""

    @wraps(question)
    def asked(context: Context, wildcards):
        with _refusing():
            return question(context, wildcards)

    return asked


def refuse_target(context: Context, wildcards) -> list[str]:
    """End with one line for a table, figure or study that does not exist; Snakemake would only say that no rule makes it."""
    kind = wildcards.target.partition("_")[0]
    with _refusing():
        if kind == "study":
            raise study.unknown_target(context, wildcards.target)
        raise unknown(kind, wildcards.target, show.tables(context) if kind == "table" else show.figures(context))


def prepare_environment(context: Context) -> None:
    """What every job inherits.

    PATH: the rules call `sra`, which lies beside the Python that runs Snakemake; it is found with or without an activated environment.
    SRA_DEVICE, SRA_PROCESSES and the like: no parameters of any rule, since the machine changes where a stage runs and not what it is:
    choosing another reruns nothing.
    SRA_LEASE_GPUS: jobs on one machine keep out of each other's GPUs, whatever started them.
    """
    user = context.user
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name in Machine.model_fields:
        os.environ.pop(f"SRA_{name.upper()}", None)
        if getattr(user, name) is not None:
            os.environ[f"SRA_{name.upper()}"] = str(getattr(user, name))
    os.environ.pop("SRA_LEASE_GPUS", None)
    if context.catalogue().preset.uses_gpus if user.lease_gpus is None else user.lease_gpus:
        os.environ["SRA_LEASE_GPUS"] = "1"
