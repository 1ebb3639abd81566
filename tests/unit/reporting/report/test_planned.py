"""What the report says was planned is what `sra cost` says of a folder without results, whatever is there by now."""

import pytest
from cost_files import cost_of

from sra.content.catalogue import Catalogue
from sra.core.files import write_json
from sra.reporting.report.planned import planned_cost
from sra.spec.layout import Shared


@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_it_is_the_cost_of_an_empty_folder(checkout, preset):
    planned, cost = planned_cost(Catalogue(checkout.folder, preset)), cost_of(Catalogue(checkout.folder, preset), [])
    assert planned.seconds == pytest.approx(cost.total.seconds)
    assert planned.alone == pytest.approx({item.name: item.total_seconds for item in cost.items})
    assert (planned.runs, planned.steps, planned.images) == (len(cost.total.runs), cost.total.steps, cost.total.images)
    assert (planned.kept_bytes, planned.meanwhile_bytes) == (cost.total.kept, cost.total.temporary)
    assert planned.unit == cost.unit
    assert planned.seconds["training"] > 0


def test_results_change_what_is_left_and_not_what_was_planned(checkout):
    before, left = planned_cost(Catalogue(checkout.folder, "digits")), cost_of(Catalogue(checkout.folder, "digits"), [])
    for name in ("latents", "features"):
        for network in ("digits_vae", "digits_encoder"):
            write_json(checkout.folder / getattr(Shared("digits"), name)(network), {})
    write_json(checkout.folder / Shared("digits").index, {})
    assert cost_of(Catalogue(checkout.folder, "digits"), []).total.total_seconds < left.total.total_seconds
    assert planned_cost(Catalogue(checkout.folder, "digits")) == before


def test_released_weights_are_not_trained(checkout):
    planned = planned_cost(Catalogue(checkout.folder, "paper", released=True))
    assert planned.runs == 0
    assert planned.images > 0
