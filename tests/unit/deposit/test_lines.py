"""The registry of numbers has a line for all that tables and figures are made of."""

import pandas as pd
import pytest

from sra.content.catalogue import Catalogue
from sra.content.inspected import components_files, probe_files
from sra.content.required import measured_by_figure, measured_by_table, packs_of_figure, required_by_all
from sra.deposit.lines import write_registry
from sra.reporting.rendering import render_everything
from sra.spec.layout import Results
from sra.spec.seeds import Seeds


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_the_registry_has_all_that_the_workflow_makes_for_tables_and_figures(checkout, preset):
    """Against the planner: nothing that it makes is missing from the registry, and nothing else waits to be run."""
    registry = Catalogue(checkout.folder, preset, asked=Seeds(training=(0, 1)))
    render_everything(registry)
    write_registry(registry)
    lines = pd.read_csv(checkout.folder / Results(preset).registry, sep="\t", keep_default_na=False)
    assert set(lines["kind"]) == {"score", "probe", "cost", "images", "components"}
    waiting = lines[lines["state"] == "not run"]
    assert set(lines["state"]) <= {"not run", "not reached"}
    tables = [registry.tables[name] for name in registry.shown_tables]
    figures = [registry.figures[name] for name in registry.shown_figures]
    sets = waiting[waiting["kind"].isin(["score", "images"])]
    assert set(zip(sets["run"], sets["milestone"], sets["sampler"], sets["paper_samples"].astype(int), strict=True)) == {
        (item.run, item.score.milestone, item.score.sampler, item.score.samples)
        for item in [*required_by_all(registry), *(pack for figure in figures for pack in packs_of_figure(figure, registry))]
    }
    probes = waiting[waiting["kind"] == "probe"]
    assert set(zip(probes["run"], probes["milestone"], probes["time"].astype(float), probes["block"].astype(int), strict=True)) == {
        (file.run, file.milestone, file.time, block) for file in probe_files(figures, registry) for block in file.blocks
    }
    components = waiting[waiting["kind"] == "components"]
    assert set(zip(components["run"], components["milestone"], strict=True)) == {
        (file.run, file.milestone) for file in components_files(figures, registry)
    }
    measured = {run for table in tables for run in measured_by_table(table, registry)}
    measured |= {run for figure in figures for run in measured_by_figure(figure, registry)}
    assert set(waiting[waiting["kind"] == "cost"]["run"]) == measured
