"""The table of a study: every number in every format, nothing dropped silently, nothing ranked where nothing may be."""

import csv
import io
import json
from dataclasses import replace

import pytest
from study_documents import ROWS, SEEDS, Made, digest, made_study, value_of, whole_study

from sra.content.catalogue import Catalogue
from sra.content.tables import TableSpec
from sra.reporting.tables.document import TableDocument
from sra.reporting.tables.grid import grid_of, pages_of
from sra.reporting.tables.render import render_table
from sra.spec.load import load
from sra.spec.study import Study

KINDS = ("html", "csv", "tex", "md")
TABLE = TableSpec(kind="study", id="table_b9", title="T", paper="none", study="toy")


@pytest.fixture
def formats(tmp_path, preset, root):
    """formats(document) -> the text of each format."""

    def render(study):
        render_table(TABLE, [], tmp_path / "published", "small", preset, tmp_path, root / "report/templates", study=study)
        return {kind: (tmp_path / f"table_b9.{kind}").read_text(encoding="utf-8") for kind in (*KINDS, "json")}

    return render


def with_absent(run: str, absent: dict[int, str], rows=ROWS) -> tuple[Made, ...]:
    """The rows, one of which lacks trainings."""
    return tuple(replace(row, absent=absent) if row.run == run else row for row in rows)


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_value_of_every_seed_is_in_csv_and_json(formats):
    found = formats(made_study())
    scores = [record for record in records(found["csv"]) if record["quantity"] == "score"]
    assert len(scores) == len(ROWS) * 4 * len(SEEDS)
    one = next(record for record in scores if (record["run"], record["milestone"], record["seed"]) == ("repa", "m400k", "3"))
    assert float(one["value"]) == value_of(ROWS[5], 3, 400)
    assert one["score_sha256"] == digest("repa", 3, "m400k")
    assert json.loads(found["json"])["study"]["rows"][5]["points"][3]["values"][3]["value"] == value_of(ROWS[5], 3, 400)


def test_every_effect_reach_cost_trial_and_control_is_in_the_csv(formats):
    study = made_study()
    found = records(formats(study)["csv"])
    for row in study.rows:
        of_row = [record for record in found if record["run"] == row.run and record["kind"] == row.kind]
        for effect in row.effects:
            line = next(one for one in of_row if one["quantity"] == "ratio" and (one["budget"], one["metric"]) == (effect.budget, effect.metric))
            assert [float(line[name]) for name in ("value", "low", "high", "p_value")] == [effect.mean, effect.low, effect.high, effect.p_value]
            assert line["p_holm"] == ("" if effect.p_holm is None else repr(effect.p_holm))
        assert sum(one["quantity"] == "speed-up" for one in of_row) == len(row.reach)
        assert sum(one["quantity"] == "ratio of a seed" for one in of_row) == sum(len(effect.seeds) for effect in row.effects)
    assert sum(record["kind"] == "trial" for record in found) == sum(len(sweep.trials) for sweep in study.sweeps)
    controls = {record["label"] for record in found if record["kind"] == "control of the study"}
    assert controls == {"SiT, trained longer", "SiT, other seeds"}


def test_bold_and_verdicts_of_an_informative_study(formats):
    found = formats(made_study())
    grid = {row.label: row for _, rows in grid_of(_document(made_study())).groups for row in rows}
    assert [label for label, row in grid.items() if any(cell.best for cell in row)] == ["SRA", "REPA"]  # tuned rows and controls are in no family
    for text in (found["html"], found["md"]):
        assert "✓ better" in text
        assert "✗ worse" in text
    assert "\\textbf{" in found["tex"]
    assert "<strong>0." in found["html"]


@pytest.mark.parametrize("informative", [False, None])
def test_nothing_is_bold_or_judged_where_the_study_is_not_informative(formats, informative):
    study = made_study(informative=informative)
    found = formats(study)
    assert "<strong>0." not in found["html"]
    assert 'class="sortable"' not in found["html"]
    assert "\\textbf" not in found["tex"]
    for kind in ("html", "md", "tex"):
        assert study.informative_words in found[kind]
        assert "not ranked" in found[kind]
        assert "Nothing is ranked here." in found[kind]
    judged = [record for record in records(found["csv"]) if record["verdict"] and record["kind"] != "control of the study"]
    assert judged == []
    # What makes it informative or not keeps its own verdict.
    assert "SiT, trained longer (800K)" in found["md"]


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ({1: "not run"}, ["4 of 5", "seed 1: not run"]),
        ({1: "diverged at step 300"}, ["4 of 5, 1 diverged", "seed 1: diverged at step 300"]),
        (dict.fromkeys(SEEDS, "diverged at step 20"), ["diverged", "seeds 0, 1, 2, 3 and 4: diverged at step 20"]),
        (dict.fromkeys(SEEDS, "not run"), ["not run", "seeds 0, 1, 2, 3 and 4: not run"]),
        (dict.fromkeys(SEEDS[1:], "not run"), ["1 of 5", "○ one seed", "seeds 1, 2, 3 and 4: not run"]),
        ({3: "unequal", 4: "unequal"}, ["3 of 5", "seeds 3 and 4: not run"]),  # the document does not even name them
    ],
)
def test_what_is_missing_is_said_in_every_format(formats, absent, words):
    found = formats(made_study(with_absent("sra", absent)))
    for kind in ("html", "md", "tex"):
        for word in words:
            shown = word.replace("○", "$\\circ$") if kind == "tex" else word
            assert shown in found[kind], (kind, word)
    of_row = [record for record in records(found["csv"]) if record["run"] == "sra" and record["milestone"] == "m400k"]
    statuses = [record["status"] for record in of_row if record["quantity"] == "score"]
    assert statuses.count("ok") == 5 - len(absent)
    assert next(record["n"] for record in of_row if record["quantity"] == "mean") == str(5 - len(absent))


def test_a_row_without_any_training_has_no_verdict(formats):
    grid = {row.label: row for _, rows in grid_of(_document(made_study(with_absent("sra", dict.fromkeys(SEEDS, "not run"))))).groups for row in rows}
    texts = [cell.text for cell in grid["SRA"]]
    assert texts[0] == "not run"
    assert not {"✓ better", "✗ worse", "≈ equivalent", "? undecided"} & set(texts)


def test_hours_that_were_not_measured_are_said_to_be(formats):
    found = formats(made_study(hours=False))
    assert "hours were not measured" in found["md"]
    assert "not measured" in found["html"]


def test_a_tuned_row_stands_under_its_method_and_the_studys_controls_last():
    labels = [row.label for _, rows in grid_of(_document(made_study(tuple(reversed(ROWS))))).groups for row in rows]
    assert labels[labels.index("SRA") + 1] == "SRA, tuned ×4"
    assert labels[-2:] == ["SiT, trained longer (800K)", "SiT, other seeds"]


def test_the_baseline_trained_longer_has_its_own_numbers_and_other_seeds_none():
    study = made_study()
    end = study.base.points[-1].model_copy(update={"milestone": "m800k", "step": 800, "mean": 1.234})
    base = study.base.model_copy(update={"points": [*study.base.points, end]})
    grid = grid_of(_document(study.model_copy(update={"rows": [base if row is study.base else row for row in study.rows]})))
    found = {row.label: list(row) for _, rows in grid.groups for row in rows}
    assert found["SiT"][0].text != "1.23"
    assert found["SiT, trained longer (800K)"][0].text == "1.23"
    assert found["SiT, trained longer (800K)"][0].receipt == end.values[0].score_sha256
    assert found["SiT, trained longer (800K)"][1].text == found["SiT"][1].text  # the sd of the same values
    assert [cell.text for cell in found["SiT, other seeds"][:2]] == ["—", "—"]


def test_numbers_lead_to_their_receipts_and_the_published_ones_name_their_protocol(formats):
    grid = grid_of(_document(made_study()))
    receipts = [cell.receipt for _, rows in grid.groups for row in rows for cell in row if cell.receipt]
    assert receipts == [digest(run, 0, "m400k") for run in ("plain", "sra", "sra__weight_x4", "sync", "apart", "repa", "stop")]
    assert "400K, SDE 250" in formats(made_study())["html"]


def test_paper_has_the_same_cells_in_two_pieces():
    document = _document(made_study())
    whole = [cell for _, rows in grid_of(document).groups for row in rows for cell in row]
    pieces = [cell for grid in pages_of(document) for _, rows in grid.groups for row in rows for cell in row]
    assert sorted(cell.text for cell in whole) == sorted(cell.text for cell in pieces)
    assert [grid.headings[0].text for grid in pages_of(document)] == ["FID ↓", "FID, published"]


def test_the_same_study_gives_the_same_bytes(formats):
    assert formats(made_study()) == formats(made_study())


def test_hostile_words_start_nothing(formats, hostile):
    rows = tuple(replace(row, label=f"{row.label}{hostile}", note=hostile) for row in ROWS)
    found = formats(made_study(rows, informative_words=hostile, machine=hostile, threats=[hostile]))
    assert "<img" not in found["html"]
    assert "<img" not in found["md"]


def test_every_row_of_the_studys_file_has_its_line(root):
    study = load(root / "config/studies/methods.yaml", Study)
    labels = [row.label for _, rows in grid_of(_document(whole_study(study))).groups for row in rows]
    assert [label for label in labels if label in {row.label for row in study.all_rows}] == [row.label for row in study.all_rows]


def test_a_table_of_a_study_has_nothing_else(root):
    assert Catalogue(root, "digits").tables["table_b1"].study == "methods"
    with pytest.raises(ValueError, match="a table of study needs study; add it, or change kind"):
        TableSpec(kind="study", id="table_b9", title="T", paper="none")
    with pytest.raises(ValueError, match="a table of scores has no study; remove it, or change kind"):
        TableSpec(
            id="table_b9", title="T", paper="none", study="toy", columns=[{"metric": "fid", "better": "lower"}], rows=[{"label": "a"}],
            score={"milestone": "m400k", "sampler": "sde250", "samples": 500},
        )  # fmt: skip


def _document(study):
    return TableDocument(
        kind="study", id="table_b9", number="Table B9", title="T", paper="none", preset="small", comparable=False, band=None, conditions="",
        setting_columns=[], columns=[], rows=[], study=study, notes=[],
    )  # fmt: skip


def test_a_measured_time_stands_with_the_range_of_its_turns(formats):
    study = made_study()
    found = formats(study)
    sra = next(row for row in study.rows if row.label == "SRA")
    shown = f"×{sra.hours_a_step:.2f} ({sra.hours_a_step * 0.9:.2f} to {sra.hours_a_step * 1.2:.2f})"
    assert shown in found["md"]
    assert "time a step with the range of its turns" in found["md"]
    record = next(one for one in records(found["csv"]) if (one["run"], one["quantity"]) == (sra.run, "cost: step_time_over_baseline"))
    assert [float(record[name]) for name in ("low", "value", "high")] == [sra.hours_a_step_range[0], sra.hours_a_step, sra.hours_a_step_range[1]]
