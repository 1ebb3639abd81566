"""The whole chain, from images to the paper's tables, figures and report. `snakemake --cores 2` builds everything."""

from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.utils import available_cpu_count, min_version

min_version("9.20")

from sra.plan import show
from sra.plan.typed import Typed
from sra.plan.workflow import open_plan, prepare_environment, refuse_missing_slurm, use_every_core


configfile: "config/config.yaml"


plan = open_plan(Path(workflow.basedir), config, Typed.of(workflow, get_argument_parser()))
ask = plan.ask  # of a function of sra.plan, it makes the function of wildcards that a rule takes
prepare_environment(plan)
use_every_core(workflow, available_cpu_count())


container: plan.user.container


wildcard_constraints:
    dataset="[a-z0-9_]+",
    preset="[a-z0-9_]+",
    run="[a-z0-9_]+",
    milestone=r"m\d+[km]",
    sampler="[a-z0-9_]+",
    paper_count=r"\d+",
    shard=r"\d{3}",
    shards=r"\d{3}",
    vae="[a-z0-9_]+",
    encoder=r"(timm/)?[A-Za-z0-9_.]+",
    clip="[a-z0-9_]+",
    extractor="[a-z0-9_]+",
    images=r"\d+",
    reference="[a-z0-9_]+",
    table=r"table_[bs]?\d+[a-z]?",
    figure=r"figure_([bs]?\d+[a-z]?|t2i)",


rule all:
    input:
        show.everything(plan),


include: "workflow/rules/data.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/captions.smk"
include: "workflow/rules/standins.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/targets.smk"


onstart:
    refuse_missing_slurm(workflow.executor_plugin.name)
