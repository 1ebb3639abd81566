# Names for what people ask for: tables, figures, and each table and figure by its name in the paper.


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
    write_registry,
    write_appendix,


rule tables:
    input:
        [file for table in plan.shown_tables() for file in plan.table_files(table)],


rule figures:
    input:
        [file for figure in plan.shown_figures() for file in plan.figure_files(figure)],


rule claims:
    input:
        plan.claims_files(),


for table in plan.tables():

    rule:
        name:
            table
        input:
            plan.table_files(table),
        localrule: True


for figure in plan.figures():

    rule:
        name:
            figure
        input:
            plan.figure_files(figure),
        localrule: True


rule refuse_target:
    """What a table or figure that does not exist comes to: rule names are looked up first, so only unknown ones arrive here."""
    input:
        plan.refuse_target,
    output:
        "{target,(table|figure)_.+}",
    localrule: True
