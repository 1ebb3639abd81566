"""The whole chain, from images to the paper's tables, figures and report. `snakemake --cores 2` builds everything."""

from snakemake.cli import get_argument_parser
from snakemake.utils import min_version

min_version("9.20")

from sra.plan import show
from sra.plan.workflow import plan_for, prepare_environment


configfile: "config/config.yaml"


plan = plan_for(workflow, config, get_argument_parser)
ask = plan.ask  # of a function of sra.plan, it makes the function of wildcards that a rule takes
prepare_environment(plan)


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
    figure=r"figure_([bs]?\d+[a-z]?|\d+_\d+|t2i)",


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
include: "workflow/rules/start.smk"
