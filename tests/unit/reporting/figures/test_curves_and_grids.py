"""Figures: what they show, the rule of the grid, and equal bytes."""

import base64
import io
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sra.content.figures import CurvesFigure, GridFigure, Panel, SampleSeries, Series
from sra.core.errors import InputError
from sra.core.files import read_json
from sra.reporting.documents import CurvesDocument, GridDocument
from sra.reporting.figures.draw.axes import label_ends, plain_ticks, ratio_ticks, spaced, spread
from sra.reporting.figures.draw.style import METHOD_STYLES, PAGE_WIDTH, figure_style
from sra.reporting.figures.render import render_figure
from sra.reporting.read.packs import SamplePack
from sra.spec.metric import ScoreOf

GUIDED = ScoreOf(milestone="m4m", sampler="cfg", samples=1000)


def curves(**changes) -> CurvesFigure:
    series = [Series(method="none", run="base", published="figure_9/b"), Series(method="sra", run="ours", published="figure_9/b_sra")]
    values = {
        "kind": "curves",
        "id": "figure_9",
        "title": "T",
        "paper": "p",
        "caption": "c",
        "metric": "fid",
        "better": "lower",
        "samples": 50000,
        "milestones": ["m200k", "m400k", "m600k"],
        "panels": [Panel(title="B/2", sampler="sde250", series=series)],
    }
    return CurvesFigure(**values | changes)


def grid(**changes) -> GridFigure:
    values = {"kind": "grid", "id": "figure_8", "title": "T", "paper": "p", "caption": "c", "score": GUIDED, "per_class": 3}
    return GridFigure(**values | {"runs": [SampleSeries(method="sra", run="ours")]} | changes)


@pytest.fixture
def published(write_published):
    rows = ["b/m200k,fid,60.5", "b/m250k,fid,50.5", "b/m400k,fid,33.2", "b_sra/m200k,fid,39.2", "b_sra/m800k,fid,10.1"]
    return write_published("figure_9", *rows)


@pytest.fixture
def render(tmp_path, published, preset):
    def call(figure, scores=(), packs=None, preset=preset, folder="out"):
        return render_figure(figure, scores, packs or {}, published, "small", preset, tmp_path / folder)

    return call


@pytest.fixture
def scores(write_score):
    return [
        write_score("base", "m200k", fid=10.0),
        write_score("base", "m400k", fid=9.0),
        write_score("ours", "m200k", fid=8.0),
        write_score("ours", "m400k", fid=9.5),
    ]


def test_a_curve_holds_planned_points_and_the_markers_of_the_paper(render, scores):
    document = render(curves(), scores)
    base, ours = document.panels[0].lines
    assert [point.milestone for point in base.points] == ["m200k", "m250k", "m400k", "m600k"]
    assert [point.value for point in base.points] == [10.0, None, 9.0, None]
    assert [point.planned for point in base.points] == [True, False, True, True]
    assert [point.published for point in ours.points] == ["39.2", None, None, "10.1"]
    assert base.points[1].reason == "a marker of the paper alone"
    assert base.points[3].reason == "preset small does not train to 600K"
    assert "SRA and its baseline are both measured at 2 points" in document.alt
    assert document.remarks[-1] == "Not run at preset small: 600K."


def test_points_that_could_be_run_are_counted(render, scores):
    assert "Not run yet: 1 of 4 points (snakemake --cores 2 figure_9 --config preset=small)." in render(curves(), scores[:3]).remarks


def test_files_hold_the_document_and_two_pictures(render, scores, tmp_path):
    document = render(curves(), scores)
    assert CurvesDocument.model_validate(read_json(tmp_path / "out/figure_9.json")) == document
    svg = (tmp_path / "out/figure_9.svg").read_text()
    texts = "".join(ElementTree.fromstring(svg).itertext())
    assert "B/2" in texts
    assert "not the same scale" in texts  # two blocks, since this preset is not comparable
    assert "<dc:date>" not in svg
    assert Image.open(tmp_path / "out/figure_9.png").size[0] == 1350


def test_comparable_presets_share_one_block(render, scores, comparable, tmp_path):
    render(curves(), scores, preset=comparable)
    svg = (tmp_path / "out/figure_9.svg").read_text()
    assert "not the same scale" not in svg
    assert "Hollow markers: the paper" in svg


def test_equal_inputs_draw_equal_bytes(render, scores, pack, tmp_path):
    for folder in ("out", "again"):
        render(curves(), scores, folder=folder)
        render(grid(), packs={"ours": pack}, folder=folder)
    for name in ("figure_9", "figure_8"):
        for kind in ("json", "svg", "png"):
            assert (tmp_path / f"out/{name}.{kind}").read_bytes() == (tmp_path / f"again/{name}.{kind}").read_bytes()


def test_a_figure_without_any_score_says_so(render, tmp_path):
    document = render(curves())
    assert "nothing has been measured yet" in document.alt
    assert "baseline, SRA: not run" in (tmp_path / "out/figure_9.svg").read_text()


def test_hostile_titles_stay_text(render, scores, hostile, tmp_path):
    title = hostile.replace("\u202e", "")
    panel = Panel(title=title, sampler="sde250", series=[Series(method="none", run="base")])
    render(curves(panels=[panel]), scores)
    root = ElementTree.parse(tmp_path / "out/figure_9.svg").getroot()
    assert not [element for element in root.iter() if element.tag.rpartition("}")[2] in ("img", "script")]
    assert any(title in "".join(element.itertext()) for element in root.iter())


def test_labels_move_apart_no_more_than_needed():
    assert spread([0.5, 0.9], 0.1) == [0.5, 0.9]
    assert spread([0.52, 0.5], 0.1) == pytest.approx([0.56, 0.46])
    moved = sorted(spread([0.1, 0.11, 0.12, 0.6], 0.1))
    assert min(np.diff(moved)) >= 0.1 - 1e-9
    assert sum(moved) == pytest.approx(0.1 + 0.11 + 0.12 + 0.6)


@pytest.mark.parametrize("ends", [[(18.5, 5.4), (15.6, 4.7)], [(18.5, 5.4), (18.4, 5.39)], [(3.0, 12.0), (18.0, 5.0), (17.0, 5.1)]])
def test_no_name_of_a_line_lies_on_another_or_on_the_plot(ends):
    """The first: two methods of which one is trained in less time, whose names once lay on the axis."""
    with figure_style("test"):
        figure = Figure(figsize=(PAGE_WIDTH, 2.3))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.08, 0.2, 0.82, 0.6))
        axes.set_xlim(0, 20)
        axes.set_ylim(4, 13)
        label_ends(axes, [(x, y, style) for (x, y), style in zip(ends, METHOD_STYLES.values(), strict=False)])
        boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert not any(box.overlaps(axes.get_window_extent()) for box in boxes)
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize(("low", "high"), [(8.0, 66.0), (0.5, 3.0), (1.0, 5000.0), (95.0, 999.0)])
def test_ticks_of_a_log_axis_are_few_and_inside(low, high):
    ticks = plain_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


@pytest.mark.parametrize(("low", "high"), [(0.97, 1.02), (0.9, 1.1), (0.705, 1.8), (0.5, 2.0), (0.2, 1.1), (0.6, 2.4), (0.05, 20.0), (0.97, 1.4)])
def test_ticks_of_ratios_name_the_baseline_and_stand_apart(low, high):
    ticks = ratio_ticks(low, high)
    assert 2 <= len(ticks) <= 4
    assert 1 in ticks
    assert all(low <= tick <= high for tick in ticks)
    assert min(np.diff(np.log(ticks))) >= 0.2 * math.log(high / low)


def test_step_ticks_keep_their_distance():
    assert spaced([200, 300, 400, 600], [250, 800], 144) == [200, 400, 600, 800]


def embedded(path) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", path.read_text())[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_the_grid_takes_the_first_of_each_class(render, pack, tmp_path):
    document = render(grid(classes=[3, 7]), packs={"ours": pack})
    assert document.blocks[0].indices == [[3, 13, 23], [7, 17, 27]]
    picture = embedded(tmp_path / "out/figure_8.svg")
    # Columns are classes, 64 + 8 apart; rows 64 + 2 apart; grey level i is image i.
    assert [[picture[66 * row + 32, 72 * column + 32, 0] for row in range(3)] for column in range(2)] == [[3, 13, 23], [7, 17, 27]]
    assert GridDocument.model_validate(read_json(tmp_path / "out/figure_8.json")) == document


def test_small_images_grow_by_whole_pixels(render, tmp_path):
    checks = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)
    np.savez(tmp_path / "checks.npz", arr_0=checks[None, :, :, None], labels=np.zeros(1, int))
    render(grid(classes=[0], per_class=1), packs={"ours": tmp_path / "checks.npz"})
    assert np.array_equal(embedded(tmp_path / "out/figure_8.svg")[..., 0], checks.repeat(8, 0).repeat(8, 1))


def test_a_run_that_is_called_otherwise_than_its_method_has_that_name(render, pack, tmp_path):
    render(grid(runs=[SampleSeries(method="sra", run="ours", label="LayerSync")]), packs={"ours": pack})
    assert ">LayerSync, ours<" in (tmp_path / "out/figure_8.svg").read_text()


def test_too_few_images_and_no_pack_are_said(render, pack):
    runs = [SampleSeries(method="none", run="base"), SampleSeries(method="sra", run="ours")]
    document = render(grid(classes=[3], per_class=5, runs=runs), packs={"ours": pack})
    assert [block.status for block in document.blocks] == ["not run", "ok"]
    assert document.remarks[:2] == [
        "base: not run (no samples yet).",
        "Not run yet: 1 of 2 sets of samples (snakemake --cores 2 figure_8 --config preset=small).",
    ]
    assert "fewer than 5 images of class 3" in document.remarks[2]


def test_a_grid_beyond_the_preset_is_not_run(render, pack, preset):
    document = render(grid(), packs={"ours": pack}, preset=preset.model_copy(update={"milestones": {"m200k": 1}}))
    assert document.blocks[0].reason == "preset small does not train to 4M"


def test_classes_are_counted_round_a_smaller_data_set(render, pack):
    document = render(grid(classes=[933, 3, 14]), packs={"ours": pack})
    assert document.classes == [3, 4]
    assert document.blocks[0].indices == [[3, 13, 23], [4, 14, 24]]
    assert document.remarks[-1].endswith("counted round the 10 of this data set, so 933 is class 3, 14 is class 4.")


def test_what_is_drawn_is_named_and_not_what_it_stands_for(render, pack, preset, tmp_path):
    named = preset.model_copy(update={"class_names": [f"a {label}" for label in range(10)]})
    document = render(grid(classes=[402]), packs={"ours": pack}, preset=named)
    assert document.title == "Samples of a 2, which stands here for class 402 of ImageNet"
    assert document.alt == "3 generated images: a 2, of ours."
    assert document.remarks[-1].endswith("so 402 is a 2.")
    document = render(grid(classes=[402, 3]), packs={"ours": pack}, preset=named)
    assert re.findall(r"<title>(.*)</title>", (tmp_path / "out/figure_8.svg").read_text()) == ["a 2", "a 3"]


def test_several_figures_are_one_where_their_classes_come_to_the_same(render, pack, preset, comparable, tmp_path):
    plate = grid(classes=[33, 402, 933], in_place_of=["figure_10", "figure_16", "figure_22"])
    document = render(plate, packs={"ours": pack})
    assert (document.classes, document.standing_for) == ([2, 3], ["Figure 16", "Figures 10, 22"])
    assert document.in_place_of == plate.in_place_of
    svg = (tmp_path / "out/figure_8.svg").read_text()
    assert "class 3 Figures 10, 22" in svg
    assert document.remarks[-1].endswith("so 402 is class 2, 33 and 933 are class 3.")
    assert render(plate, packs={"ours": pack}, preset=comparable).in_place_of == []


def test_a_figure_without_a_class_is_refused():
    with pytest.raises(ValueError, match="in_place_of has 2 figures and classes 1; give each figure its class"):
        grid(classes=[33], in_place_of=["figure_10", "figure_11"])


def test_the_images_of_one_class_stand_side_by_side(render, pack, tmp_path):
    document = render(grid(classes=[933]), packs={"ours": pack})
    picture = embedded(tmp_path / "out/figure_8.svg")
    assert picture.shape[:2] == (64, 3 * 64 + 2 * 2)
    assert [picture[32, 66 * column + 32, 0] for column in range(3)] == [3, 13, 23]
    assert "from the left" in document.rule
    assert document.alt == "3 generated images: class 3, of ours."


@pytest.mark.parametrize("label", [-1, 1000])
def test_a_class_that_does_not_exist_is_refused(render, pack, label):
    with pytest.raises(InputError, match=f"class {label} does not exist in ImageNet; give 0 to 999"):
        render(grid(classes=[1, label]), packs={"ours": pack})


@pytest.mark.parametrize(
    "arrays",
    [
        {"arr_0": np.zeros((2, 4, 4, 3), np.float32), "labels": np.zeros(2)},
        {"arr_0": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.zeros(3)},
        {"arr_0": np.zeros((2, 4, 4, 3), np.uint8)},
        {"arr_0": np.array([{}], dtype=object), "labels": np.zeros(1)},
    ],
    ids=["float", "counts differ", "no labels", "pickled"],
)
def test_a_pack_of_another_shape_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=r"bad.npz: .*build it again"):
        SamplePack(tmp_path / "bad.npz")


def test_a_broken_archive_is_refused(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(InputError, match="not a whole npz file"):
        SamplePack(tmp_path / "bad.npz")


def test_compressed_packs_read_the_same(tmp_path, pack):
    with np.load(pack) as loaded:
        np.savez_compressed(tmp_path / "small.npz", **loaded)
    assert np.array_equal(SamplePack(tmp_path / "small.npz").image(37), SamplePack(pack).image(37))


@pytest.mark.parametrize("scored", [True, False])
def test_a_grid_without_a_score_of_its_own_waits_for_none(render, write_score, pack, scored):
    """Packs of some classes alone are drawn and not scored; then no score is missing."""
    files = [write_score("ours", GUIDED.milestone, GUIDED.sampler, GUIDED.samples, fid=1.0)] if scored else []
    document = render(grid(), files, packs={"ours": pack})
    assert document.scores() == ([("ours", GUIDED)] if scored else [])
    assert document.packs() == [("ours", GUIDED)]
