# Names for what people ask for: tables, figures, and each table and figure by its name in the paper.

from sra.plan import show, targets


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


# Its checkpoint keeps Snakemake from leaving out rules that nothing needs (`--allowed-rules`), so it is there for presets with a study alone.
if plan.catalogue().studies:

    include: "study.smk"


# Last, for it refuses every word that is no rule's name until here.
for name, files in targets.named(plan, [rule.name for rule in workflow.rules if not rule.has_wildcards()]).items():

    rule:
        name:
            name
        input:
            files,
        localrule: True
