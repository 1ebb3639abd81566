# What is said before any work, and what is handed on after it.


publish_needs = plan.needs("report")


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
        mem_mb=publish_needs.mem_mb,
        runtime=publish_needs.runtime,
    params:
        preset=plan.preset,
        options=plan.planning_options(),
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
        mem_mb=publish_needs.mem_mb,
        runtime=publish_needs.runtime,
    params:
        preset=plan.preset,
        options=plan.display_options(),
    message:
        "render again from the existing scores"
    shell:
        "sra refresh --preset {params.preset} {params.options:q} 2> {log}"


rule write_registry:
    """One line for every number that the tables and figures show."""
    input:
        tables=plan.report_tables,
        figures=plan.report_figures,
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
        mem_mb=publish_needs.mem_mb,
        runtime=publish_needs.runtime,
    params:
        source=plan.source("reporting", "content", "deposit"),
        options=plan.display_options(),
    message:
        "list every number"
    shell:
        "sra registry --preset {wildcards.preset} {params.options:q} 2> {log}"


rule write_appendix:
    """The artifact appendix, from results, benchmarks and configuration."""
    input:
        tables=plan.report_tables,
        figures=plan.report_figures,
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
        mem_mb=publish_needs.mem_mb,
        runtime=publish_needs.runtime,
    params:
        source=plan.source("reporting", "content", "deposit"),
        options=plan.display_options(),
    message:
        "write the artifact appendix"
    shell:
        "sra appendix --preset {wildcards.preset} {params.options:q} 2> {log}"


rule archive:
    """One zip to deposit, without weights and samples. Packed whenever it is asked for, since its name tells the commit."""
    input:
        plan.report(),
        plan.registry_file(),
        plan.appendix(),
        plan.claims_files(),
    log:
        f"results/{plan.preset}/logs/archive.log",
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=publish_needs.mem_mb,
        runtime=publish_needs.runtime,
    params:
        preset=plan.preset,
        options=plan.display_options(),
    message:
        "pack the archive"
    shell:
        "sra archive --preset {params.preset} {params.options:q} 2> {log}"
