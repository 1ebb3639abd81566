"""The figures of a study: what is missing is written in the picture, what may not be ranked is not, and everything drawn is in the JSON."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from study_documents import ROWS, SEEDS, digest, made_study, whole_study

from sra.content.catalogue import Catalogue
from sra.content.figures import StudyFigure
from sra.core.files import read_json
from sra.reporting.documents import FigureDocument
from sra.reporting.figures.render import render_figure
from sra.reporting.figures.study.document import KINDS
from sra.reporting.figures.study.forest import forest_table
from sra.reporting.figures.study.frame import BAD, GOOD
from sra.reporting.figures.study.sweep import ratio_of
from sra.spec.load import checked, load
from sra.spec.study import Study
from sra.study.document import read_study

SVG = "{http://www.w3.org/2000/svg}"
GAPS = {
    "sra": {1: "diverged at step 300", 2: "not run"},
    "sync": dict.fromkeys(SEEDS, "not run"),
    "apart": dict.fromkeys(SEEDS, "diverged at step 20"),
    "repa": dict.fromkeys(SEEDS[1:], "not run"),
}


def with_gaps(**changes):
    return made_study(tuple(replace(row, absent=GAPS.get(row.run, {})) for row in ROWS), **changes)


@pytest.fixture
def draw(tmp_path, preset):
    """draw(study, plot) -> the document, and the words of its SVG."""

    def drawn(study, plot):
        figure = StudyFigure(kind="study", id="figure_b9", study="toy", plot=plot, title="T", paper="none", caption="C.")
        document = render_figure(figure, [], {}, tmp_path / "published", "small", preset, tmp_path, study=study)
        return document, words(tmp_path / "figure_b9.svg")

    return drawn


def words(path) -> list[str]:
    return ["".join(text.itertext()).strip() for text in ElementTree.parse(path).iter(f"{SVG}text")]


@pytest.mark.parametrize("plot", KINDS)
def test_equal_studies_are_equal_bytes_and_the_json_has_every_number(draw, tmp_path, plot):
    study, found = made_study(), []
    for _ in range(2):
        document, _ = draw(study, plot)
        found.append([(tmp_path / f"figure_b9.{kind}").read_bytes() for kind in ("json", "svg", "png")])
    assert found[0] == found[1]
    read = checked(read_json(tmp_path / "figure_b9.json"), FigureDocument, "figure_b9.json")
    assert read == document
    assert read.study == study


def test_the_forest_has_the_words_of_each_row_and_budget(draw):
    _, found = draw(made_study(), "forest")
    assert {"SRA", "LayerSync", "Dispersive", "REPA", "SRA stopped", "SiT, other seeds"} <= set(found)
    assert [word for word in found if word.startswith("equal ")] == ["equal steps", "equal FLOPs", "equal hours"]
    assert {"✓ better", "✗ worse"} <= set(found)
    assert found.index("For scale: the baseline") < found.index("From the model itself") < found.index("From an encoder") < found.index("Controls")


def test_a_second_distance_far_from_the_baselines_stretches_no_axis(draw, tmp_path):
    study = made_study()

    def scaled(effect, factor):
        ends = {name: value * factor for name in ("mean", "low", "high") if (value := getattr(effect, name))}
        return effect.model_copy(update=ends) if effect.metric == study.second else effect

    def of(factor):
        rows = [row.model_copy(update={"effects": [scaled(effect, factor) for effect in row.effects]}) for row in study.rows]
        _, found = draw(study.model_copy(update={"rows": rows}), "forest")
        return [word for word in found if re.fullmatch(r"[\d.]+", word)], (tmp_path / "figure_b9.svg").read_text(encoding="utf-8")

    (near, first), (far, second) = of(1.0), of(9.0)
    assert near
    assert near == far
    assert first != second


@pytest.mark.parametrize("informative", [False, None])
@pytest.mark.parametrize("plot", KINDS)
def test_nothing_is_ranked_in_a_study_that_is_not_informative(draw, tmp_path, plot, informative):
    study = made_study(informative=informative, longer=None, repeated=None)
    document, found = draw(study, plot)
    svg = (tmp_path / "figure_b9.svg").read_text(encoding="utf-8")
    assert GOOD not in svg if plot != "cost" else True  # there it is a family's
    assert not {"✓ better", "✗ worse", "≈ equivalent", "? undecided"} & set(found)
    if plot != "sweep":
        assert study.informative_words in " ".join(document.remarks)
    if plot == "forest":
        assert "not ranked" in found
        assert "nothing is ranked" in document.alt
        assert BAD not in svg


def test_no_front_is_drawn_where_nothing_is_ranked(draw, tmp_path):
    front = "stroke-opacity: 0.35"
    for informative, drawn in ((True, True), (False, False)):
        draw(made_study(informative=informative), "cost")
        assert (front in (tmp_path / "figure_b9.svg").read_text(encoding="utf-8")) == drawn


@pytest.mark.parametrize("plot", ["forest", "reach"])
def test_what_is_missing_is_written_where_it_would_be(draw, plot):
    _, found = draw(with_gaps(), plot)
    assert {"not run", "diverged", "3 of 5, 1 diverged", "1 of 5 seeds"} <= set(found)
    if plot == "forest":
        assert "○ one seed" in found


def test_what_is_missing_is_said_below_every_figure(draw):
    for plot in KINDS:
        document, found = draw(with_gaps(), plot)
        said = " ".join([*document.remarks, *found])
        assert "not run" in said.lower(), plot
        if plot != "sweep":
            assert "diverged" in said.lower(), plot
    forest, _ = draw(with_gaps(), "forest")
    assert "Missing of SRA: seed 1: diverged at step 300; seed 2: not run." in forest.remarks
    cost, found = draw(with_gaps(), "cost")
    assert "LayerSync (not run)" in " ".join(cost.remarks)
    assert any(word.startswith("no curve: LayerSync") for word in found)


def test_a_speed_up_that_is_not_reached_is_written_and_not_drawn(draw):
    _, found = draw(made_study(), "reach")
    assert "by 1 of 5" in found
    assert "×1.26, 5 of 5" in found
    assert any(word.startswith("≥ ×") for word in found)


def test_the_table_of_a_forest_holds_each_seed_with_its_receipt():
    study = made_study()
    data = forest_table(study)
    row = next(place for place, one in enumerate(data.rows) if one[:3] == ["SRA", "steps", "FID"])
    effect = study.rows[1].effects[0]
    assert data.rows[row][7:12] == [f"{one.effect:.3f}" for one in effect.seeds]
    assert data.receipts[row][7:12] == [digest("sra", seed, "m400k") for seed in SEEDS]
    assert all(len(data.columns) == len(data.numbers) == len(one) == len(files) for one, files in zip(data.rows, data.receipts, strict=True))


@pytest.mark.parametrize(
    "study", [made_study(), with_gaps(), made_study(hours=False), made_study(seeds=(0,))], ids=["whole", "gaps", "no hours", "one"]
)
@pytest.mark.parametrize("plot", KINDS)
def test_every_table_is_a_rectangle_and_every_alternative_says_something(plot, study):
    data = KINDS[plot].table(study)
    assert all(len(row) == len(data.columns) == len(data.numbers) for row in data.rows)
    assert all(len(row) == len(data.columns) for row in data.receipts)
    assert len(KINDS[plot].alt(study)) > 30


def test_every_seed_of_every_milestone_is_in_the_table_of_costs():
    data = KINDS["cost"].table(with_gaps())
    assert len(data.rows) == len(ROWS) * 4
    cells = {tuple(row[:2]): row[5:] for row in data.rows}
    assert cells["SRA", "400K"][1:3] == ["diverged", "not run"]


def test_hours_that_nobody_measured_have_no_panel(draw):
    for plot in ("forest", "reach", "cost"):
        _, found = draw(made_study(hours=False), plot)
        assert not any("hours" in word for word in found), plot


def test_before_anything_is_run_each_figure_says_so(draw):
    empty = made_study(sweeps=[], longer=None, repeated=None, informative=None, missing=140)
    rows = [row.model_copy(update={"points": [], "effects": [], "reach": [], "hours_a_step": None}) for row in empty.rows]
    for plot in KINDS:
        document, found = draw(empty.model_copy(update={"rows": rows}), plot)
        assert "not run" in found or "no trials" in found
        assert "Not run yet: 140 scores of the study." in document.remarks
        assert re.search(r"nothing has been run yet|none yet", document.alt)
        if plot == "forest":
            names = "SiT, SRA, SRA, tuned ×4, LayerSync, Dispersive, REPA and SRA stopped"
            assert f"Missing of {names}: seeds 0, 1, 2, 3 and 4: not run." in document.remarks


def test_a_metric_on_its_natural_scale_has_differences(draw):
    study = made_study()
    effects = {
        row.run: [effect.model_copy(update={"metric": "kid", "scale": "natural"}) for effect in row.effects if effect.metric == "fid"]
        for row in study.rows
    }
    rows = [row.model_copy(update={"effects": effects[row.run]}) for row in study.rows]
    changed = study.model_copy(update={"metric": "kid", "rows": rows, "longer": None, "repeated": None})
    for plot in KINDS:
        _, found = draw(changed, plot)
        assert plot != "forest" or "KID − baseline" in found


def test_the_trials_are_over_the_published_one():
    study = made_study()
    sweep = study.sweeps[1]
    assert ratio_of(sweep.trials[1], sweep, study) == 1
    assert ratio_of(sweep.trials[2], sweep, study) == sweep.trials[2].value / sweep.trials[1].value
    without = sweep.model_copy(update={"trials": [sweep.trials[0], sweep.trials[1].model_copy(update={"value": None}), sweep.trials[2]]})
    assert ratio_of(sweep.trials[2], without, study) is None


def test_trials_that_diverged_say_so_and_those_without_a_published_one_keep_their_number(draw):
    study = made_study()
    first, second, *others = study.sweeps
    trials = [second.trials[0], second.trials[1].model_copy(update={"value": None, "status": "diverged"}), second.trials[2]]
    _, found = draw(study.model_copy(update={"sweeps": [first, second.model_copy(update={"trials": trials}), *others]}), "sweep")
    assert "diverged" in found
    assert f"FID {second.trials[0].value:.2f}" in found


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("plot", KINDS)
def test_all_of_the_whole_study_lies_inside_its_picture(tmp_path, root, plot, narrow):
    """Words are checked where they begin; those at the right by their length in the widest font that may stand in."""
    study = whole_study(load(root / "config/studies/methods.yaml", Study))
    KINDS[plot].draw(study, "f", tmp_path / "f", narrow)
    picture = ElementTree.parse(tmp_path / "f.svg")
    width, height = (float(picture.getroot().attrib[side].removesuffix("pt")) for side in ("width", "height"))
    assert width == (259.2 if narrow else 486)
    placed = list(picture.iter(f"{SVG}text"))
    assert len(placed) > 30
    for text in placed:
        x, y = _place(text)
        size = float(re.search(r"([\d.]+)px", text.attrib["style"])[1])
        assert size >= 6.9  # in points, of a picture that a narrow page shows at its own size
        from_here = _begins_at_its_place(text) and "rotate(-90" not in text.attrib["transform"]
        end = x + (0.62 * size * len("".join(text.itertext())) if from_here else 0)
        assert x >= -0.5, "".join(text.itertext())
        assert end <= width + 1, "".join(text.itertext())
        assert 0 <= y <= height, "".join(text.itertext())


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("plot", ["forest", "reach"])
def test_no_words_of_a_row_run_into_those_beside_them(tmp_path, root, plot, narrow):
    """Of the committed study, by the length of the font that is drawn, about half of its size a letter."""
    KINDS[plot].draw(read_study(root / "results/reference/fashion_cpu/studies/methods.json"), "f", tmp_path / "f", narrow)
    lines: dict[int, list[tuple[float, float, str]]] = {}
    for text in ElementTree.parse(tmp_path / "f.svg").iter(f"{SVG}text"):
        x, y = _place(text)
        word, size = "".join(text.itertext()), float(re.search(r"([\d.]+)px", text.attrib["style"])[1])
        if _begins_at_its_place(text):
            lines.setdefault(round(y - size / 3), []).append((x, x + 0.5 * size * len(word.rstrip()), word))
    rows = [sorted(line) for line in lines.values() if len(line) > 1]
    assert len(rows) >= (5 if narrow else 15)
    for line in rows:
        for (_, end, word), (begin, _, other) in pairwise(line):
            assert end <= begin, (word, other)


def _begins_at_its_place(text) -> bool:
    return not re.search(r"text-anchor: (middle|end)", text.attrib["style"])


def _place(text) -> tuple[float, float]:
    if "x" in text.attrib and float(text.attrib["x"]):
        return float(text.attrib["x"]), float(text.attrib["y"])
    found = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", text.attrib["transform"])
    return float(found[1]), float(found[2])


def test_hostile_names_are_drawn_as_they_are_and_fit(draw, hostile):
    rows = tuple(replace(row, label=f"{row.label}{hostile}", family=f"{row.family}{hostile}") for row in ROWS)
    for plot in KINDS:
        draw(made_study(rows), plot)


def test_the_repositorys_figures_show_the_study_of_methods(root):
    figures = Catalogue(root, "digits").figures
    assert [figures[f"figure_b{number}"].plot for number in range(1, 5)] == list(KINDS)
    assert {figures[f"figure_b{number}"].study for number in range(1, 5)} == {"methods"}
