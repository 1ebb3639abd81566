# Tables, figures and the report. These rules read scores and render; none of them computes one.

from sra.plan import analyse, needs, show
from sra.plan.sources import source_hash


report: "../../report/captions/workflow.rst"


rule render_table:
    """One table of the paper, published beside reproduced."""
    input:
        table="report/tables/{table}.yaml",
        tolerances="report/tolerances.yaml",
        published=ask(show.published_of_table),
        template="report/templates/table.html.j2",
        settings=ask(show.settings_of_table),
        scores=ask(show.scores_of_table),
        costs=ask(show.costs_of_table),
        study=ask(show.study_of_table),
    output:
        json="results/{preset}/tables/{table}.json",
        csv="results/{preset}/tables/{table}.csv",
        html=report(
            "results/{preset}/tables/{table}.html",
            caption="../../report/captions/table.rst",
            category="Tables",
            labels=ask(show.labels_of_table),
        ),
        tex="results/{preset}/tables/{table}.tex",
        md="results/{preset}/tables/{table}.md",
    log:
        "results/{preset}/logs/table/{table}.log",
    benchmark:
        "results/{preset}/benchmarks/table/{table}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content"),
        options=show.display_options(plan),
    message:
        "render {wildcards.table}"
    shell:
        "sra table {wildcards.table} --preset {wildcards.preset} {params.options:q} 2> {log}"


rule render_figure:
    """One figure of the paper, drawn from scores, samples, what was found inside models, or a study."""
    input:
        figure="report/figures/{figure}.yaml",
        published=ask(show.published_of_figure),
        scores=ask(show.scores_of_figure),
        costs=ask(show.costs_of_figure),
        study=ask(show.study_of_figure),
        samples=ask(show.samples_of_figure),
        probes=ask(analyse.probes_of_figure),
        components=ask(analyse.components_of_figure),
    output:
        json="results/{preset}/figures/{figure}.json",
        svg=report(
            "results/{preset}/figures/{figure}.svg",
            caption="../../report/captions/figure.rst",
            category="Figures",
            labels=ask(show.labels_of_figure),
        ),
        png="results/{preset}/figures/{figure}.png",
    log:
        "results/{preset}/logs/figure/{figure}.log",
    benchmark:
        "results/{preset}/benchmarks/figure/{figure}.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content"),
        options=show.display_options(plan),
    message:
        "draw {wildcards.figure}"
    shell:
        "sra figure {wildcards.figure} --preset {wildcards.preset} {params.options:q} 2> {log}"


rule judge_claims:
    """The paper's claims, judged by the scores that exist."""
    input:
        claims="report/claims.yaml",
        targets=ask(show.targets_of_claims),
        scores=ask(show.scores_of_claims),
        probes=ask(analyse.probes_of_claims),
    output:
        json="results/{preset}/claims.json",
        csv="results/{preset}/claims.csv",
        md=report("results/{preset}/claims.md", caption="../../report/captions/claims.rst", category="Claims and page"),
    log:
        "results/{preset}/logs/claims.log",
    benchmark:
        "results/{preset}/benchmarks/claims.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content", "spec"),
        options=show.display_options(plan),
    message:
        "judge the claims"
    shell:
        "sra claims --preset {wildcards.preset} {params.options:q} 2> {log}"


rule render_report:
    """The report of all tables and figures: one self-contained page, and the same as a PDF."""
    input:
        tables=ask(show.report_tables),
        figures=ask(show.report_figures),
        claims="results/{preset}/claims.json",
        written=["report/quirks.yaml", "report/limits.yaml", "report/references.yaml"],
        templates=show.templates(plan),
    output:
        page=report(
            "results/{preset}/report.html", caption="../../report/captions/page.rst", category="Claims and page"
        ),
        pdf="results/{preset}/report.pdf",
    log:
        "results/{preset}/logs/report.log",
    benchmark:
        "results/{preset}/benchmarks/report.tsv"
    conda:
        "../envs/stages.yaml"
    threads: 1
    resources:
        mem_mb=ask(needs.mem_mb, stage="report"),
        runtime=ask(needs.runtime, stage="report"),
    params:
        source=source_hash("reporting", "content", "spec", "forecast"),
        options=show.display_options(plan),
    message:
        "render the report"
    shell:
        "sra report --preset {wildcards.preset} {params.options:q} 2> {log}"
