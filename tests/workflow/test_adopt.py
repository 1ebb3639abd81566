"""Results that were copied: what Snakemake would do to them for their times, and that after `sra adopt` it does nothing, or only what is right."""

import subprocess
import sys
from pathlib import Path

import pytest
from finished_build import CONFIG, SAMPLES, STATES, TABLE, WEIGHTS, contents, finish

TARGET = "table_s9"


def adopt(checkout, *words):
    command = [sys.executable, "-m", "sra", "adopt", TARGET, *words]
    return subprocess.run(command, cwd=checkout.folder, env=checkout.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(checkout):
    """A finished build whose times are in the wrong order, and no `.snakemake`."""
    checkout.show_only(table_s9=TABLE)
    finish(checkout.folder)
    return checkout


def test_adopted_results_train_nothing_and_keep_every_byte(copied):
    before = contents(copied.folder)
    dry = copied.snakemake("--dry-run", TARGET)
    assert "note: 2 finished trainings would be done again for the times of files alone, as after a copy (" in dry.stdout
    assert "make adopt" in dry.stdout
    assert copied.planned(TARGET)["train_segment"] == 2
    done = adopt(copied)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len([path for path in before if not path.endswith(('.receipt.json', '.tsv'))])} files taken over as finished\n"
    ran = copied.snakemake(TARGET)
    assert "Nothing to be done" in ran.stdout, ran.stdout
    assert "note:" not in ran.stdout
    assert contents(copied.folder) == before
    # The books are kept too: what changes afterwards is noticed, as after a build of one's own.
    copied.rewrite("config/presets/digits.yaml", (r"\nbatch: \d+", "\nbatch: 7"))
    assert copied.planned(TARGET)["train_segment"] == 2


def test_what_is_damaged_or_of_another_configuration_is_left_out_and_made_again(copied):
    root = copied.folder
    (root / WEIGHTS).write_text("bytes that went wrong on the way")
    done = adopt(copied)
    assert f"left out: {WEIGHTS}: has " in done.stderr
    assert done.stdout.endswith("; 1 file left out: snakemake makes it again\n")
    assert copied.planned(TARGET) == {**dict.fromkeys(("export_ema", "sample_shard", "pack_samples", "score_samples", "render_table"), 1), TARGET: 1}
    finish(root)
    copied.rewrite("config/presets/digits.yaml", (r"\nbatch: \d+", "\nbatch: 7"))
    done = adopt(copied)
    assert f"left out: {STATES[0]}: is of another configuration of sit_b2 than the one here" in done.stderr
    assert not (root / CONFIG).exists()
    planned = copied.planned(TARGET)
    assert (planned["resolve_run"], planned["train_segment"]) == (1, 2)
    assert not {"make_digits", "train_vae", "extract_latents"} & set(planned)


def test_an_archive_of_receipts_and_scores_needs_nothing_until_something_is_asked(copied):
    for path in (*STATES, WEIGHTS, SAMPLES, "results/shared/digits/images.zip"):
        (copied.folder / path).unlink()
    assert copied.planned(TARGET)["train_segment"] == 2
    assert adopt(copied).returncode == 0
    assert copied.planned(TARGET) == {}
    assert copied.planned(SAMPLES)["train_segment"] == 2


def test_where_nothing_was_copied_it_says_so(checkout):
    done = adopt(checkout)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: results/digits: nothing to take over; ")
    assert Path(checkout.folder / "results").exists() is False


def test_where_snakemake_refuses_no_time_is_changed(copied):
    times = {path: path.stat().st_mtime_ns for path in (copied.folder / "results").rglob("*") if path.is_file()}
    done = adopt(copied, "table_0")
    assert done.returncode == 1
    said = "unknown table 'table_0'; did you mean 'table_s9'?"
    assert done.stderr.splitlines()[-1] == f"error: snakemake --touch: {said}; put that right and adopt again"
    assert {path: path.stat().st_mtime_ns for path in times} == times
