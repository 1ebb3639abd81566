"""Pictures of single classes: one pack of those classes, drawn but not scored."""

from pathlib import Path

import pytest

from sra.content.catalogue import Catalogue
from sra.content.figures import GridFigure
from sra.content.required import packs_of_figure, required_by_figure, required_by_table
from sra.core.errors import InputError
from sra.plan import score
from sra.plan.workflow import checked_plan

ROOT = Path(__file__).resolve().parents[3]
GRIDS = [f"figure_{number}" for number in range(10, 26)]


@pytest.mark.parametrize("preset", ["digits", "paper"])
def test_sixteen_figures_share_one_pack_that_is_not_scored(preset):
    registry = Catalogue(ROOT, preset)
    packs = {item for name in GRIDS for item in packs_of_figure(registry.figures[name], registry)}
    assert len(packs) == 1
    assert all(required_by_figure(registry.figures[name], registry) == [] for name in GRIDS)


def test_the_pack_has_the_classes_of_the_figures_and_enough_of_each():
    registry = Catalogue(ROOT, "paper")
    figures = [registry.figures[name] for name in GRIDS]
    assert all(isinstance(figure, GridFigure) for figure in figures)
    sampler = registry.sampler(figures[0].score.sampler)
    assert sorted(sampler.classes) == sorted(label for figure in figures for label in figure.classes)
    assert registry.sample_count(figures[0].score.samples) / len(sampler.classes) >= 3 * max(figure.per_class for figure in figures)


def test_the_figure_in_their_place_has_their_classes_and_their_pack():
    registry = Catalogue(ROOT, "digits")
    plate, figures = registry.figures["figure_10_25"], [registry.figures[name] for name in GRIDS]
    assert plate.in_place_of == GRIDS
    assert plate.classes == [figure.classes[0] for figure in figures]
    assert packs_of_figure(plate, registry) == packs_of_figure(figures[0], registry)


def test_classes_are_counted_round_a_smaller_data_set():
    assert Catalogue(ROOT, "digits").sampler("sde250_cfg4_figures").classes == [3, 9, 7, 2, 5, 0, 8]


def test_some_classes_alone_are_not_compared_with_all():
    plan = checked_plan(ROOT, {})
    registry = plan.catalogue("digits")
    table = registry.tables["table_6"]
    asked = table.model_copy(update={"score": table.score.model_copy(update={"sampler": "sde250_cfg4_figures"})})
    with pytest.raises(InputError, match="sampler sde250_cfg4_figures: draws some classes alone, scores compare with images of all"):
        score.refuse_impossible(plan, required_by_table(asked, registry))
