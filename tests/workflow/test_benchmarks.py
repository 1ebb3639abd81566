"""`sra bench`: that every benchmark is there, what it writes, and that README shows what was written. None of it asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.speed import BEGIN, END, block, read_receipts

from sra.cli.benchmarking import FOLDER, NAMES

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "sra", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_name_is_a_script_and_every_script_has_a_name():
    assert {path.stem.removeprefix("bench_") for path in (ROOT / FOLDER).glob("bench_*.py")} == set(NAMES)
    listed = bench().stdout
    assert all(f"  {name} " in listed for name in NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_is_run(name):
    """Without a peer that is missing, too: it imports all of them first."""
    done = bench(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"sra bench {name}" in done.stdout
    assert "--output" in done.stdout


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


def test_readme_shows_what_the_receipts_say():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    receipts = read_receipts()
    assert {receipt["benchmark"] for receipt in receipts} <= set(NAMES)
    assert readme.split(BEGIN)[1].split(END)[0].strip() == block(receipts)
