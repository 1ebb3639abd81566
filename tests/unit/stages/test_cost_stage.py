"""`sra cost`: what it prints and returns, rates measured from results, and that it needs neither torch nor a GPU."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sra.cli import planning
from sra.core.errors import InputError
from sra.core.files import write_json, write_text
from sra.core.receipts import receipt_path
from sra.plan.cost import sampling_flops, training_flops
from sra.plan.layout import Results
from sra.spec.display import ScoreOf
from sra.spec.registry import Registry
from sra.stages.cost import cost_of, json_of, show_cost, text_of

ROOT = Path(__file__).parents[3]
DIGITS = Registry(ROOT, "digits")
BENCHMARK = "s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t100\n"
MACHINE = {"device": "cpu", "processes": 1, "micro_batch": None, "compile": False, "activation_checkpointing": False}
START = 2  # seconds of a job on a core, config/throughput.tsv


@pytest.fixture
def finished(checkout):
    """`finished("sit_b2", "m200k", 12.0)`: a segment with its state's receipt and its benchmark file."""
    results = Results("digits")

    def make(run, point, seconds, **changes):
        step = DIGITS.preset.milestones[point]
        state = checkout.folder / results.state(run, point)
        facts = {"fingerprint": DIGITS.spec(run).fingerprint, "step": step, "machine": MACHINE} | changes
        write_text(state, "a state")
        write_json(receipt_path(state), {"facts": facts})
        write_text(checkout.folder / results.folder / "benchmarks" / "train" / run / f"{point}.tsv", BENCHMARK.format(seconds=seconds))

    return make


@pytest.fixture
def drawn(checkout):
    """`drawn("sit_b2", [10.0])`: a sample set at 400K with the seconds of its shards."""
    score, results = ScoreOf(milestone="m400k", sampler="sde250", samples=50_000), Results("digits")

    def make(run, seconds, device="cpu"):
        pack = checkout.folder / results.samples(run, score)
        sampler = DIGITS.sampler("sde250").model_dump(mode="json")
        facts = {"fingerprint": DIGITS.spec(run).fingerprint, "sampler": sampler, "count": DIGITS.sample_count(50_000), "device": device}
        write_text(pack, "a pack")
        write_json(receipt_path(pack), {"facts": facts})
        folder = checkout.folder / results.folder / "benchmarks" / "sample" / run / "m400k" / "sde250" / "n50000"
        for shard, taken in enumerate(seconds):
            write_text(folder / f"{shard:03d}_of_{len(seconds):03d}.tsv", BENCHMARK.format(seconds=taken))

    return make


def rate_used(cost, what, network):
    return next(rate for rate, networks in cost.used.items() if rate.what == what and network in networks)


# Measured rates


def test_finished_segments_give_the_rate_of_their_model_and_a_median_for_others(checkout, finished):
    finished("sit_b2", "m200k", 12.0)
    finished("sit_b2", "m400k", 7.0)
    finished("sit_l2", "m200k", 3.0, fingerprint="of another run")
    found = cost_of(checkout.folder, "digits", "trained", ["figure_4"])
    step = DIGITS.spec("sit_b2").training.batch * training_flops(DIGITS.spec("sit_b2")).total
    expected = (150 * step / (12 - START) + 150 * step / (7 - START)) / 2  # median of two; each is 150 steps
    mine, others = rate_used(found, "train", "SiT-B/2"), rate_used(found, "train", "SiT-L/2")
    assert (mine.value, mine.source, mine.network) == (pytest.approx(expected), "measured", "SiT-B/2")
    assert "median of 2 finished segments (results/digits/benchmarks/train)" in mine.evidence
    assert (others.value, others.network) == (mine.value, None)
    # Asking for a device by name asks for its listed rates.
    listed = cost_of(checkout.folder, "digits", "trained", ["figure_4"], device="cpu")
    assert rate_used(listed, "train", "SiT-B/2").network is None
    assert listed.total.total_seconds != found.total.total_seconds


def test_segments_of_other_devices_and_without_a_machine_are_not_measured(checkout, finished):
    finished("sit_b2", "m200k", 12.0, machine=MACHINE | {"device": "cuda"})
    finished("sit_b2", "m400k", 12.0, machine=None)
    found = cost_of(checkout.folder, "digits", "trained", ["figure_4"])
    assert rate_used(found, "train", "SiT-B/2").evidence.startswith("snakemake --cores 2 on the digits preset")


def test_processes_share_the_rate(checkout, finished):
    finished("sit_b2", "m200k", 12.0)
    one = rate_used(cost_of(checkout.folder, "digits", "trained", ["figure_4"]), "train", "SiT-B/2").value
    finished("sit_b2", "m200k", 12.0, machine=MACHINE | {"processes": 2})
    assert rate_used(cost_of(checkout.folder, "digits", "trained", ["figure_4"]), "train", "SiT-B/2").value == pytest.approx(one / 2)


def test_finished_sample_sets_give_the_rate_of_sampling(checkout, drawn):
    drawn("sit_b2", [10.0])
    found = cost_of(checkout.folder, "digits", "trained", ["table_1"])
    flops = DIGITS.sample_count(50_000) * sampling_flops(DIGITS.spec("sit_b2").model, DIGITS.sampler("sde250"))
    rate = rate_used(found, "sample", "SiT-B/2")
    assert (rate.value, rate.source) == (pytest.approx(flops / (10 - START)), "measured")


@pytest.mark.parametrize(("seconds", "device"), [([], "cpu"), ([5.0, 5.0], "cpu"), ([10.0], "cuda")], ids=["no seconds", "other shards", "a GPU"])
def test_sample_sets_that_do_not_tell_are_not_measured(checkout, drawn, seconds, device):
    drawn("sit_b2", seconds, device)
    rate = rate_used(cost_of(checkout.folder, "digits", "trained", ["table_1"]), "sample", "SiT-B/2")
    assert rate.evidence.startswith("snakemake --cores 2 on the digits preset")


# For machines

KEYS = ["schema", "preset", "weights", "device", "devices", "processes", "watts", "items", "total", "rates", "not_counted"]
ITEM_KEYS = ["name", "title", "runs", "steps", "images", "sets", "device_hours_by_source", "device_hours", "shared_device_hours", "wall_hours"]
RATE_KEYS = ["what", "device", "precision", "network", "method", "value", "unit", "source", "evidence", "confidence", "used_for"]


def test_json_keeps_its_schema_and_adds_up(checkout, capsys):
    show_cost(checkout.folder, "paper", "trained", ["table_1", "table_6"], 8, 8, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert list(found) == KEYS
    assert (found["schema"], found["device"], found["devices"], found["watts"]) == (1, "a100", 8, 400)
    assert [item["name"] for item in found["items"]] == ["table_1", "table_6"]
    for item in (*found["items"], found["total"]):
        assert list(item) == [*ITEM_KEYS, "disk_bytes", "energy_kwh"]
        assert list(item["disk_bytes"]) == ["kept", "meanwhile"]
        hours = item["device_hours"]
        assert list(hours) == ["data", "training", "sampling", "scoring", "total"]
        assert hours["total"] == pytest.approx(sum(hours.values()) / 2) == pytest.approx(sum(item["device_hours_by_source"].values()))
        assert item["energy_kwh"] == pytest.approx(0.4 * hours["total"])
        assert item["steps"] == sum(run["steps"] for run in item["runs"])
        assert sum(run["device_hours"] for run in item["runs"]) == pytest.approx(hours["training"], rel=0.01)  # and exports
    assert {tuple(rate) for rate in found["rates"]} == {tuple(RATE_KEYS)}
    assert {rate["device"] for rate in found["rates"]} == {"a100"}


def test_one_item_is_shared_with_others_that_were_not_asked_for(checkout):
    alone, beside = (cost_of(checkout.folder, "digits", "trained", items) for items in (["table_6"], ["table_6", "table_1"]))
    assert alone.items[0] == beside.items[0]
    assert alone.items[0].shared_seconds > 0
    assert alone.total.total_seconds == alone.items[0].total_seconds
    assert beside.total.total_seconds < sum(item.total_seconds for item in beside.items)


def test_the_same_item_twice_is_one(checkout):
    assert json_of(cost_of(checkout.folder, "digits", "trained", ["table_6", "table_6"])) == json_of(
        cost_of(checkout.folder, "digits", "trained", ["table_6"])
    )


# For people


def test_text_is_aligned_and_says_where_it_is_from(checkout):
    found = cost_of(checkout.folder, "paper", "trained", ["table_1", "table_6"], 8, 8)
    text = text_of(found)
    rows = [line for line in text.split("left to do")[1].split("\n\n")[0].splitlines()[1:] if line]
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split()[:2] == ["table_1", str(len(found.items[0].runs))]
    assert "7 200 000" in rows[0]
    assert rows[-1].startswith("  total")
    assert "400 W for each GPU (board power of the A100 SXM" in text
    assert re.search(r"\n  the time rests \d+% on published, \d+% on assumed rates\n", text)
    assert re.search(r"\n  train \(SiT-B/2, sra\): 66\.6 TFLOP/s, published, medium: SRA v5 .*Table 7: 0\.115 h an epoch", text)
    assert text.count("\n  train (SiT-B/2") == 2
    assert "\nnot counted\n  what you fetch" in text
    assert max(map(len, text.splitlines())) < 180


def test_small_work_is_told_in_minutes_of_a_core(checkout):
    text = text_of(cost_of(checkout.folder, "digits", "trained", ["table_6"], 2))
    assert "core-minutes" in text
    assert "GPU" not in text.replace("no GPU", "")
    assert "\nmachine     2 cores, cpu; 1 for one training run\n" in text


def test_nothing_left_is_nothing(checkout):
    """Released weights alone, and none that fit the digits."""
    found = cost_of(checkout.folder, "digits", "released", ["table_3"])
    text = text_of(found)
    assert (found.total.total_seconds, found.total.kept) == (0, 0)
    assert "rests" not in text
    assert "training of" not in text


@pytest.mark.parametrize(
    ("preset", "items", "device", "message"),
    [
        ("digits", ["table_77"], None, "unknown table or figure 'table_77'"),
        ("digts", [], None, "unknown preset 'digts'; did you mean 'digits'"),
        ("digits", [], "tpu", "throughput.tsv: unknown device 'tpu'; did you mean 'cpu'?"),
    ],
)
def test_mistakes_are_one_line(checkout, preset, items, device, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        cost_of(checkout.folder, preset, "trained", items, device=device)
    assert "\n" not in str(refused.value)


def test_the_command_prints_what_the_stage_says(checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    done = CliRunner().invoke(planning.commands, ["table_6", "--preset", "paper", "--gpus", "8", "--processes", "4", "--device", "h100", "--json"])
    assert json.loads(done.stdout) == json_of(cost_of(checkout.folder, "paper", "trained", ["table_6"], 8, 4, "h100"))
    text = CliRunner().invoke(planning.commands, ["--weights", "released", "--preset", "paper"]).stdout
    assert text == text_of(cost_of(checkout.folder, "paper", "released", [])) + "\n"
    refused = CliRunner().invoke(planning.commands, ["--weights", "all"]).exception
    assert str(refused) == "unknown weights 'all'; known: released, trained"


def test_the_whole_paper_is_counted_without_torch(checkout):
    """In a process of its own, since torch is loaded in this one."""
    program = """
import sys
from pathlib import Path
from sra.stages.cost import show_cost
show_cost(Path.cwd(), "paper", "trained", [], 8, 8)
heavy = {"torch", "timm", "diffusers", "transformers", "sklearn", "scipy", "pandas"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=checkout.folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.split("left to do")[1].split("\n\n")[0].splitlines()[1:]]
    paper = Registry(ROOT, "paper")
    assert names == [*paper.tables, *paper.figures, "total"]
