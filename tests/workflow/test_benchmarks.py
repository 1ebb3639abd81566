"""`sra bench`: that every benchmark is there, what it writes, and that README shows what was written. None of it asserts a time."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.speed import BEGIN, END, block, read_receipts

from sra.commands.bench import FOLDER, NAMES

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "sra", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def scripts(monkeypatch):
    """They import each other by name, as when one of them is run."""
    monkeypatch.syspath_prepend(ROOT / FOLDER)


def test_every_name_is_a_script_and_every_script_has_a_name():
    assert {path.stem.removeprefix("bench_") for path in (ROOT / FOLDER).glob("bench_*.py")} == set(NAMES)
    listed = bench().stdout
    assert all(f"  {name} " in listed for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_is_run(name, scripts, monkeypatch, capsys):
    """Without a peer that is missing, too: it imports all of them first."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / FOLDER / f"bench_{name}.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert f"sra bench {name}" in said
    assert "--output" in said


def test_a_receipt_has_what_the_table_shows(tmp_path):
    done = bench("store", "--rows", "1100", "--images", "256", "--turns", "1", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    receipt = json.loads((tmp_path / "store.json").read_text(encoding="utf-8"))
    assert receipt["command"] == "sra bench store --rows 1100 --images 256 --turns 1"
    assert {"date", "commit", "device", "threads", "versions"} <= set(receipt)
    assert receipt["ceilings"]["copy"] > 0
    for row in receipt["rows"]:
        assert row["ratio"] == pytest.approx(row["seconds"][0] / row["peer_seconds"][0], rel=2e-3)
    shown = block([receipt])
    assert all(f"| {row['what']}" in shown and row["peer"] in shown for row in receipt["rows"])
    assert receipt["command"] in shown
    assert str(tmp_path) not in json.dumps(receipt)


def test_the_start_of_a_builds_jobs_is_what_their_logs_say(scripts, monkeypatch, capsys, tmp_path):
    """Not what it takes now, on a machine that does something else."""

    def job(place, log, ended, said):
        record, log = tmp_path / f"digits/benchmarks/{place}.tsv", tmp_path / f"digits/logs/{log}.log"
        for path, text in ((record, "s\tcpu_time\n10.0\t9.0\n"), (log, said)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        os.utime(record, (ended, ended))

    def said():
        monkeypatch.setattr(sys, "argv", ["bench_chain.py", "--results", str(tmp_path), "--cores", "1"])
        runpy.run_path(str(ROOT / FOLDER / "bench_chain.py"), run_name="__main__")
        return capsys.readouterr()

    job("train/a/m1", "train/a/m1", 10, "train a: 0/9 steps, starting\n")
    job("report/registry", "registry", 20, "")
    old = said()
    assert "processes starting" not in old.out
    assert "is not in the logs of this build" in old.err
    job("train/a/m1", "train/a/m1", 10, "started in 2.50 s\ntrain a: 0/9 steps, starting\n")
    assert "1 of 2 processes starting, in the rows above" in said().out
    job("report/registry", "registry", 20, "started in 0.75 s\n")
    assert re.search(r"2 processes starting, in the rows above.* 3\.25", said().out)


@pytest.mark.parametrize(("mixed", "near"), [(None, "NEAR"), ("bfloat16", "NEAR_ROUNDED"), ("float16", "NEAR_ROUNDED")])
@pytest.mark.parametrize("run", ["sit_b2_sra", "sit_b2"])
def test_the_straight_loop_trains_as_ours_does(run, mixed, near, scripts, tiny_run, tiny_stores):
    """In mixed precision too, which it has on a GPU alone."""
    import bench_train
    import torch
    from straight import StraightLoop
    from train_candidates import norms

    from sra.training.setup import set_up

    spec, cpu = tiny_run(run, training={"learning_rate": 1e-4}), torch.device("cpu")
    ours = set_up(spec, tiny_stores[0], None, cpu)
    head = ours.state.alignments["sra"].head if "sra" in ours.state.alignments else None
    loop = StraightLoop(spec, ours.state.model.state_dict(), head, cpu, mixed and getattr(torch, mixed))
    for step in range(10):
        loop.step(ours.batches.at(step))
        ours.step()
    bench_train.check_nearness([norms(ours.state.model), norms(loop.model)], getattr(bench_train, near))


def test_a_batch_is_as_large_as_was_asked_for(scripts, tmp_path):
    from train_candidates import batches_of, spec_of, write_stores

    write_stores(tmp_path, 80)
    for run in ("sit_b2_sra", "mmdit_sra"):
        assert len(batches_of(spec_of(run, 80), str(tmp_path))(0)) == 80


def test_candidates_that_train_differently_are_no_peers(scripts):
    from bench_train import NEAR, NEAR_ROUNDED, check_nearness

    rounded, other = [1.0, 2.003], [1.0, 2.3]
    ours = [1.0, 2.0]
    check_nearness([ours, [1.0, 2.00001], None], NEAR)
    check_nearness([ours, rounded, ours, rounded], NEAR_ROUNDED)
    for theirs, near in [(rounded, NEAR), (other, NEAR_ROUNDED)]:
        with pytest.raises(SystemExit, match="they do not train the same"):
            check_nearness([ours, theirs], near)


def record(results: Path, name: str, seconds: float, end: float) -> None:
    path = results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\n{seconds}\t0:00:00\n", encoding="utf-8")
    os.utime(path, (end, end))


def test_the_chain_accounts_for_every_core_second_of_one_build(tmp_path):
    results = tmp_path / "results"
    record(results, "shared/digits/benchmarks/train_vae/digits_vae.tsv", 20, 1020)
    record(results, "digits/benchmarks/train/sit_b2/m400k.tsv", 30, 1050)
    record(results, "digits/benchmarks/sample/sit_b2/m400k.tsv", 20, 1040)
    record(results, "digits/benchmarks/claims.tsv", 4, 1050)
    command = ["chain", "--results", str(results), "--cores", "2"]
    done = bench(*command, "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    receipt = json.loads((tmp_path / "chain.json").read_text(encoding="utf-8"))
    shares = [row["seconds"][0] for row in receipt["rows"]]
    assert shares == [30, 20, 20, 4, 26]  # of 2 cores from 1000 to 1050
    assert (receipt["facts"]["jobs"], receipt["facts"]["seconds"]) == (4, 50)

    record(results, "digits/benchmarks/score/sit_b2/m400k.tsv", 3, 9000)
    refused = bench(*command)
    assert refused.returncode == 1
    assert refused.stderr.endswith("so they are those of several builds; give the results of one\n")


def test_the_page_shows_what_the_receipts_say():
    readme = (ROOT / "results" / "reference" / "README.md").read_text(encoding="utf-8")
    receipts = read_receipts()
    assert {receipt["benchmark"] for receipt in receipts} <= set(NAMES)
    assert readme.split(BEGIN)[1].split(END)[0].strip() == block(receipts)
