"""Figures of a model's inside: which points they hold, how blocks move to another depth, and what the pictures show."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sra.content.figures import FeaturesFigure, InspectedModel, ProbeLine, ProbesFigure, TargetPoint, TargetsFigure
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.reporting.documents import FigureDocument
from sra.reporting.figures.draw.axes import not_below_zero
from sra.reporting.figures.draw.style import METHOD_STYLES, line_styles
from sra.reporting.figures.render import render_figure
from sra.reporting.figures.targets import pearson
from sra.reporting.read.probes import InspectedFiles
from sra.reporting.read.scores import Scores
from sra.reporting.report.summary import progress_of
from sra.spec.load import checked
from sra.spec.metric import ScoreOf
from sra.spec.scale import Carrier, Width

HEADING = {"title": "T", "paper": "p", "caption": "c"}


def carrier(depth: int) -> Carrier:
    """From the paper's 28 blocks to so many."""
    return Carrier(Width(depth=28, width=8, heads=1), Width(depth=depth, width=8, heads=1), {})


CARRIERS = {"base": carrier(12), "ours": carrier(12)}
SAME = {"base": carrier(28), "ours": carrier(28)}


def line(run="base", method="none", milestones=("m4m",), times=(0.1,), blocks=(8, 20, 22), **changes) -> ProbeLine:
    return ProbeLine(run=run, method=method, label=f"line {run}", milestones=list(milestones), times=list(times), blocks=list(blocks), **changes)


def probes(x="block", *lines) -> ProbesFigure:
    return ProbesFigure(kind="probes", id="figure_9", x=x, lines=list(lines) or [line(published="figure_9/b")], **HEADING)


def targets(**changes) -> TargetsFigure:
    points = [
        TargetPoint(block=4, published="figure_9/b4"),
        TargetPoint(block=8, run="t8", published="figure_9/b8"),
        TargetPoint(block=20, run="t20", published="figure_9/b20"),
        TargetPoint(block=22, run="t22"),
        TargetPoint(block=28, run="t28"),
    ]
    values = {"kind": "targets", "id": "figure_9", "milestone": "m400k", "sampler": "sde250", "samples": 50000, "baseline": "plain"}
    values |= {"baseline_published": "figure_9/plain", "points": points, "probed": line(blocks=(4, 8, 20, 22, 28))}
    return TargetsFigure(**HEADING | values | changes)


def features(**changes) -> FeaturesFigure:
    values = {
        "kind": "features",
        "id": "figure_9",
        "models": [InspectedModel(run="base", milestones=["m4m"])],
        "blocks": [1, 3, 14, 28],
        "times": [0.7, 0.1],
    }
    return FeaturesFigure(**HEADING | values | changes)


@pytest.fixture
def published(tmp_path):
    """Accuracies in percent of lines b (blocks), t (times) and m (milestones), and of target blocks with their FID."""
    rows = ["b/b4,24.1,%", "b/b8,28.2,%", "b/b20,59.8,%", "t/t100,28.2,%", "t/t700,6.8,%", "m/m200k,38.1,%", "m/m800k,54.2,%"]
    rows += ["b4,24.2,%", "b8,28.2,%", "b20,59.9,%"]
    lines = [f'figure_9/{key},probe_accuracy,{value},{unit},"a paper, Figure 9",exact' for key, value, unit in (row.split(",") for row in rows)]
    fids = {"b4": "18.4", "b8": "18.2", "b20": "11.9", "plain": "17.4"}
    lines += [f'figure_9/{key},fid,{value},1,"a paper, Figure 9",exact' for key, value in fids.items()]
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "figure_9.csv").write_text("\n".join(["key,metric,value,unit,source,confidence", *lines]) + "\n")
    return folder


@pytest.fixture
def components(tmp_path):
    """A file for times 0.1, 0.7 and blocks 1, 6, 12 of 12, with 2 x 2 tokens: square (t, k) has red 100 t + 10 k, and its tokens blue 0 to 3."""
    path = tmp_path / "m4m.npz"
    colours = np.zeros((2, 3, 2, 2, 3), np.uint8)
    colours[..., 0] = (100 * np.arange(2)[:, None] + 10 * np.arange(3))[:, :, None, None]
    colours[..., 2] = np.arange(4).reshape(2, 2)
    write_npz(path, {"colours": colours, "image": np.full((8, 8, 3), 7, np.uint8)})
    write_receipt(path, "components", run="base", milestone="m4m", times=[0.1, 0.7], blocks=[1, 6, 12], image=5, label=8)
    return path


@pytest.fixture
def render(tmp_path, published, preset):
    def call(figure, probe_files=(), scores=(), components=None, preset=preset, carriers=CARRIERS, folder="out"):
        files = InspectedFiles(list(probe_files), {("base", "m4m"): components} if components else {}, carriers)
        return render_figure(figure, scores, {}, published, "small", preset, tmp_path / folder, files)

    return call


def texts(path) -> str:
    return " | ".join(ElementTree.parse(path).getroot().itertext())


# Probe accuracies


def test_a_line_holds_planned_blocks_and_the_papers_alone(render, write_probe):
    document = render(probes(), [write_probe("base", {3: 0.5, 9: 0.7})])
    points = document.lines[0].points
    assert [(point.x, point.place, point.status) for point in points] == [(4, 2, "not asked"), (8, 3, "ok"), (20, 9, "ok"), (22, 9, "same")]
    assert [point.value for point in points] == [None, 0.5, 0.7, None]
    assert [point.published for point in points] == ["24.1", "28.2", "59.8", None]
    assert points[1].published_value == pytest.approx(0.282)
    assert points[1].source == "a paper, Figure 9 (exact)"
    assert points[3].reason == "block 9 here, which stands at block 20 already"
    assert "line base 70.0 % at block 20" in document.alt


def test_the_remarks_say_where_the_papers_blocks_stand(render, write_probe):
    remarks = render(probes(), [write_probe("base", {3: 0.5, 9: 0.7})]).remarks
    assert "The paper's blocks 8, 20, 22 are 3, 9, 9 here." in remarks
    assert "Blocks 20, 22 are one block here, 9, and shown once, as block 20." in remarks
    assert "Run: base at 4M, step 900 here." in remarks
    assert "Trained on 1150 images, scored on 287 others." in remarks


def test_in_the_papers_model_every_block_is_itself(render, write_probe, comparable, tmp_path):
    document = render(probes(), [write_probe("base", {8: 0.5, 20: 0.7, 22: 0.6})], preset=comparable, carriers=SAME)
    assert [point.value for point in document.lines[0].points] == [None, 0.5, 0.7, 0.6]
    assert not [remark for remark in document.remarks if "here" in remark]
    assert "Hollow markers: the paper." in texts(tmp_path / "out/figure_9.svg")
    assert "not the same scale" not in texts(tmp_path / "out/figure_9.svg")


def test_a_smaller_preset_has_the_paper_on_axes_of_its_own(render, write_probe, tmp_path):
    render(probes(), [write_probe("base", {3: 0.5, 9: 0.7})])
    words = texts(tmp_path / "out/figure_9.svg")
    assert "not the same scale" in words
    assert "block here" in words
    render(probes("block", line()), [write_probe("base", {3: 0.5, 9: 0.7})])
    assert "not the same scale" not in texts(tmp_path / "out/figure_9.svg")  # nothing published


def test_a_line_over_time(render, write_probe):
    figure = probes("time", line(times=(0.1, 0.3), blocks=(8,), published="figure_9/t"))
    points = render(figure, [write_probe("base", {3: 0.5}), write_probe("base", {3: 0.4}, time=0.3)]).lines[0].points
    assert [(point.place, point.value, point.published) for point in points] == [(0.1, 0.5, "28.2"), (0.3, 0.4, None), (0.7, None, "6.8")]


def test_a_line_over_training(render, write_probe, preset):
    figure = probes("milestone", line(milestones=("m200k", "m400k", "m600k"), blocks=(20,), published="figure_9/m"))
    document = render(figure, [write_probe("base", {9: 0.4}, "m200k")])
    points = document.lines[0].points
    assert [(point.milestone, point.place, point.status) for point in points] == [
        ("m200k", 200, "ok"),
        ("m400k", 400, "not run"),
        ("m600k", None, "beyond"),
        ("m800k", None, "not asked"),
    ]
    assert points[2].reason == "preset small does not train to 600K"
    assert document.remarks[-2:] == [
        "Not run at preset small: 600K.",
        "Not run yet: 1 of 2 points (snakemake --cores 2 figure_9 --config preset=small).",
    ]
    assert document.counts(Scores(), preset) == (1, 2, 1)


def test_a_block_that_was_not_probed_is_not_run_and_says_so(render, write_probe):
    point = render(probes("block", line(blocks=(8,))), [write_probe("base", {9: 0.5})]).lines[0].points[0]
    assert (point.status, point.reason, point.probe_sha256) == ("not run", "block 3 was not probed then", None)


def test_published_keys_must_fit_the_axis(render):
    with pytest.raises(InputError, match="unknown published curve 'figure_9/c'"):
        render(probes("block", line(published="figure_9/c")))
    with pytest.raises(InputError, match="figure_9: a published key ends in 't100', expected b and a block, such as b20"):
        render(probes("block", line(published="figure_9/t")))


def test_accuracies_stand_on_a_plain_axis_from_0(render, write_probe, tmp_path):
    render(probes("block", line(blocks=(8, 20))), [write_probe("base", {3: 0.01, 9: 0.6})])
    words = texts(tmp_path / "out/figure_9.svg").split(" | ")
    assert [word for word in words if word in ("0", "20", "40", "60", "\u221220", "2", "5", "30")] == ["0", "20", "40", "60"]
    axes = Figure().add_axes((0, 0, 1, 1))
    axes.set_ylim(-5, 60)
    not_below_zero(axes)
    assert axes.get_ylim() == (0, 60)


def test_lines_of_one_method_have_an_ordered_scale():
    by_method = line_styles(["none", "sra"], ["vanilla", "with SRA"])
    assert [style.colour for style in by_method] == [METHOD_STYLES[method].colour for method in ("none", "sra")]
    assert [style.name for style in by_method] == ["vanilla", "with SRA"]
    ordered = line_styles(["none"] * 4, list("abcd"))
    assert len({style.colour for style in ordered}) == len({style.marker for style in ordered}) == 4


# FID against the accuracy of the target


@pytest.fixture
def aligned(write_score):
    return [write_score(run, fid=fid) for run, fid in (("plain", 20.0), ("t8", 19.0), ("t20", 12.0), ("t22", 1.0), ("t28", 14.0))]


def test_targets_pair_accuracy_and_fid(render, write_probe, aligned):
    document = render(targets(), [write_probe("base", {3: 0.4, 9: 0.7, 12: 0.5})], aligned)
    assert [point.ours for point in document.points] == [None, (0.4, 19.0), (0.7, 12.0), None, (0.5, 14.0)]
    assert [point.published for point in document.points] == [(0.242, 18.4), (0.282, 18.2), (0.599, 11.9), None, None]
    assert [point.fid.status for point in document.points] == ["not asked", "ok", "ok", "same", "ok"]
    assert (document.baseline.value, document.baseline.published) == (20.0, "17.4")
    assert "accuracies from 40.0 to 70.0 %, FID from 12.00 to 19.00." in document.alt
    assert "Of the paper alone: block 4." in document.remarks


def test_a_block_of_the_paper_alone_takes_no_runs_place(render, write_probe, aligned):
    points = [TargetPoint(block=7, published="figure_9/b4"), TargetPoint(block=8, run="t8"), TargetPoint(block=20, run="t20")]
    document = render(targets(points=points, probed=line(blocks=(7, 8, 20))), [write_probe("base", {3: 0.4, 9: 0.7})], aligned)
    assert [point.block_here for point in document.points] == [3, 3, 9]
    assert [point.ours for point in document.points] == [None, (0.4, 19.0), (0.7, 12.0)]


def test_the_correlation_is_pearsons(render, write_probe, aligned):
    pairs = [(0.4, 19.0), (0.7, 12.0), (0.5, 14.0)]
    assert pearson(pairs) == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1], abs=1e-12)
    assert pearson(pairs[:2]) is None
    assert pearson([(0.5, y) for y in (1.0, 2.0, 3.0)]) is None
    document = render(targets(), [write_probe("base", {3: 0.4, 9: 0.7, 12: 0.5})], aligned)
    assert "Ours: correlation of accuracy and FID −0.91 over 3 points." in document.remarks
    assert "The paper's: correlation of accuracy and FID −1.00 over 3 points." in document.remarks


def test_targets_count_what_they_need(render, write_probe, aligned, preset):
    document = render(targets(), [write_probe("base", {3: 0.4})], aligned[:2])
    assert document.counts(Scores(), preset) == (3, 7, 0)  # probes of 8, 20, 28, their FIDs and the baseline's
    assert "Not run yet: 2 of 3 points (snakemake --cores 2 figure_9 --config preset=small)." in document.remarks
    score = ScoreOf(milestone="m400k", sampler="sde250", samples=50000)
    assert document.scores() == [(run, score) for run in ("plain", "t8", "t20", "t28")]
    progress = progress_of(document, Scores(), preset)
    assert (progress.done, progress.wanted, progress.beyond) == (3, 7, 0)


def test_targets_name_each_point_by_the_papers_block(render, write_probe, aligned, tmp_path):
    render(targets(), [write_probe("base", {3: 0.4, 9: 0.7, 12: 0.5})], aligned)
    words = texts(tmp_path / "out/figure_9.svg").split(" | ")
    assert [words.count(block) for block in ("4", "8", "22", "28")] == [1, 2, 0, 1]
    assert words.count("baseline") == 2


def test_a_figure_of_targets_probes_the_blocks_of_its_points():
    with pytest.raises(ValueError, match=r"probed.blocks are the blocks of the points"):
        targets(probed=line(blocks=(8, 20)))
    with pytest.raises(ValueError, match="give one milestone and one time"):
        targets(probed=line(blocks=(4, 8, 20, 22, 28), times=(0.1, 0.3)))


# Principal components


def picture(path, place: int) -> np.ndarray:
    found = re.findall(r"base64,([^\"]+)", path.read_text())
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[place]))).convert("RGB"))


def test_components_stand_by_time_and_block(render, components, tmp_path):
    document = render(features(), components=components)
    assert (document.blocks, document.blocks_here) == ([1, 14, 28], [1, 6, 12])
    mosaic = picture(tmp_path / "out/figure_9.svg", 0)
    side, gap = 64, 4
    assert mosaic.shape == (2 * side + gap, 3 * side + 2 * gap, 3)
    red = [[mosaic[16 + y * (side + gap), 16 + x * (side + gap), 0] for x in range(3)] for y in range(2)]
    assert red == [[100, 110, 120], [0, 10, 20]]  # time 0.7 over 0.1, as the figure asks
    assert [mosaic[y, x, 2] for y in (16, 48) for x in (16, 48)] == [0, 1, 2, 3]
    assert (picture(tmp_path / "out/figure_9.svg", 1) == 7).all()
    words = texts(tmp_path / "out/figure_9.svg")
    assert "14 → 6" in words
    assert words.index("t = 0.7") < words.index("t = 0.1")


def test_the_remarks_name_the_image_and_shared_blocks(render, components):
    remarks = render(features(), components=components).remarks[1:]
    assert "The image is the first of class 8 in the train split (row 5), which stands for the paper's class 88." in remarks
    assert "Blocks 1, 3 are one block here, 1, and shown once, as block 1." in remarks


def test_too_few_tokens_to_see_anything_are_said_beside_the_picture(render, components, tmp_path):
    document = render(features(), components=components)
    assert document.panels[0].side == 2
    assert document.remarks[0].startswith("Nothing of what the paper sees can be seen here: a square has 2 × 2 tokens, the paper's 16 × 16")
    assert "base at 4M: 4 tokens, too few to see shapes" in texts(tmp_path / "out/figure_9.svg")
    many = document.panels[0].model_copy(update={"side": 16})
    assert not many.tells_nothing


def test_components_that_lack_a_block_or_do_not_exist_are_not_run(render, components, preset, tmp_path):
    assert render(features(blocks=[8]), components=components).panels[0].reason == "its components are of other times or blocks"
    document = render(features())
    assert (document.panels[0].reason, document.alt) == ("no components yet", "No principal components yet.")
    assert document.counts(Scores(), preset) == (0, 1, 0)
    assert "not run (no components yet)" in texts(tmp_path / "out/figure_9.svg")
    early = preset.model_copy(update={"milestones": {"m200k": 200}})
    assert render(features(), components=components, preset=early).counts(Scores(), early) == (0, 0, 1)


def test_damaged_components_are_refused(render, components):
    receipt = components.with_name(f"{components.name}.receipt.json")
    facts = read_json(receipt)
    write_json(receipt, facts | {"facts": facts["facts"] | {"times": [0.1]}})
    with pytest.raises(InputError, match=r"m4m.npz: colours are uint8 .*, expected uint8 \(1, 3, g, g, 3\); delete it"):
        render(features(), components=components)
    write_json(receipt, facts | {"kind": "weights"})
    with pytest.raises(InputError, match="is a weights, expected a components"):
        render(features(), components=components)


def test_models_of_unequal_depth_are_refused(render):
    figure = features(models=[InspectedModel(run="base", milestones=["m4m"]), InspectedModel(run="ours", milestones=["m4m"])])
    with pytest.raises(InputError, match="ours has another number of blocks than base"):
        render(figure, carriers={"base": carrier(12), "ours": carrier(8)})


# All of them


@pytest.fixture
def all_kinds(write_probe, aligned, components):
    files = [write_probe("base", {3: 0.4, 9: 0.7, 12: 0.5})]
    return [(probes(), {"probe_files": files}), (targets(), {"probe_files": files, "scores": aligned}), (features(), {"components": components})]


def test_files_hold_the_document_and_equal_inputs_draw_equal_bytes(render, all_kinds, tmp_path):
    for figure, files in all_kinds:
        document = render(figure, **files)
        assert checked(read_json(tmp_path / "out/figure_9.json"), FigureDocument, "file") == document
        render(figure, **files, folder="again")
        for kind in ("json", "svg", "png"):
            assert (tmp_path / f"out/figure_9.{kind}").read_bytes() == (tmp_path / f"again/figure_9.{kind}").read_bytes()
        assert Image.open(tmp_path / "out/figure_9.png").width == 1350


def test_each_figure_reads_as_a_table(render, all_kinds):
    for figure, files in all_kinds:
        data = render(figure, **files).as_table()
        assert len(data.columns) == len(data.numbers)
        assert data.rows
        assert {len(row) for row in data.rows} == {len(data.columns)}
    figure, files = all_kinds[0]
    assert render(figure, **files).as_table().rows[1] == ["line base", "base", "4M", "0.1", "8 (3 here)", "28.2", "40.0", "—"]


def test_before_anything_ran_every_figure_says_so(render, tmp_path):
    for figure in (probes(), targets()):
        assert "nothing has been measured yet" in render(figure).alt
        assert "not run" in texts(tmp_path / "out/figure_9.svg")


def test_hostile_labels_stay_text(render, write_probe, hostile, tmp_path):
    label = hostile.replace("\u202e", "")[:60]
    render(probes("block", line().model_copy(update={"label": label})), [write_probe("base", {3: 0.5, 9: 0.6})])
    root = ElementTree.parse(tmp_path / "out/figure_9.svg").getroot()
    assert not [element for element in root.iter() if element.tag.rpartition("}")[2] in ("img", "script")]
    assert label in texts(tmp_path / "out/figure_9.svg")
