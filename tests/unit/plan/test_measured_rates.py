"""Rates of training and sampling that come from what this machine has done: finished segments and sample sets, and cost receipts."""

from pathlib import Path

import pytest
from cost_files import cost_of, write_cost_file

from sra.content.catalogue import Catalogue
from sra.core.files import write_text
from sra.core.receipts import write_receipt
from sra.forecast.flops import sampling_flops, training_flops
from sra.spec.layout import Results
from sra.spec.metric import ScoreOf

ROOT = Path(__file__).parents[3]
DIGITS = Catalogue(ROOT, "digits")
BENCHMARK = "s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t100\n"
MACHINE = {"device": "cpu", "processes": 1, "micro_batch": None, "compile": False, "activation_checkpointing": False}
START = 2  # seconds of a job on a core, config/throughput.tsv


@pytest.fixture
def finished(checkout):
    """`finished("sit_b2", "m200k", 12.0)`: a segment with its state's receipt, without the facts that are None, and its benchmark file."""
    results = Results("digits")

    def make(run, point, seconds, **changes):
        step = DIGITS.preset.milestones[point]
        state = checkout.folder / results.state(run, point)
        facts = {"fingerprint": DIGITS.spec(run).fingerprint, "step": step, "machine": MACHINE} | changes
        write_text(state, "a state")
        write_receipt(state, "training state", **{name: fact for name, fact in facts.items() if fact is not None})
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
        write_receipt(pack, "samples", **facts)
        folder = checkout.folder / results.folder / "benchmarks" / "sample" / run / "m400k" / "sde250" / "n50000"
        for shard, taken in enumerate(seconds):
            write_text(folder / f"{shard:03d}_of_{len(seconds):03d}.tsv", BENCHMARK.format(seconds=taken))

    return make


def rate_used(cost, what, network):
    return next(rate for rate, networks in cost.used.items() if rate.what == what and network in networks)


def test_finished_segments_give_the_rate_of_their_model_and_a_median_for_others(checkout, finished):
    finished("sit_b2", "m200k", 12.0)
    finished("sit_b2", "m400k", 7.0)
    finished("sit_l2", "m200k", 3.0, fingerprint="of another run")
    found = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"])
    step = DIGITS.spec("sit_b2").training.batch * training_flops(DIGITS.spec("sit_b2")).total
    expected = (125 * step / (12 - START) + 125 * step / (7 - START)) / 2  # median of two; each is 125 steps
    mine, others = rate_used(found, "train", "SiT-B/2"), rate_used(found, "train", "SiT-L/2")
    assert (mine.value, mine.source, mine.network) == (pytest.approx(expected), "measured", "SiT-B/2")
    assert "median of 2 finished segments (results/digits/benchmarks/train)" in mine.evidence
    assert (others.value, others.network) == (mine.value, None)
    # Asking for a device by name asks for its listed rates.
    listed = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"], device="cpu")
    assert rate_used(listed, "train", "SiT-B/2").network is None
    assert listed.total.total_seconds != found.total.total_seconds


def test_segments_of_other_devices_and_without_a_machine_are_not_measured(checkout, finished):
    finished("sit_b2", "m200k", 12.0, machine=MACHINE | {"device": "cuda"})
    finished("sit_b2", "m400k", 12.0, machine=None)
    found = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"])
    assert rate_used(found, "train", "SiT-B/2").evidence.startswith("snakemake --cores 2 on the digits preset")


def test_processes_share_the_rate(checkout, finished):
    finished("sit_b2", "m200k", 12.0)
    one = rate_used(cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"]), "train", "SiT-B/2").value
    finished("sit_b2", "m200k", 12.0, machine=MACHINE | {"processes": 2})
    assert rate_used(cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"]), "train", "SiT-B/2").value == pytest.approx(one / 2)


@pytest.fixture
def receipt(checkout):
    """`receipt("sit_b2", 0.5)`: a cost receipt with the seconds of a step."""

    def make(run, seconds, **changes):
        facts = {"preset": "digits", "fingerprint": DIGITS.spec(run).fingerprint, "flops_per_step": 1_000_000_000} | changes
        write_cost_file(checkout.folder / Results("digits").cost(run), run, seconds=[seconds], median=seconds, **facts)

    return make


def test_cost_receipts_give_the_rate_of_models_without_a_finished_segment(checkout, receipt, finished):
    receipt("sit_b2", 0.5)
    receipt("sit_b2_sra", 0.4)
    receipt("sit_l2", 0.1)
    found = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"])
    mine, large, others = (rate_used(found, "train", model) for model in ("SiT-B/2", "SiT-L/2", "SiT-XL/2"))
    assert (mine.value, mine.source) == (pytest.approx((2e9 + 2.5e9) / 2), "measured")
    assert mine.evidence == "median of 2 cost receipts (results/digits/costs, alone on the machine)"
    assert (large.value, others.value, others.network) == (pytest.approx(1e10), pytest.approx(2.5e9), None)
    # What jobs took side by side says more than a measurement alone on the machine; for models of neither, one kind of evidence is enough.
    finished("sit_b2", "m200k", 12.0)
    found = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"])
    segments, still, others = (rate_used(found, "train", model) for model in ("SiT-B/2", "SiT-L/2", "SiT-XL/2"))
    assert "finished segment" in segments.evidence
    assert [rate.network for rate in found.rates.measured_here if rate.what == "train"] == ["SiT-B/2", None, "SiT-L/2"]
    assert still.value == pytest.approx(1e10)
    assert (others.value, others.evidence) == (segments.value, segments.evidence)


def test_receipts_count_for_each_core_and_only_of_this_run_and_kind_of_device(checkout, receipt):
    receipt("sit_b2", 0.5, threads=2, machine=MACHINE | {"processes": 4})
    receipt("sit_l2", 0.5, fingerprint="of another run")
    receipt("sit_xl2", 0.5, machine=MACHINE | {"device": "cuda"})
    found = cost_of(Catalogue(checkout.folder, "digits"), ["figure_4"])
    assert rate_used(found, "train", "SiT-B/2").value == pytest.approx(2e9 / 8)
    assert rate_used(found, "train", "SiT-L/2").network is None
    assert rate_used(found, "train", "SiT-XL/2").network is None


def test_finished_sample_sets_give_the_rate_of_sampling(checkout, drawn):
    drawn("sit_b2", [10.0])
    found = cost_of(Catalogue(checkout.folder, "digits"), ["table_1"])
    flops = DIGITS.sample_count(50_000) * sampling_flops(DIGITS.spec("sit_b2").model, DIGITS.sampler("sde250"))
    rate = rate_used(found, "sample", "SiT-B/2")
    assert (rate.value, rate.source) == (pytest.approx(flops / (10 - START)), "measured")


@pytest.mark.parametrize(("seconds", "device"), [([], "cpu"), ([5.0, 5.0], "cpu"), ([10.0], "cuda")], ids=["no seconds", "other shards", "a GPU"])
def test_sample_sets_that_do_not_tell_are_not_measured(checkout, drawn, seconds, device):
    drawn("sit_b2", seconds, device)
    rate = rate_used(cost_of(Catalogue(checkout.folder, "digits"), ["table_1"]), "sample", "SiT-B/2")
    assert rate.evidence.startswith("snakemake --cores 2 on the digits preset")
