"""The repository's own figures of a model's inside: which run they show, and that they stand on the page before anything ran."""

import shutil

import pytest

from sra.content.catalogue import Catalogue
from sra.content.figures import FeaturesFigure, ProbesFigure, TargetsFigure
from sra.core.files import read_json
from sra.reporting import rendering as stage


@pytest.fixture
def tree(tmp_path, root):
    """The repository's configuration and report files in a folder of their own, without any result."""
    for name in ("config", "report"):
        shutil.copytree(root / name, tmp_path / name, dirs_exist_ok=True)
    return tmp_path


def test_a_released_run_is_drawn_where_it_stands(tree):
    for preset, run, milestone in (("paper", "sit_xl2_released", "m7m"), ("digits", "sit_xl2", "m4m")):
        for name in ("figure_7c", "figure_2a"):
            stage.render_figure(Catalogue(tree, preset), name)
        folder = tree / f"results/{preset}/figures"
        probed, shown = read_json(folder / "figure_7c.json"), read_json(folder / "figure_2a.json")["panels"][0]
        assert (probed["probed_run"], probed["probed_milestone"]) == (shown["run"], shown["milestone"]) == (run, milestone)


def test_the_repositorys_figures_are_on_the_page_before_anything_ran(tree):
    registry = Catalogue(tree, "digits")
    kinds = ProbesFigure | TargetsFigure | FeaturesFigure
    shown = [name for name, figure in registry.figures.items() if isinstance(figure, kinds)]
    assert len(shown) == 9
    for name in shown:
        stage.render_figure(registry, name)
    stage.render_report(registry)
    page = (registry.root / "results/digits/report.html").read_text()
    for name in shown:
        assert f'id="{name}-data"' in page
    here = round(20 * registry.spec("sit_xl2").model.depth / 28)
    assert f'<td class="number">20 ({here} here)</td>' in page
