"""What is left and what it takes. Oracles: sums by hand in a registry of two runs, files that are written, and the hours that the paper prints."""

import shutil
from pathlib import Path

import pytest

from sra.content.catalogue import Catalogue
from sra.content.required import required_by_table
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.receipts import write_receipt
from sra.forecast import flops
from sra.forecast.estimate import estimate, shared_tasks
from sra.forecast.rates import Prices, Rate, Rates, Work, read_rates
from sra.plan.remaining import Remaining
from sra.plan.workflow import checked_plan
from sra.spec.layout import Results, Shared

ROOT = Path(__file__).parents[3]

PRESET = """
title: for a test
comparable: false
dataset: digits
image_size: 32
classes: 10
latent: {channels: 4, size: 8}
vae: digits_vae
extractor: digits_cnn
encoders: {dinov2b: digits_vit}
models: {B: {depth: 2, width: 16, heads: 2}, XL: {depth: 3, width: 16, heads: 2}}
batch: 8
milestones: {m200k: 10, m400k: 20}
segment_steps: 6
paper_steps_per_step: 20000
samples: {50000: 12}
evaluations: {250: 5}
reference_images: 100
shard_samples: 5
"""
TABLE = """
id: {name}
title: for a test
paper: none
columns: [{{metric: fid, better: lower}}]
score: {{milestone: {milestone}, sampler: {sampler}, samples: 50000}}
rows: [{rows}]
"""
GRID = """
kind: grid
id: figure_1
title: for a test
paper: none
caption: none
score: {milestone: m200k, sampler: sde250, samples: 50000}
runs: [{method: none, run: sit_b2}]
"""
FLOPS = {"train": 1e7, "sample": 2e7, "decode": 3e8, "encode": 4e8, "inception": 5e8}  # a second
SECONDS = {"standin": 7, "start": 1, "score": 0.5}  # a job or an image
UNITS = {"standin": "s/job", "start": "s/job", "score": "s/image", "power": "W"}
RATES = Rates(
    "cpu",
    tuple(
        Rate(what=what, device="cpu", value=value, unit=UNITS.get(what, "FLOP/s"), source="assumed", evidence="for a test", confidence="low")
        for what, value in {**FLOPS, **SECONDS, "power": 100}.items()
    ),
)


def table(name, *runs, milestone="m400k", sampler="sde250"):
    return TABLE.format(name=name, milestone=milestone, sampler=sampler, rows=", ".join(f"{{label: {run}, run: {run}}}" for run in runs))


@pytest.fixture
def root(checkout):
    """A checkout whose only tables are table_1 (two runs to m400k) and table_6 (the first of them to m200k), with one grid of samples."""
    folder = checkout.folder
    for kind in ("tables", "figures"):
        shutil.rmtree(folder / "report" / kind)
        (folder / "report" / kind).mkdir()
    checkout.without_claims()
    (folder / "config/presets/tiny.yaml").write_text(PRESET)
    (folder / "report/tables/table_1.yaml").write_text(table("table_1", "sit_b2", "sit_b2_sra"))
    (folder / "report/tables/table_6.yaml").write_text(table("table_6", "sit_b2", milestone="m200k"))
    (folder / "report/figures/figure_1.yaml").write_text(GRID)
    return folder


@pytest.fixture
def remaining(root):
    """`remaining()`: what is left there now."""
    return lambda processes=1: Remaining(checked_plan(root, {"preset": "tiny"}), processes)


@pytest.fixture
def estimated(remaining):
    """`estimated("table_1", devices=2)`: several items together, at the rates above."""

    def make(*items, devices=1, processes=1, rates=RATES, shared=frozenset()):
        left = remaining(processes)
        return estimate("all", "", [chain for item in items for chain in left.chains_of(item)], Prices(rates), devices, shared)

    return make


@pytest.fixture
def present(root):
    """`present(path, fingerprint=...)`: a file of the results with the receipt that says so."""

    def make(path, **facts):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".json"):
            write_json(file, facts)
        else:
            file.write_bytes(b"contents")
            write_receipt(file, "whatever", **facts)

    return make


def spec_of(root, run):
    return Catalogue(root, "tiny").spec(run)


@pytest.fixture
def wanted(remaining):
    """The score of sit_b2 in table_1, and what its files say of themselves."""
    registry = remaining().registry
    one = required_by_table(registry.tables["table_1"], registry)[0]
    sampler = registry.sampler("sde250").model_dump(mode="json")
    return one, {"fingerprint": registry.spec("sit_b2").fingerprint, "sampler": sampler, "count": 12}


# Sums by hand


def test_a_table_from_nothing(root, estimated):
    found = estimated("table_1")
    assert [(run.run, run.steps, run.until) for run in found.runs] == [("sit_b2", 20, "m400k"), ("sit_b2_sra", 20, "m400k")]
    assert (found.steps, found.images, found.sets) == (40, 24, 2)
    plain, sra = (flops.training_flops(spec_of(root, run)).total for run in ("sit_b2", "sit_b2_sra"))
    # Five segments (to 6, 10, 12, 18 and 20) and one export a run; each job takes a second to start.
    assert found.seconds["training"] == pytest.approx(20 * 8 * (plain + sra) / 1e7 + 2 * 6)
    forward = flops.forward_flops(spec_of(root, "sit_b2").model)
    # Five evaluations an image; twelve images in three shards.
    assert found.seconds["sampling"] == pytest.approx(2 * (12 * 5 * forward / 2e7 + 12 * 31_787_008 / 3e8 + 3))
    # Index, autoencoder and latents; the extractor, a stand-in as well, is another network of the same images.
    assert found.seconds["data"] == pytest.approx(1 + (7 + 1) + (1797 * 12_083_200 / 4e8 + 1) + (7 + 1))
    # Two scores; the reference and its features once.
    assert found.seconds["scoring"] == pytest.approx(2 * (12 * 2_544_896 / 5e8 + 12 * 0.5 + 1) + (1797 + 100) * 2_544_896 / 5e8 + 2)
    assert found.total_seconds == pytest.approx(sum(found.seconds.values()))
    assert found.joules == pytest.approx(100 * found.total_seconds)
    assert found.seconds_by_source == {"measured": 0, "published": 0, "assumed": pytest.approx(found.total_seconds)}


def test_bytes_from_nothing(root, estimated):
    found = estimated("table_1")
    specs = [spec_of(root, run) for run in ("sit_b2", "sit_b2_sra")]
    states = sum(2 * flops.state_bytes(spec) for spec in specs)  # two milestones a run; boundaries do not stay
    weights = sum(4 * flops.parameters(spec.model) for spec in specs)
    packs, reference = 2 * 12 * (3 * 32**2 + 8), 100 * (3 * 32**2 + 8)
    latents = 1797 * (8 * 8 * 8 * 4 + 8)
    assert found.kept == states + weights + packs + reference + latents + 300 * 1797
    # One job at a time: the two rolling states and the boundary of the larger run.
    assert found.temporary == 3 * flops.state_bytes(specs[1])
    assert estimated("table_1", devices=2).temporary == 2 * found.temporary


def test_shared_work_counts_once_and_is_shown(remaining, estimated):
    left = remaining()
    chains_of = {item: left.chains_of(item) for item in ("table_1", "table_6")}
    shared = shared_tasks(chains_of)
    one, other, both = estimated("table_1", shared=shared), estimated("table_6", shared=shared), estimated("table_1", "table_6")
    assert both.total_seconds == pytest.approx(one.total_seconds + other.total_seconds - one.shared_seconds)
    assert one.shared_seconds > 0
    assert one.shared_seconds == pytest.approx(other.shared_seconds)
    assert (both.steps, one.steps, other.steps) == (40, 40, 10)
    assert both.kept < one.kept + other.kept
    assert {task.name for task in shared if task.steps} == {"train sit_b2 to s0000006", "train sit_b2 to m200k"}


def test_a_figure_of_samples_needs_a_score_and_the_pack_itself(remaining, present, wanted):
    facts = wanted[1]
    registry = remaining().registry
    score = registry.figures["figure_1"].score
    assert [task.name for task in remaining().chains_of("figure_1")[-1]][-1].startswith("samples of sit_b2 at m200k")
    present(Results("tiny").score("sit_b2", score), **facts)
    assert len(remaining().chains_of("figure_1")) == 1
    assert remaining().chains_of("table_6") == []
    present(Results("tiny").samples("sit_b2", score), **facts)
    assert remaining().chains_of("figure_1") == []


# What exists


def test_training_continues_from_the_newest_state(root, estimated, present):
    state, fingerprint = Results("tiny").state("sit_b2", "m200k"), spec_of(root, "sit_b2").fingerprint
    before = estimated("table_1")
    present(state, fingerprint="another run's", step=10)
    assert estimated("table_1") == before
    present(state, fingerprint=fingerprint, step=9)
    assert estimated("table_1") == before
    present(state, fingerprint=fingerprint, step=10)
    after = estimated("table_1")
    assert {run.run: run.steps for run in after.runs} == {"sit_b2": 10, "sit_b2_sra": 20}
    assert before.kept - after.kept == flops.state_bytes(spec_of(root, "sit_b2"))
    assert estimated("table_6").steps == 0


def test_weights_packs_and_scores_end_what_is_needed(root, remaining, estimated, present, wanted):
    one, facts = wanted
    fingerprint = {"fingerprint": facts["fingerprint"]}
    present(Results("tiny").weights("sit_b2", "m400k"), **fingerprint)
    left, pack, score = estimated("table_1"), Results("tiny").samples("sit_b2", one.score), Results("tiny").score("sit_b2", one.score)
    assert ([run.run for run in left.runs], left.images, left.sets) == (["sit_b2_sra"], 24, 2)
    present(pack, **facts | {"count": 11})
    assert estimated("table_1").images == 24
    present(pack, **facts)
    assert (estimated("table_1").images, estimated("table_1").sets) == (12, 2)
    present(score, **facts | {"sampler": {}})
    assert estimated("table_1").sets == 2
    present(score, **facts)
    assert (estimated("table_1").images, estimated("table_1").sets) == (12, 1)
    # A score that is there needs nothing that it was made from.
    shutil.rmtree(root / "results/tiny/runs")
    assert [run.run for run in estimated("table_1").runs] == ["sit_b2_sra"]


@pytest.mark.parametrize(
    ("path", "saved"),
    [
        (Shared("digits").latents("digits_vae"), 1797 * 12_083_200 / 4e8 + 1),
        (f"{Shared('digits').model('vae', 'digits_vae')}/diffusion_pytorch_model.safetensors", 8),
        (f"{Shared('digits').model('extractor', 'digits_cnn')}/model.safetensors", 8),
        (Shared("digits").reference("digits_cnn", "train_100"), 1797 * 2_544_896 / 5e8 + 1),
        (Shared("digits").reference_features("digits_cnn", "train_100"), 100 * 2_544_896 / 5e8 + 1),
        (Shared("digits").index, 1),
    ],
)
def test_stores_models_and_references_that_are_there_cost_nothing(estimated, present, path, saved):
    before = estimated("table_1").total_seconds
    present(path)
    assert before - estimated("table_1").total_seconds == pytest.approx(saved)


def test_all_that_is_there_leaves_nothing(root, estimated, present):
    registry = Catalogue(root, "tiny")
    for run in ("sit_b2", "sit_b2_sra"):
        sampler = registry.sampler("sde250").model_dump(mode="json")
        present(Results("tiny").score(run, registry.tables["table_1"].score), fingerprint=registry.spec(run).fingerprint, sampler=sampler, count=12)
    found = estimated("table_1")
    assert (found.runs, found.total_seconds, found.wall_seconds, found.kept, found.temporary) == ((), 0, 0, 0, 0)


# Growth and devices


@pytest.mark.parametrize(
    ("old", "new"),
    [("m400k: 20", "m400k: 26"), ("50000: 12", "50000: 14"), ("250: 5", "250: 6"), ("batch: 8", "batch: 9"), ("depth: 2", "depth: 3")],
)
def test_more_steps_images_evaluations_or_blocks_take_longer(root, estimated, old, new):
    before = estimated("table_1")
    (root / "config/presets/tiny.yaml").write_text(PRESET.replace(old, new))
    after = estimated("table_1")
    assert after.total_seconds > before.total_seconds
    assert after.kept >= before.kept


def test_wall_time_is_the_even_share_or_the_longest_chain(remaining, estimated):
    alone, pair, many = (estimated("table_1", devices=devices) for devices in (1, 2, 1000))
    assert alone.wall_seconds == pytest.approx(alone.total_seconds)
    assert alone.wall_seconds > pair.wall_seconds > many.wall_seconds
    assert alone.total_seconds == pair.total_seconds == many.total_seconds
    chain = remaining().chains_of("table_1")[1]  # with SRA, the longer one
    prices = Prices(RATES)
    seconds = {task: sum(prices.seconds((*task.work, Work("start", task.jobs))).values()) for task in chain}
    # Of the chain, three shards of samples are drawn at a time.
    assert many.wall_seconds == pytest.approx(sum(taken / (3 if task.images else 1) for task, taken in seconds.items()))
    # Devices that share each batch shorten the training of one run, and no others.
    four = estimated("table_1", devices=1000, processes=4)
    assert many.wall_seconds - four.wall_seconds == pytest.approx(0.75 * sum(taken for task, taken in seconds.items() if task.steps))
    assert estimated("table_1", devices=1, processes=4).wall_seconds == pytest.approx(alone.wall_seconds)


def test_unknown_items_are_refused_in_one_line(remaining):
    with pytest.raises(InputError, match=r"^unknown table or figure 'table_7'; did you mean 'table_6'\?$"):
        remaining().chains_of("table_7")


def test_work_without_a_rate_is_named_and_free(remaining):
    prices = Prices(Rates("cpu", tuple(row for row in RATES.listed if row.what not in ("decode", "power"))))
    found = estimate("all", "", remaining().chains_of("table_1"), prices, 1)
    assert prices.unknown == {
        "decode by digits_vae: config/throughput.tsv has no row for it on cpu",
        "energy: config/throughput.tsv has no power of cpu",
    }
    assert found.joules == 0
    assert found.total_seconds > 0


# The paper's scale


def paper(weights="trained"):
    return Remaining(checked_plan(ROOT, {"preset": "paper", "weights": weights}))


# SRA v5 (arXiv 2505.02831), Table 7: hours an epoch on 8 A100 at batch 256, without and with SRA; an epoch is 1,281,167 // 256 steps.
TABLE_7 = {
    **{"sit_b2": 0.096, "sit_b2_sra": 0.115, "sit_l2": 0.282, "sit_l2_sra": 0.330, "sit_xl2": 0.394, "sit_xl2_sra": 0.476},
    **{"dit_b2": 0.173, "dit_b2_sra": 0.209, "dit_l2": 0.503, "dit_l2_sra": 0.558, "dit_xl2": 0.719, "dit_xl2_sra": 0.804},
}


@pytest.mark.parametrize("run", TABLE_7)
def test_training_takes_the_hours_of_table_7(run):
    left, rates = paper(), read_rates(ROOT, "a100")
    steps = left.registry.preset.milestones["m400k"]
    segments = [task for task in left.weights(run, "m400k") if task.steps]
    assert sum(task.steps for task in segments) == steps == 400_000
    seconds = Prices(rates).seconds(work for task in segments for work in task.work)
    assert seconds["published"] / 3600 / 8 == pytest.approx(TABLE_7[run] * steps / 5004, rel=1e-3)
    assert seconds["assumed"] == 0


def test_repa_with_the_encoder_in_each_step():
    left = paper()
    plain, repa = (left.weights(run, "m400k") for run in ("sit_xl2", "sit_xl2_repa_dinov2b"))
    step = 256 * 46.1e9  # DINOv2-B on 257 tokens
    projector = 256 * 3 * 2 * 256 * (1152 * 2048 + 2048**2 + 2048 * 768)
    added = sum(task.work[0].amount for task in repa if task.steps) - sum(task.work[0].amount for task in plain if task.steps)
    assert added / 400_000 == pytest.approx(step + projector, rel=0.01)
    images = next(task for task in repa if task.name.startswith("pixels"))
    assert images.kept == pytest.approx(252e9, rel=0.01)
    assert not [task for task in plain if task.name.startswith("pixels")]
    latents = next(task for task in repa if task.name.startswith("latents"))
    assert latents.kept == pytest.approx(42e9, rel=0.01)


def test_text_to_image_reads_stored_captions():
    text = next(task for task in paper().weights("mmdit", "m150k") if task.name.startswith("text"))
    assert text.kept == pytest.approx(49e9, rel=0.01)
    assert text.work[0].amount == pytest.approx(5 * 82_783 * 13.3e9, rel=0.01)


def test_released_weights_train_nothing_and_draw_as_many():
    left = paper("released")
    tasks = {task for chain in left.chains_of("table_3") for task in chain}
    assert not any(task.steps for task in tasks)
    assert sum(task.images for task in tasks) == 200_000
    assert {task.kept for task in tasks if task.stage == "training"} == {4 * 674_816_272, 4 * (674_816_272 + 16 * 1153)}


def test_every_table_and_figure_of_both_presets_is_counted_in_full():
    for preset in ("digits", "paper"):
        left = Remaining(checked_plan(ROOT, {"preset": preset}))
        prices = Prices(read_rates(ROOT, "a100" if preset == "paper" else "cpu"))
        estimate("all", "", [chain for item in left.items() for chain in left.chains_of(item)], prices, 8)
        assert prices.unknown | left.works.unknown == set()
