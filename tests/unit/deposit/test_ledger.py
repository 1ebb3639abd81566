"""What a document shows, as lines of the registry: which points count, and how the lines are written and sorted."""

import io
from dataclasses import replace

import pandas as pd

from sra.deposit.ledger import Line, Shown, shown_by, to_tsv
from sra.reporting.figures.probes import ProbedLine, ProbePoint, ProbesDocument

LINE = Line(
    kind="score",
    run="sit_b2",
    training_seed=0,
    milestone="m400k",
    step=300,
    sampler="sde250",
    sampling_seed=0,
    paper_samples=50_000,
    samples=500,
    time=None,
    block=None,
    metric="fid",
    value=0.1 + 0.2,
    state="done",
    shown_in="table_1 figure_4",
    file="results/digits/scores/x.json",
    file_sha256="f",
    samples_sha256="s",
    weights_sha256="w",
    fingerprint="p",
)


def point(block, status):
    value = 0.5 if status == "ok" else None
    published = {"published": "60", "published_value": 0.6, "source": "a paper"}
    place = {"x": block, "place": block, "milestone": "m4m", "time": 0.1, "block": block, "block_here": block}
    return ProbePoint(**published, **place, value=value, status=status, reason=None, probe_sha256=None)


def test_points_of_the_paper_alone_are_no_numbers_of_ours():
    points = [point(block, status) for block, status in ((1, "ok"), (2, "not run"), (3, "beyond"), (4, "not asked"))]
    said = {
        "id": "figure_7a",
        "number": "Figure 7a",
        "title": "t",
        "paper": "p",
        "caption": "c",
        "preset": "small",
        "comparable": False,
        "band": None,
    }
    document = ProbesDocument(
        **said,
        remarks=[],
        alt="a",
        rule="r",
        x="block",
        header="h",
        lines=[ProbedLine(method="none", label="baseline", run="base", points=[*points, point(1, "same")])],
    )
    found = shown_by(document)
    assert found == [Shown("probe", "base", "m4m", metric="probe_accuracy", time=0.1, block=block) for block in (1, 2, 3)]


def test_pandas_reads_every_value_back():
    empty = replace(LINE, run="sit_b2_sra", value=None, state="not run", file="", file_sha256="", training_seed=None)
    frame = pd.read_csv(io.StringIO(to_tsv([LINE, empty])), sep="\t")
    assert frame["value"].tolist()[0] == 0.1 + 0.2  # every digit
    assert frame.iloc[1][["value", "file", "training_seed"]].isna().all()
    assert frame["paper_samples"].tolist() == [50_000, 50_000]


def test_lines_stand_by_kind_run_and_step_whatever_came_first():
    lines = [
        replace(LINE, milestone="m4m"),
        replace(LINE, milestone="m400k"),
        replace(LINE, run="dit_b2"),
        replace(LINE, kind="images", run="a"),
        replace(LINE, kind="probe", block=10),
        replace(LINE, kind="probe", block=9),
        replace(LINE, kind="cost", milestone=""),
    ]
    text = to_tsv(lines)
    assert to_tsv(reversed(lines)) == text
    frame = pd.read_csv(io.StringIO(text), sep="\t")
    assert frame["kind"].tolist() == ["score"] * 3 + ["probe"] * 2 + ["cost", "images"]
    assert frame["run"].tolist()[:3] == ["dit_b2", "sit_b2", "sit_b2"]
    assert frame["milestone"].tolist()[1:3] == ["m400k", "m4m"]
    assert frame["block"].tolist()[3:5] == [9, 10]
