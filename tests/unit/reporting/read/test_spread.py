"""Numbers over several seeds: the mean, the two spreads kept apart, and what tables and curves say of them."""

import csv
import io
import re

import numpy as np
import pytest
from report_samples import TEMPLATES

from sra.content.figures import CurvesFigure, Panel, ProbeLine, ProbesFigure, Series
from sra.content.tables import Column, Row, TableSpec
from sra.core.files import sha256_of_file
from sra.reporting.figures.curves import build_curves, draw_curves
from sra.reporting.figures.probes import build_probes, draw_probes
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.probes import load_probes
from sra.reporting.read.scores import load_scores
from sra.reporting.read.spread import Spread, over_seeds, seeds_text
from sra.reporting.tables.render import render_table
from sra.spec.metric import ScoreOf
from sra.spec.scale import Carrier, Width
from sra.spec.seeds import Seeds

SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50000)
THREE = Seeds(training=(0, 1, 2))


def test_the_mean_and_both_spreads():
    values = np.random.default_rng(0).normal(20, 3, (4, 3))
    found = over_seeds(dict(enumerate(values.tolist())))
    spread = found.spread
    assert found.mean == pytest.approx(values.mean())
    assert list(found.by_seed.values()) == pytest.approx(values.mean(axis=1))
    assert spread.training_sd == pytest.approx(values.mean(axis=1).std(ddof=1))
    assert spread.sampling_sd == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).mean()))
    assert (spread.training, spread.sampling) == (4, 3)


def test_a_training_that_was_sampled_more_often_counts_no_more():
    found = over_seeds({0: [10.0, 20.0, 30.0], 7: [40.0]})
    assert (found.mean, found.by_seed) == (30.0, {0: 20.0, 7: 40.0})
    assert found.spread.sampling_sd == pytest.approx(10.0)
    assert over_seeds({0: [5.0]}).spread == Spread(training=1, training_sd=None, sampling=1, sampling_sd=None)


def test_seeds_in_words():
    trained = over_seeds({0: [1.0], 1: [2.0], 2: [4.0]}).spread
    both = over_seeds({0: [1.0, 2.0], 1: [2.0, 3.0]}).spread
    assert seeds_text([None, None]) == "one seed"
    assert seeds_text([None, trained]).startswith("mean over 3 training seeds; ± is")
    assert seeds_text([both]).startswith("mean over 2 training seeds, 2 sampling seeds of each; ± is")


@pytest.fixture
def three_seeds(write_score):
    """Score files of run `ra` from three training seeds, FID 10, 12 and 17."""
    return [write_score(run, fid=fid) for run, fid in (("ra", 10.0), ("ra__s1", 12.0), ("ra__s2", 17.0))]


def test_scores_of_other_seeds_are_found_under_the_run(three_seeds, preset):
    scores = load_scores(three_seeds, "small", THREE)
    outcome = Evidence("small", preset, scores=scores).score("ra", SCORE, "fid")
    assert (outcome.value, outcome.reason) == (13.0, None)
    assert outcome.spread.training_sd == pytest.approx(np.std([10, 12, 17], ddof=1))
    assert scores.find("ra", SCORE).first.record.run == "ra"
    assert scores.find("ra__s1", SCORE) is None
    assert len(list(scores)) == 3


def test_training_and_sampling_seeds_are_kept_apart(write_score, preset):
    names = [("ra", "sde250", 10.0), ("ra", "sde250__s1", 14.0), ("ra__s1", "sde250", 20.0), ("ra__s1", "sde250__s1", 28.0)]
    scores = load_scores([write_score(run, sampler=sampler, fid=fid) for run, sampler, fid in names], "small")
    spread = Evidence("small", preset, scores=scores).score("ra", SCORE, "fid").spread
    assert spread.training_sd == pytest.approx(np.std([12, 24], ddof=1))
    assert spread.sampling_sd == pytest.approx(np.sqrt((8 + 32) / 2))


def test_values_stand_under_the_seed_that_trained_them(three_seeds, preset):
    """A run whose own seed is 4 says so nowhere in its name."""
    for seeds, expected in ((THREE, {0: 10.0, 1: 12.0, 2: 17.0}), (Seeds(training=(1, 2, 4), own={"ra": 4}), {4: 10.0, 1: 12.0, 2: 17.0})):
        evidence = Evidence("small", preset, scores=load_scores(three_seeds, "small", seeds))
        assert evidence.score("ra", SCORE, "fid").by_seed == expected


def test_a_seed_that_is_missing_is_said(three_seeds, preset):
    scores = load_scores(three_seeds[:2], "small", THREE)
    assert Evidence("small", preset, scores=scores).score("ra", SCORE, "fid").reason == "2 of 3 seeds so far"
    assert not scores.complete("ra", SCORE)
    assert load_scores(three_seeds, "small", THREE).complete("ra", SCORE)


@pytest.fixture
def render(write_published, comparable, tmp_path):
    folder = write_published("table_9", "a,fid,30.00", "b,fid,20.00")

    def call(files, seeds=THREE, preset=comparable):
        rows = [Row(label="A", run="ra", published="table_9/a"), Row(label="B", run="rb", published="table_9/b")]
        spec = TableSpec(id="table_9", title="T", paper="p", columns=[Column(metric="fid", better="lower")], score=SCORE, rows=rows)
        return render_table(spec, files, folder, "small", preset, tmp_path / "out", TEMPLATES, seeds=seeds)

    return call


def test_every_format_of_a_table_has_the_spread(render, three_seeds, write_score, tmp_path):
    document = render([*three_seeds, write_score("rb", fid=19.0)])
    ours, other = (row.cells[0] for row in document.rows)
    assert (ours.text, ours.sd_text, ours.sampling_sd_text, ours.difference_text) == ("13.00", "3.61", "\u2014", "\u221217.00")
    assert other.sd_text == "\u2014"
    assert "mean over 3 training seeds" in document.conditions
    assert [note.text for note in document.notes] == ["1 of 3 seeds so far"]
    assert len(document.rows[0].seeds_sha256) == 2
    for kind in ("html", "md", "tex"):
        text = (tmp_path / f"out/table_9.{kind}").read_text()
        assert "3.61" in text, kind
        assert "± sampling" not in text.replace("\\textpm{}", "±").replace("$\\pm$", "±"), kind
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out/table_9.csv").read_text())))
    assert (lines[0]["training_seeds"], lines[0]["sampling_seeds"], float(lines[0]["training_sd"])) == ("3", "1", pytest.approx(3.6056, abs=1e-4))
    assert len(lines[0]["score_sha256"].split()) == 3
    assert (lines[1]["training_seeds"], lines[1]["training_sd"]) == ("1", "")


def test_one_seed_has_no_column_of_spreads(render, write_score):
    document = render([write_score("ra", fid=1.0)], Seeds())
    assert document.rows[0].cells[0].spread is None
    assert document.conditions.endswith("Ours: one seed.")


def test_a_curve_has_a_band_where_seeds_differ(write_score, preset, tmp_path):
    files = [write_score(run, milestone, fid=fid) for run, milestone, fid in (("ra", "m200k", 9.0), ("ra__s1", "m200k", 11.0), ("ra", "m400k", 5.0))]
    series = [Series(method="sra", run="ra")]
    figure = CurvesFigure(
        kind="curves",
        id="figure_9",
        title="T",
        paper="p",
        caption="c",
        metric="fid",
        better="lower",
        samples=50000,
        milestones=["m200k", "m400k"],
        panels=[Panel(title="P", sampler="sde250", series=series)],
    )
    for found, bands in ((files, 1), (files[::2], 0)):
        document = build_curves(figure, Evidence("small", preset, scores=load_scores(found, "small")))
        draw_curves(document, tmp_path / "figure")
        assert len(re.findall(r'id="[^"]*FillBetween', (tmp_path / "figure.svg").read_text())) == bands
        assert any("drawn as a band" in remark for remark in document.remarks) == bool(bands)
    first, second = build_curves(figure, Evidence("small", preset, scores=load_scores(files, "small"))).panels[0].lines[0].points
    assert (first.value, first.spread.band) == (10.0, pytest.approx(np.sqrt(2)))
    assert (second.value, second.spread) == (5.0, None)


@pytest.fixture
def probes_figure():
    line = ProbeLine(run="base", milestones=["m400k"], method="none", label="L", times=[0.1], blocks=[3, 6])
    return ProbesFigure(kind="probes", id="figure_9", title="T", paper="p", caption="c", x="block", lines=[line])


def test_probes_of_several_trainings_are_a_mean_and_a_band(write_probe, probes_figure, preset, tmp_path):
    width = Width(depth=12, width=16, heads=2)
    files = [
        write_probe(run, accuracy, "m400k") for run, accuracy in (("base", {3: 0.5, 6: 0.8}), ("base__s1", {3: 0.7, 6: 0.8}), ("base__s2", {6: 0.5}))
    ]
    document = build_probes(
        probes_figure, Evidence("small", preset, probes=load_probes(files, "small"), carriers={"base": Carrier(width, width, {})})
    )
    first, second = document.lines[0].points
    assert (first.value, first.spread.training, first.spread.training_sd) == (pytest.approx(0.6), 2, pytest.approx(np.std([0.5, 0.7], ddof=1)))
    assert (second.value, second.spread.training) == (pytest.approx(0.7), 3)
    assert first.text == "60.0 ± 14.1"
    assert first.probe_sha256 == sha256_of_file(files[0])
    assert first.seeds_sha256 == [sha256_of_file(file) for file in files[1:]]
    assert "mean over 3 training seeds" in document.remarks[0]
    draw_probes(document, tmp_path / "figure")
    assert len(re.findall(r'id="[^"]*FillBetween', (tmp_path / "figure.svg").read_text())) == 1
