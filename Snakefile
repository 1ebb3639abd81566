"""The whole chain, from images to the paper's tables, figures and report. `snakemake --cores 2` builds everything."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

from sra.plan.workflow import open_plan


configfile: "config/config.yaml"


plan = open_plan(Path(workflow.basedir), config)
plan.prepare_environment()


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
    time=r"\d{3}",
    table=r"table_s?\d+[a-z]?",
    figure=r"figure_(s?\d+[a-z]?|t2i)",


rule all:
    input:
        plan.report(),
        plan.registry_file(),
        plan.appendix(),


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
