"""Distances by two feature networks or references are not shown side by side."""

import pytest
from score_files import digest, write_score_file

from sra.content.catalogue import Catalogue
from sra.content.required import RequiredScore, required_by_table
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.reporting.rendering import render_claims, render_report, render_table


def scored(registry: Catalogue, item: RequiredScore, **facts):
    """A score file of it, in which `facts` stand; its place in the folder."""
    place = registry.results.score(item.run, item.score)
    path, of = registry.root / place, item.score
    write_score_file(path, item.run, of.milestone, of.sampler, of.samples, preset="digits", step=registry.preset.milestones[of.milestone], fid=9.0)
    write_json(path, read_json(path) | facts)
    return place


@pytest.mark.parametrize(
    "render", [lambda registry: render_table(registry, "table_6"), render_claims, render_report], ids=["table", "claims", "page"]
)
def test_scores_of_one_data_set_are_by_one_network(registry, render):
    first, second, third, *_ = required_by_table(registry.tables["table_6"], registry)
    places = [scored(registry, item) for item in (first, second)]
    render(registry)
    odd = scored(registry, third, reference={"sha256": "f" * 64, "images": 100, "statistics_count": 100})
    with pytest.raises(InputError) as caught:
        render(registry)
    words = str(caught.value)
    assert words.startswith(f"{odd}: its reference is ffffffff, expected {digest('reference')[:8]} as in 2 scores, {places[0]} among them")
    assert "\n" not in words


def test_each_data_set_has_networks_of_its_own(registry):
    of_digits = required_by_table(registry.tables["table_6"], registry)[0]
    of_scenes = required_by_table(registry.tables["table_2"], registry)[0]
    scored(registry, of_digits)
    scored(registry, of_scenes, label_policy=None, caption_policy="in_order", reference={"sha256": "f" * 64, "images": 9, "statistics_count": 9})
    render_report(registry)
    assert (registry.root / registry.results.report).exists()
