"""What jobs ask of the machine: more with every attempt, from the cost model and from what was measured."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.core.errors import InputError
from sra.forecast.flops import state_bytes
from sra.forecast.job_flops import Works
from sra.plan import needs, sample, train
from sra.plan.needs import MEMORY_MARGIN, TIME_MARGIN
from sra.plan.workflow import checked_plan

ROOT = Path(__file__).parents[3]
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def segment(run: str, point: str, preset: str = "paper") -> SimpleNamespace:
    return SimpleNamespace(preset=preset, run=run, point=point)


def shard(run: str, shards: str = "010", **changed) -> SimpleNamespace:
    of_set = {"milestone": "m400k", "sampler": "sde250", "paper_count": "50000", "shard": "000"}
    return SimpleNamespace(preset="paper", run=run, shards=shards, **{**of_set, **changed})


def test_a_segment_has_as_long_as_the_rate_of_the_hardware_says():
    """100,000 steps of SiT-B/2 at batch 256 in the closed formula, by the row of config/throughput.tsv, and a minute to start."""
    plan = checked_plan(ROOT, {"preset": "paper"})
    work = Works(plan.catalogue("paper")).training(plan.catalogue("paper").spec("sit_b2"), 0, 100_000)
    minutes = TIME_MARGIN * (work.amount / 6.395e13 + 60) / 60
    first = train.runtime(plan, segment("sit_b2", "s0100000"), 1)
    assert first == pytest.approx(minutes, abs=1)
    assert train.runtime(plan, segment("sit_b2", "s0100000"), 3) == 3 * first
    assert train.runtime(plan, segment("sit_b2", "m200k"), 1) == first  # as many steps again


def test_more_devices_and_faster_ones_take_less_time():
    one = train.runtime(checked_plan(ROOT, {"preset": "paper"}), segment("sit_xl2_sra", "m200k"), 1)
    eight = train.runtime(checked_plan(ROOT, {"preset": "paper", "processes": 4, "nodes": 2}), segment("sit_xl2_sra", "m200k"), 1)
    assert eight == pytest.approx(one / 8, rel=0.05)
    h100 = train.runtime(checked_plan(ROOT, {"preset": "paper", "hardware": "h100"}), segment("sit_xl2_sra", "m200k"), 1)
    assert h100 < one


def test_a_shard_has_its_share_of_the_set():
    plan = checked_plan(ROOT, {"preset": "paper"})
    whole, tenth = sample.runtime(plan, shard("sit_xl2", "001"), 1), sample.runtime(plan, shard("sit_xl2", "010"), 1)
    assert tenth == pytest.approx(whole / 10, rel=0.05)


def test_without_a_rate_the_preset_says_how_long(checkout):
    root = checkout.folder
    rates = root / "config" / "throughput.tsv"
    rates.write_text("".join(line for line in rates.read_text().splitlines(keepends=True) if not line.startswith("train\ta100")))
    assert train.runtime(checked_plan(root, {"preset": "paper"}), segment("sit_b2", "s0100000"), 2) == 2 * 1440


def test_unknown_hardware_is_refused_before_anything_runs():
    with pytest.raises(InputError, match=r"config/throughput.tsv: unknown device 'a1000'; did you mean 'a100'\?$"):
        checked_plan(ROOT, {"preset": "paper", "hardware": "a1000"})


def test_memory_is_the_presets_until_a_job_of_the_run_was_measured(checkout):
    root = checkout.folder
    folder = root / "results" / "paper" / "benchmarks" / "train" / "sit_b2"
    folder.mkdir(parents=True)
    (folder / "m50k.tsv").write_text(f"{HEADER}90\t0:01:30\t20000\t0\t0\t0\t0\t0\t0\t0\n")
    (folder / "m100k.tsv").write_text(f"{HEADER}1.5\t0:00:01\t90000\t0\t0\t0\t0\t0\t0\t0\n")  # too short to count
    (folder / "m150k.tsv").write_text(f"{HEADER}90\t0:01:30\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n")
    plan = checked_plan(root, {"preset": "paper"})
    assert needs.mem_mb(plan, segment("sit_b2", "m200k"), 1, "train") == MEMORY_MARGIN * 20_000
    assert needs.mem_mb(plan, segment("sit_b2", "m200k"), 2, "train") == 2 * MEMORY_MARGIN * 20_000
    assert needs.mem_mb(plan, segment("sit_xl2", "m200k"), 1, "train") == 128_000


def test_disk_is_what_a_job_writes_at_most():
    plan = checked_plan(ROOT, {"preset": "paper"})
    state = state_bytes(plan.catalogue("paper").spec("sit_xl2"))
    assert train.disk_mb(plan, segment("sit_xl2", "m50k")) == pytest.approx(3 * state / 1e6, abs=1)
    assert sample.disk_mb(plan, shard("sit_xl2")) == pytest.approx(5000 * 256 * 256 * 3 / 1e6, rel=0.01)
