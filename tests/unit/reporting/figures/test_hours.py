"""Figures against hours: whose seconds, in which unit, what stays out, and what is said about it."""

import pytest
from cost_files import write_cost_file

from sra.content.figures import CurvesFigure, Panel, Series
from sra.reporting.figures import curves as module
from sra.reporting.figures.draw.axes import time_unit
from sra.reporting.figures.draw.style import figure_style
from sra.reporting.figures.render import render_figure
from sra.reporting.read.published import load_published

HOUR = 3600


def figure(methods=("none", "sra"), published=True, **changes) -> CurvesFigure:
    runs, keys = {"none": "base", "sra": "ours", "repa": "rival"}, {"none": "figure_9/b", "sra": "figure_9/b_sra"}
    series = [Series(method=method, run=runs[method], published=keys.get(method) if published else None) for method in methods]
    values = {
        **{"kind": "curves", "against": "hours", "id": "figure_9", "title": "T", "paper": "p", "caption": "c", "metric": "fid", "better": "lower"},
        **{"samples": 50000, "milestones": ["m200k", "m400k"], "panels": [Panel(title="B/2", sampler="sde250", series=series)]},
    }
    return CurvesFigure(**values | changes)


@pytest.fixture
def folder(tmp_path):
    """The paper's markers: the baseline's second one has no time."""
    rows = ["b/m200k,fid,60.5,1", "b/m200k,training_time,3.8,h", "b/m400k,fid,33.2,1", "b_sra/m200k,fid,39.2,1", "b_sra/m200k,training_time,4.6,h"]
    lines = [f"figure_9/{row},a paper,{'inferred' if 'time' in row else 'read off a figure'}" for row in rows]
    published = tmp_path / "published"
    published.mkdir()
    (published / "figure_9.csv").write_text("\n".join(["key,metric,value,unit,source,confidence", *lines]) + "\n")
    return published


@pytest.fixture
def render(tmp_path, folder, preset):
    """`render(figure, scores, {"base": 0.5})`: with the seconds a step of some runs."""

    def call(spec, scores=(), seconds=None, preset=preset):
        costs = [write_cost_file(tmp_path / "costs" / f"{run}.json", run, median=step, seconds=[step] * 3) for run, step in (seconds or {}).items()]
        return render_figure(spec, scores, {}, folder, "small", preset, tmp_path / "out", cost_files=costs)

    return call


@pytest.fixture
def scores(write_score):
    return [write_score(run, m, fid=fid) for run in ("base", "ours", "rival") for m, fid in (("m200k", 10.0), ("m400k", 9.0))]


@pytest.fixture
def drawn(monkeypatch):
    """Every line on every pair of axes that is drawn, as (label of the axis, places, values, marker is hollow)."""
    found = []
    draw = module._draw_side

    def watched(picture, layout, index, side, document):
        before = len(picture.axes)
        draw(picture, layout, index, side, document)
        for axes in picture.axes[before:]:
            for line in axes.lines:
                if line.get_marker() != "None":
                    hollow = line.get_markerfacecolor() != line.get_color()
                    found.append((axes.get_xlabel(), list(map(float, line.get_xdata())), list(map(float, line.get_ydata())), hollow))

    monkeypatch.setattr(module, "_draw_side", watched)
    return found


def test_ours_are_steps_times_seconds_and_the_papers_are_printed(render, scores, drawn):
    document = render(figure(), scores, {"base": 0.5, "ours": 0.6})
    base, ours = document.panels[0].lines
    assert (base.seconds_per_step, ours.seconds_per_step) == (0.5, 0.6)
    assert [point.seconds for point in base.points] == [100.0, 200.0]  # steps 200 and 400
    assert [point.seconds for point in ours.points] == pytest.approx([120.0, 240.0])
    assert [point.published_seconds for point in base.points] == [pytest.approx(3.8 * HOUR), None]
    assert base.points[0].time_source == "a paper (inferred)"
    mine, paper = drawn[:2], drawn[2:]
    assert [line[:3] for line in mine] == [
        ("minutes of training here", pytest.approx([100 / 60, 200 / 60]), [10.0, 9.0]),
        ("minutes of training here", pytest.approx([2.0, 4.0]), [10.0, 9.0]),
    ]
    assert not any(line[3] for line in mine)
    # The paper's second marker says no time, so it has no place here.
    assert [line[1:] for line in paper] == [([3.8], [60.5], True), ([4.6], [39.2], True)]
    assert {line[0] for line in paper} == {"hours of training in the paper"}


def test_a_comparable_preset_has_both_on_one_axis(render, scores, drawn, comparable):
    render(figure(), scores, {"base": 36.0, "ours": 45.0}, comparable)
    assert {line[0] for line in drawn} == {"hours of training"}
    assert [line[1] for line in drawn] == [pytest.approx([2.0, 4.0]), [3.8], pytest.approx([2.5, 5.0]), [4.6]]
    assert [line[3] for line in drawn] == [False, True, False, True]


def test_a_run_without_a_receipt_is_not_drawn_and_says_which_command_makes_it(render, scores, drawn):
    document = render(figure(), scores, {"base": 0.5})
    assert len([line for line in drawn if line[0].endswith("here")]) == 1
    assert document.panels[0].lines[1].seconds_per_step is None
    assert "Not measured yet: ours. snakemake --cores all figure_9 does it." in document.remarks
    assert not any("Not measured" in remark for remark in render(figure(), scores, {"base": 0.5, "ours": 0.6}).remarks)
    # Against steps nothing is measured and nothing is missing.
    steps = render(figure(against="steps"), scores)
    assert steps.against == "steps"
    assert not any("easured" in remark for remark in steps.remarks)


def test_remarks_say_whose_seconds(render, scores):
    remarks = " ".join(render(figure(), scores, {"base": 0.5, "ours": 0.6}).remarks)
    assert "steps times the measured seconds of one, on one CPU (x86_64), 1 thread, fp32, batch 4" in remarks


def test_a_figure_without_published_markers_shows_ours_alone(render, scores, drawn):
    document = render(figure(("repa", "sra"), published=False), scores, {"rival": 0.5, "ours": 0.6})
    assert len(drawn) == 2
    assert len(module._sides(document)) == 1
    assert document.alt == (
        "Line chart of FID over the time of training, 1 model; SRA and REPA are both measured at 2 points; "
        "training to the last points takes 3.33 to 4 minutes."
    ).replace(", 1 model", "")
    assert "markers" not in " ".join(document.remarks)


def test_alternative_text_tells_times(render, scores):
    assert render(figure(), scores, {"base": 0.05, "ours": 0.06}).alt == (
        "Line chart of FID over the time of training, and below them the paper's markers on axes of their own; SRA and its baseline are both "
        "measured at 2 points; training to the last points takes 20 to 24 seconds."
    )
    assert "takes" not in render(figure(), scores).alt


@pytest.mark.parametrize(
    ("longest", "unit"), [(0, "seconds"), (119, "seconds"), (120, "minutes"), (7199, "minutes"), (7200, "hours"), (1e6, "hours")]
)
def test_the_unit_fits_the_longest_time(longest, unit):
    assert time_unit(longest)[0] == unit


def test_times_start_at_nought_and_have_few_round_ticks():
    from matplotlib.figure import Figure

    from sra.reporting.figures.draw.axes import set_times

    with figure_style("figure_9"):
        for latest in (0.7, 8.9, 57.1, 128.6):
            axes = Figure().add_subplot()
            set_times(axes, latest)
            low, high = axes.get_xlim()
            ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
            assert (low, 2 <= len(ticks) <= 5, high > latest) == (0, True, True)


def test_figure_4_has_a_time_for_each_of_its_markers(root):
    """Epochs of 5,004 steps times the hours an epoch of Table 7; the file gives one decimal."""
    published = load_published(root / "report" / "published")
    for family in ("sit", "dit"):
        for size in ("b", "l", "xl"):
            for method in ("", "_sra"):
                prefix, an_epoch = f"figure_4/{family}_{size}{method}", published.number(f"table_7/{family}_{size}{method}", "epoch_time", "").value
                for milestone, marker in published.curve(prefix, "fid", "here").items():
                    time = published.number(marker.key, "training_time", "here")
                    epochs = int(milestone[1:-1]) * 1000 / 5004
                    assert time.value == pytest.approx(epochs * an_epoch, abs=0.051 * HOUR), marker.key
                    assert time.confidence == "inferred"
