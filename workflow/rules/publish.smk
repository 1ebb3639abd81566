# What is said before any work, and what is handed on after it.

from sra.plan import needs, show
from sra.plan.sources import source_hash


# `rule plan:` would hide the name by which rules ask the plan.
rule:
    """What the tables and figures would still take, printed; nothing is run."""
    name:
        "plan"
    log:
        f"results/{plan.preset}/logs/plan.log",
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        preset=plan.preset,
        options=show.planning_options(plan),
    message:
        "say what preset {params.preset} would still take"
    shell:
        "sra cost --preset {params.preset} {params.options:q} 2>&1 | tee {log}"


rule refresh:
    """Render everything that a reader sees again from the scores that exist; nothing is trained, missing cells say so."""
    log:
        f"results/{plan.preset}/logs/refresh.log",
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        preset=plan.preset,
        options=show.display_options(plan),
    message:
        "render again from the existing scores"
    shell:
        "sra refresh --preset {params.preset} {params.options:q} 2> {log}"


rule reference_report:
    """The results that the checkout has, rendered where they lie: no training, no download."""
    log:
        "results/reference/refresh.log",
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        presets=show.kept_presets(plan),
    message:
        "render the results of the checkout"
    shell:
        "for preset in {params.presets:q}; do sra refresh --preset $preset --results results/reference 2>> {log}; done"


rule write_registry:
    """One line for every number that the tables and figures show."""
    input:
        tables=ask(show.report_tables),
        figures=ask(show.report_figures),
    output:
        registry="results/{preset}/registry.tsv",
    log:
        "results/{preset}/logs/registry.log",
    benchmark:
        "results/{preset}/benchmarks/report/registry.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content", "deposit"),
        options=show.display_options(plan),
    message:
        "list every number"
    shell:
        "sra registry --preset {wildcards.preset} {params.options:q} 2> {log}"


rule write_appendix:
    """The artifact appendix, from results, benchmarks and configuration."""
    input:
        tables=ask(show.report_tables),
        figures=ask(show.report_figures),
        claims="results/{preset}/claims.json",
        template="report/templates/appendix.md.j2",
        lists=[
            "config/datasets.tsv",
            "config/weights.tsv",
            "config/throughput.tsv",
            "report/quirks.yaml",
            "CITATION.cff",
        ],
    output:
        appendix="results/{preset}/appendix.md",
    log:
        "results/{preset}/logs/appendix.log",
    benchmark:
        "results/{preset}/benchmarks/report/appendix.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content", "deposit"),
        options=show.display_options(plan),
    message:
        "write the artifact appendix"
    shell:
        "sra appendix --preset {wildcards.preset} {params.options:q} 2> {log}"


rule archive:
    """One zip to deposit, without weights and samples. Packed whenever it is asked for, since its name tells the commit."""
    input:
        show.everything(plan),
        show.claims_files(plan),
    log:
        f"results/{plan.preset}/logs/archive.log",
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        preset=plan.preset,
        options=show.display_options(plan),
    message:
        "pack the archive"
    shell:
        "sra archive --preset {params.preset} {params.options:q} 2> {log}"
