"""The report's document: counts, costs, citations and limits follow from what lies in the results."""

import shutil

import pytest
from report_samples import COUNTS, TEMPLATES, claims_of, report_in

from sra.content.figures import GridFigure, SampleSeries
from sra.content.tables import Column, Row, TableSpec
from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.reporting.figures.render import render_figure
from sra.reporting.report.document import Planned
from sra.reporting.report.spending import costs_of, spent_by_stage, time_text
from sra.reporting.tables.render import render_table
from sra.reporting.write.numbers import NARROW_SPACE
from sra.spec.metric import ScoreOf


@pytest.fixture
def planned() -> Planned:
    return Planned(
        device="cpu", unit="core", seconds={"data": 0.0, "training": 7200.0, "sampling": 600.0, "scoring": 0.0}, alone={"table_9": 125.0},
        runs=2, steps=12_000, images=500, kept_bytes=2**20, meanwhile_bytes=2**30, watts=15.0, power="assumed, of one busy core",
        sources="The time rests 100% on assumed rates.", not_counted=["what you fetch"],
    )  # fmt: skip


@pytest.fixture
def table(tmp_path, preset, write_score, write_published):
    """Table 9 with two rows, of which one is scored, rendered into the folder; returns its score files."""
    spec = TableSpec(
        id="table_9", title="T", paper="p", columns=[Column(metric="fid", better="lower")],
        score=ScoreOf(milestone="m400k", sampler="sde250", samples=50000),
        rows=[Row(label="A", run="base", published="table_9/a"), Row(label="B", run="ours", published="table_9/a")],
    )  # fmt: skip
    scores = [write_score("base", fid=10.0)]
    render_table(spec, scores, write_published("table_9", "a,fid,29.10"), "small", preset, tmp_path / "tables", TEMPLATES)
    return scores


def benchmark(folder, name, *rows, columns="s\th:m:s\tmax_rss\tcpu_time"):
    path = folder / "benchmarks" / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_jobs_are_summed_by_stage_without_rendering(tmp_path):
    benchmark(tmp_path, "train/b/m200k", "10.5\t0:00:10\t100.0\t9.0")
    benchmark(tmp_path, "train/b/m400k", "2\t0:00:02\t300.0\t1.5")
    benchmark(tmp_path, "score/b", "1.25\t0:00:01\tNA\t-")
    for rendering in ("table/table_1", "figure/figure_4", "claims", "report"):
        benchmark(tmp_path, rendering, "99\t0:01:39\t999.0\t99.0")
    train, score = spent_by_stage([tmp_path / "benchmarks", tmp_path / "nowhere"])
    assert (train.stage, train.jobs, train.seconds, train.core_seconds, train.peak_mib) == ("train", 2, 12.5, 10.5, 300.0)
    assert (score.stage, score.jobs, score.seconds, score.core_seconds, score.peak_mib) == ("score", 1, 1.25, None, None)


def test_a_file_that_is_no_benchmark_is_refused(tmp_path):
    benchmark(tmp_path, "train/b/m400k", "here", columns="nothing")
    with pytest.raises(InputError, match=r"m400k.tsv: not a Snakemake benchmark file"):
        spent_by_stage([tmp_path / "benchmarks"])


def test_stages_stand_under_the_work_that_was_planned(tmp_path, planned):
    for stage in ("train", "train_vae", "sample", "pack", "make_reference", "make_digits", "mystery"):
        benchmark(tmp_path, f"{stage}/one", "60\t0:01:00\t1.0\t30.0")
    costs = costs_of(spent_by_stage([tmp_path / "benchmarks"]), planned, None)
    assert {row.name: {spent.stage for spent in row.measured} for row in costs.rows} == {
        "data": {"train_vae", "make_digits"},
        "training": {"train"},
        "sampling": {"sample", "pack"},
        "scoring": {"make_reference"},
        "other": {"mystery"},
    }
    assert [row.planned_seconds for row in costs.rows] == [0.0, 7200.0, 600.0, 0.0, None]
    assert costs.rows[0].seconds == 120.0
    assert costs.rows[0].core_seconds == 60.0


def test_costs_are_told_with_what_they_assume(tmp_path, planned):
    benchmark(tmp_path, "train/one", "7200\t2:00:00\t1.0\t3600.0")
    costs = costs_of(spent_by_stage([tmp_path / "benchmarks"]), planned, 3 * 2**30)
    text = " ".join(costs.sentences)
    assert "2 runs to train for 12 000 steps, 500 images to draw, 2.17 core-hours" in text
    assert "32.5 Wh at 15 W" in text  # 7800 s
    assert "1 job, one after the other 2 h 00 min, 1.00 core-hours of processor time, 3.00 GiB on disk" in text
    assert "Energy of these core-hours: 15.0 Wh, if a busy core takes 15 W (assumed, of one busy core)" in text
    assert "Not in the plan: what you fetch." in text


def test_energy_of_gpus_names_its_assumption(tmp_path, planned):
    benchmark(tmp_path, "train/one", "3600\t1:00:00\t1.0\t99999.0")
    costs = costs_of(spent_by_stage([tmp_path / "benchmarks"]), planned.model_copy(update={"unit": "GPU", "watts": 400.0}), None)
    assert any("400 Wh if each job kept one GPU of 400 W busy" in sentence for sentence in costs.sentences)


def test_the_summary_counts_the_devices_that_the_preset_is_for(tmp_path, preset, planned):
    benchmark(tmp_path, "train/one", "3600\t1:00:00\t1.0\t7200.0")
    benchmark(tmp_path, "make_digits", "1800\t0:30:00\t1.0\t0.0")

    def facts(**changes) -> dict[str, str]:
        report = report_in(tmp_path, preset, planned=planned.model_copy(update=changes), disk_bytes=2**30)
        return {fact.name: fact.values[0].text for fact in report.summary.facts}

    on_cores, on_gpus = facts(), facts(unit="GPU")
    assert (on_cores["Time of all jobs"], on_cores["Processor time"], on_cores["Disk"]) == ("1 h 30 min", "2.00 core-hours", "1.00 GiB")
    assert on_gpus["GPU time"] == "1.00 GPU-hours"  # what makes the digits needs none
    assert "Processor time" not in on_gpus


def test_times_are_minutes_until_ten_hours(planned):
    assert costs_of([], planned, None).unit == "min"
    long = planned.model_copy(update={"seconds": {"training": 36_000.0}})
    assert costs_of([], long, None).unit == "h"
    assert (time_text(90.0, "min"), time_text(36_000.0, "h"), time_text(None, "h")) == ("1.5", "10.0", "—")


def test_verdicts_name_the_first_claim_of_their_kind(tmp_path, preset, write_score):
    scores = [write_score("ours", fid=9.0), write_score("base", fid=10.0)]
    path = claims_of(tmp_path, scores)
    document = read_json(path)
    write_json(path, {**document, "claims": [*document["claims"], {**document["claims"][0], "id": "two"}]})
    report = report_in(tmp_path, preset, scores, claims_file=path)
    assert {count.verdict: count.count for count in report.verdicts} == COUNTS
    assert {count.verdict: count.first for count in report.verdicts} == {
        "supported": "one", "contradicted": None, "equivalent": None, "undecided": None, "not judged": None, "not run": None,
    }  # fmt: skip
    assert report_in(tmp_path, preset, scores, claims_file=claims_of(tmp_path, scores, judged=False)).verdicts == []


def test_commands_say_what_they_take(tmp_path, preset, table, planned):
    report = report_in(tmp_path, preset, table, planned=planned)
    everything, _, of_table = report.commands
    assert everything.takes == "about 2.17 core-hours of one core from nothing"
    assert (of_table.command, of_table.takes) == ("snakemake --cores 2 table_9 --config preset=small", "about 2 min 05 s of one core from nothing")
    assert report_in(tmp_path, preset, table).commands[2].takes is None


def test_limits_follow_the_preset_and_what_was_run(tmp_path, preset, comparable, table):
    small = " ".join(limit.text for limit in report_in(tmp_path, preset, table).limits)
    assert "Preset small trains on digits (8 × 8 pixels, 10 classes) until the paper's 4M, which is step 900 here, in batches of 1." in small
    assert f"It draws few images: 500 where the paper draws 50{NARROW_SPACE}000. FID" in small
    assert "Not complete yet: Table 9." in small
    assert "neither confirmed nor refuted" in small
    large = " ".join(limit.text for limit in report_in(tmp_path, comparable, table).limits)
    assert "neither confirmed nor refuted" not in large
    assert "Baselines of one recipe scatter by laboratory" in large


def test_changes_that_are_not_committed_are_said(tmp_path, preset):
    assert report_in(tmp_path, preset, commit="abc1234").provenance.code == "commit abc1234"
    assert report_in(tmp_path, preset, commit="abc1234", changed=True).provenance.code == "commit abc1234, with changes that are not committed"
    assert report_in(tmp_path, preset).provenance.code == "commit unknown: no checkout"


def test_the_network_of_the_second_distance_is_named_with_what_it_learnt(tmp_path, preset, write_score):
    scores = [write_score(run, fid=10.0, fd_selfsup=0.1) for run in ("base", "ours")]
    for path in scores:
        about = {"fd_selfsup": {"extractor": "fashion_rotation", "extractor_sha256": "e" * 64, "held_out_accuracy": 0.962}}
        write_json(path, read_json(path) | {"about": about})
    report = report_in(tmp_path, preset, scores)
    assert [network.text for network in report.provenance.extractors] == ["digits_cnn", "fashion_rotation"]
    assert report.provenance.extractors[1].remark == "e" * 64
    [networks] = [fact.values for fact in report.summary.facts if fact.name == "Feature network"]
    assert [(value.text, value.remark) for value in networks] == [
        ("97.5 %", "digits_cnn, accuracy on held-out real images"),
        ("96.2 %", "fashion_rotation, which no label taught: turns told of held-out real images"),
    ]


def test_a_citation_of_nothing_is_refused(tmp_path, preset, root):
    written = tmp_path / "report"
    shutil.copytree(root / "report", written)
    limits = written / "limits.yaml"
    limits.write_text(limits.read_text().replace("cites: [repa]", "cites: [repas]"))
    with pytest.raises(InputError, match=r"limits\.yaml: unknown reference 'repas'; did you mean 'repa'"):
        report_in(tmp_path, preset, written=written)


def test_a_key_that_is_given_twice_is_refused(tmp_path, preset, root):
    written = tmp_path / "report"
    shutil.copytree(root / "report", written)
    references = written / "references.yaml"
    references.write_text(references.read_text().replace("key: sit\n", "key: repa\n"))
    with pytest.raises(InputError, match="two references have the same key"):
        report_in(tmp_path, preset, written=written)


def test_the_library_names_items_that_exist_and_each_neighbour(tmp_path, preset, root):
    references = report_in(tmp_path, preset).references
    items = {item for reference in references for item in reference.items}
    assert items <= {path.stem for kind in ("tables", "figures") for path in (root / "report" / kind).glob("*.yaml")}
    benchmark = {reference.key for reference in references if "table_b0" in reference.items}
    assert benchmark >= {"repa", "sra2", "layersync", "haste", "reg", "dispersive", "contrastive", "irepa"}
    assert {"repa", "sra2", "selfflow", "layersync", "haste", "reg"} <= {reference.key for reference in references if "table_s4" in reference.items}
    assert all(reference.url.startswith("https://arxiv.org/abs/") for reference in references)
    assert all(reference.url.rpartition("/")[2].split("v")[0] in reference.where for reference in references)


def test_the_document_holds_no_machine_path_and_repeats(tmp_path, preset, table, planned):
    one, other = (report_in(tmp_path, preset, table, planned=planned).model_dump_json() for _ in range(2))
    assert one == other
    assert str(tmp_path) not in one


def test_a_figure_in_place_of_others_is_shown_alone_in_their_place(tmp_path, preset, write_published):
    score = ScoreOf(milestone="m400k", sampler="cfg4", samples=50000)
    common = {"kind": "grid", "title": "T", "paper": "p", "caption": "c", "score": score, "runs": [SampleSeries(method="sra", run="ours")]}
    figures = [GridFigure(id=f"figure_{number}", classes=[number], **common) for number in (9, 10, 11, 12)]
    figures.append(GridFigure(id="figure_10_11", classes=[10, 11], in_place_of=["figure_10", "figure_11"], **common))
    for figure in figures:
        render_figure(figure, [], {}, write_published("table_9"), "small", preset, tmp_path / "figures")
    shown = report_in(tmp_path, preset).figures
    assert [item.document.number for item in shown] == ["Figure 9", "Figures 10 to 11", "Figure 12"]
