# Names for what people ask for: tables, figures, and each table and figure by its name in the paper.

from sra.plan import show
from sra.plan.workflow import refuse_target


# Seconds of reading and writing each: on a cluster they stay where Snakemake runs.
localrules:
    tables,
    figures,
    claims,
    resolve_run,
    render_table,
    render_figure,
    judge_claims,
    render_report,
    plan,
    refresh,
    reference_report,
    write_registry,
    write_appendix,


rule tables:
    input:
        show.shown_tables(plan),


rule figures:
    input:
        show.shown_figures(plan),


rule claims:
    input:
        show.claims_files(plan),


for table in show.tables(plan):

    rule:
        name:
            table
        input:
            show.table_files(plan, table),
        localrule: True


for figure in show.figures(plan):

    rule:
        name:
            figure
        input:
            show.figure_files(plan, figure),
        localrule: True


rule refuse_target:
    """What a table, figure or study that does not exist comes to: rule names are looked up first, so only unknown ones arrive here."""
    input:
        ask(refuse_target),
    output:
        "{target,(table|figure|study)_.+}",
    localrule: True


# Its checkpoint keeps Snakemake from leaving out rules that nothing needs (`--allowed-rules`), so it is there for presets with a study alone.
if plan.catalogue().studies:

    include: "study.smk"
