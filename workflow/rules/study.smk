# Studies: many methods and seeds by one protocol. What their trials choose decides what else is trained.

from sra.plan import needs, study
from sra.plan.sources import source_hash


wildcard_constraints:
    study="[a-z0-9_]+",


checkpoint choose_settings:
    """From equal trials on a seed kept for it: each method's weight, the baseline's learning rate, each row's guidance."""
    input:
        study=ask(study.definition),
        scores=ask(study.trial_scores),
    output:
        choices="results/{preset}/studies/{study}/choices.json",
    log:
        "results/{preset}/logs/choose/{study}.log",
    benchmark:
        "results/{preset}/benchmarks/choose/{study}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        options=study.seed_options(plan),
    message:
        "choose the settings of study {wildcards.study} by its trials"
    shell:
        "sra choose {wildcards.study} --preset {wildcards.preset} {params.options:q} > {log} 2>&1"


rule time_steps:
    """Seconds a step of every row, in turns on one machine, which it asks for alone."""
    input:
        unpack(ask(study.timed_stores)),
        baseline=ask(study.baseline_config),
        configs=ask(study.timed_configs),
    output:
        steps="results/{preset}/studies/{study}/steps.json",
    log:
        "results/{preset}/logs/time_steps/{study}.log",
    benchmark:
        "results/{preset}/benchmarks/time_steps/{study}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: ask(needs.threads, stage="measure")
    resources:
        gpu=ask(needs.gpu, stage="measure"),
        mem_mb=ask(needs.mem_mb, stage="measure"),
        runtime=ask(needs.runtime, stage="measure"),
    params:
        options=ask(study.timing_options),
        threads=ask(needs.threads, stage="train"),
    message:
        "time the steps of study {wildcards.study} in turns"
    shell:
        "sra measure-steps {input.configs} --baseline {input.baseline} {params.options:q} --threads {params.threads} --output {output.steps} 2> {log}"


rule analyse_study:
    """Paired ratios, intervals, verdicts and words of a study whose trainings are all there."""
    input:
        study=ask(study.definition),
        choices="results/{preset}/studies/{study}/choices.json",
        steps="results/{preset}/studies/{study}/steps.json",
        scores=lambda wildcards: study.scores(
            plan, wildcards, checkpoints.choose_settings.get(**wildcards).output.choices
        ),
    output:
        json="results/{preset}/studies/{study}.json",
    log:
        "results/{preset}/logs/study/{study}.log",
    benchmark:
        "results/{preset}/benchmarks/study/{study}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("study", "reporting/read"),
        options=study.seed_options(plan),
    message:
        "say what study {wildcards.study} found"
    shell:
        "sra study {wildcards.study} --preset {wildcards.preset} {params.options:q} > {log} 2>&1"


for name in study.names(plan):

    rule:
        name:
            f"study_{name}"
        input:
            study.whole_files(plan, name),
        localrule: True


for part, files in study.parts(plan).items():

    rule:
        name:
            part
        input:
            files,
        localrule: True
