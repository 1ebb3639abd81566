"""What the dry run prints: the run in words, sums that close, lengths that follow from the rate, and where the rate comes from."""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from random_clip import save_random_clip
from torch import nn

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import write_json, write_text
from sra.core.receipts import write_receipt
from sra.forecast.budget import Budget
from sra.forecast.flops import block_flops, forward_flops, head_parameters, parameters, training_flops
from sra.forecast.method_costs import part_cost
from sra.spec.encoders import ENCODERS
from sra.spec.layout import Results, Shared
from sra.spec.machine import Machine
from sra.spec.methods.known import RepaSraOptions
from sra.spec.methods.repa import RepaOptions
from sra.spec.methods.sra import SraOptions
from sra.spec.recipe import WeightsFrom
from sra.spec.run import write_run
from sra.training import description as stage

ROOT = Path(__file__).parents[3]
DIGITS = Catalogue(ROOT, "digits")
CPU = Machine(device="cpu")
RATE = 1e10  # FLOP/s of a block


@pytest.fixture
def described(checkout, tmp_path, monkeypatch, capsys):
    """`described(run)`: the text printed in a checkout without results, with the block's rate known. The run may be given by its id."""
    monkeypatch.setattr(stage, "block_rate", lambda run, device, at_most: RATE)

    def describe(run, machine=CPU, latents=None, **encoders):
        run = DIGITS.spec(run) if isinstance(run, str) else run
        write_run(tmp_path / "config.json", run)
        stage.describe_training(tmp_path / "config.json", checkout.folder, machine, latents, **encoders)
        return capsys.readouterr().out

    return describe


def line_of(text, name):
    """The rest of the first line that starts with `name`."""
    return next(line.strip().removeprefix(name).strip() for line in text.splitlines() if line.strip().split("  ")[0] == name)


def seconds_of(text):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) ([smhd])\b", text))


def test_names_the_method_with_its_blocks_interval_and_weight(described):
    run = DIGITS.spec("sit_b2_sra")
    sra = run.alignment
    words = line_of(described(run), "method")
    assert words.startswith(f"SRA: blocks {sra.student_block} → {sra.teacher_block}, k ~ U[0, 0.2), λ 0.2")
    fixed = described(run.model_copy(update={"alignment": sra.model_copy(update={"interval": "fixed", "head": "none"})}))
    assert "without head" in line_of(fixed, "method")
    assert "k = 0.2" in line_of(fixed, "method")


def test_the_baseline_has_no_teacher_no_head_and_no_surcharge(described):
    text = described("sit_b2")
    assert line_of(text, "method") == "baseline: generation loss alone"
    assert not re.search(r"^  (heads|SRA head)|surcharge|alignment adds", text, re.MULTILINE)
    assert line_of(text, "student").split("   ")[0] == line_of(text, "total").split("   ")[0]


def test_both_methods_are_told_one_a_line(described):
    run = DIGITS.spec("sit_b2_sra")
    both = RepaSraOptions(repa=RepaOptions(block=4, encoder="none_such", projector_width=32), sra=SraOptions(student_block=2, teacher_block=5))
    run = run.model_copy(update={"alignment": both})
    text = described(run)
    assert "REPA: block 4, encoder none_such, λ 0.5" in text
    assert "SRA: blocks 2 → 5" in text
    assert line_of(text, "REPA head").startswith(f"{head_parameters(both.repa, run.model, 768):,}".replace(",", " "))
    assert "assumed: features of width 768 from encoder none_such, until results/shared/digits/features/none_such/store.json exists" in text


def test_the_condition_is_classes_or_captions(described):
    assert line_of(described("sit_b2"), "condition") == "10 classes"
    run = DIGITS.spec("mmdit_sra")
    text = described(run)
    shape = run.model.text
    words = f"captions as {shape.tokens} text tokens of width {shape.width}, encoded by {run.text_encoder} before training"
    assert line_of(text, "condition") == words
    assert line_of(text, "model").startswith(f"MMDiT/2: {run.model.depth} blocks of width {run.model.width}")
    assert "classes" not in text


def test_text_to_image_has_its_own_images_flops_and_segments(described):
    run = DIGITS.spec("mmdit_sra")
    text, flops, batch = described(run), training_flops(run), run.training.batch
    images = DIGITS.datasets[run.dataset].images
    assert run.dataset == DIGITS.preset_of("mmdit_sra").dataset != DIGITS.preset.dataset
    assert line_of(text, "epoch") == f"{images // batch} steps; {images:,} images (config/datasets.tsv)".replace(",", " ")
    assert f"{parameters(run.model):,}".replace(",", " ") in text
    assert f"{flops.total / 1e6:.1f} M" in line_of(text, "total")
    steps = DIGITS.preset.milestones[DIGITS.milestones("mmdit_sra")[-1]]
    seconds = stage.STARTUP_SECONDS + steps * batch * flops.total / (stage.SHARE_OF_BLOCK_RATE * RATE)
    assert seconds_of(line_of(text.split("segments")[1], "total")) == pytest.approx(seconds, abs=1)


def test_an_encoder_in_the_loop_is_counted(described):
    """DINOv2-B's forward pass on 256 patches and a class token, in closed form: 24 n d^2 + 4 n^2 d a block, and the patch embedding."""
    run = DIGITS.spec("sit_xl2_repa_dinov2b")
    n, d, patches = run.model.tokens + 1, 768, run.model.tokens
    forward = 12 * (24 * n * d**2 + 4 * n**2 * d) + 2 * patches * d * 3 * 14**2
    stored, online = described(run), described(run, encoder="timm/vit_base_patch14_dinov2.lvd142m")
    assert "encoder" not in stored.split("memory")[0].split("FLOPs")[1]
    assert line_of(online, "encoder").startswith(f"{forward / 1e9:.2f} G")
    assert "assumed" not in online
    weightless = run.model_copy(update={"alignment": run.alignment.model_copy(update={"weight": 0.0})})
    unread = described(weightless, encoder="timm/vit_base_patch14_dinov2.lvd142m")
    assert "encoder" not in unread.split("memory")[0].split("FLOPs")[1]
    lengths = [seconds_of(text[text.index("1000 steps in") :].splitlines()[0]) for text in (stored, online)]
    before, flops = (training_flops(run, width).total for width in (ENCODERS[run.encoder].width, 768))
    assert lengths[1] / lengths[0] == pytest.approx((flops + forward) / before, rel=0.1)


def test_a_text_encoder_in_the_loop_is_counted(described, tmp_path):
    """The forward pass of a CLIP tower of one layer with an MLP of 2 d: 16 n d^2 + 4 n^2 d."""
    n, d = 24, 64
    clip = save_random_clip(tmp_path / "clip", tokens=n, text_width=d)
    forward = 16 * n * d**2 + 4 * n**2 * d
    run = DIGITS.spec("mmdit_sra")
    stored, online = described(run), described(run, text_encoder=str(clip))
    assert line_of(online, "condition") == line_of(stored, "condition").replace("before training", "in each step")
    assert line_of(online, "text encoder").startswith(f"{forward / 1e6:.2f} M")
    flops = training_flops(run)
    assert f"{(flops.total + forward) / 1e6:.1f} M" in line_of(online, "total")
    share = 100 * (flops.teacher + flops.heads) / (flops.student + forward)
    assert f"alignment adds {share:.1f} %" in line_of(online, "total")


def test_the_encoders_width_is_that_of_its_features(described, checkout):
    run = DIGITS.spec("sit_xl2_repa_dinov2b")
    write_json(checkout.folder / Shared("digits").features(run.encoder), {"row_shape": [16, 64]})
    text = described(run)
    assert line_of(text, "REPA head").startswith(f"{head_parameters(run.alignment, run.model, 64):,}".replace(",", " "))
    assert "assumed" not in text


def test_parameters_flops_and_the_share_of_sra(described):
    run = DIGITS.spec("sit_b2_sra")
    flops = training_flops(run)
    text = described(run)
    assert line_of(text, "model").startswith("SiT-B/2: 8 blocks of width 48, 3 heads, 16 tokens")
    assert f"{parameters(run.model):,}".replace(",", " ") in text
    assert line_of(text, "total").split()[:4] == [f"{flops.total / 1e6:.1f}", "M", f"{flops.total * 32 / 1e6:.0f}", "M"]
    assert f"alignment adds {100 * (flops.teacher + flops.heads) / flops.student:.1f} %" in text


def test_an_encoder_that_a_method_needs_in_each_step_is_counted_before_it_is_at_hand_and_until_the_method_stops(described):
    run = DIGITS.spec("sit_b2_haste")
    text, encoder = described(run), ENCODERS[run.encoder]
    flops = training_flops(run, encoder.width)
    assert line_of(text, "encoder").startswith(f"{encoder.flops(run.model.tokens) / 1e6:.2f} M")
    added = 100 * (flops.heads + encoder.flops(run.model.tokens)) / flops.student
    stop = math.ceil(run.alignment.repa.stop_step / run.training.paper_steps_per_step)
    assert f"alignment adds {added:.1f} % until step {stop}, 0.0 % from then on" in text
    assert text.rstrip().endswith(f"encoder {run.encoder} runs in each step; its FLOPs are counted by its shape, its memory only with --encoder")
    one_stops = run.alignment.model_copy(update={"repa": run.alignment.repa.model_copy(update={"stop_step": None})})
    left = 100 * (training_flops(run, encoder.width).heads - part_cost(run.alignment.parts[1], run.model).heads) / flops.student
    left += 100 * encoder.flops(run.model.tokens) / flops.student
    one_later = run.alignment.model_copy(update={"repa": run.alignment.repa.model_copy(update={"stop_step": 160_000})})
    assert f"until step {stop}, {left:.1f} % until step 100, 0.0 % from then on" in described(run.model_copy(update={"alignment": one_later}))
    assert f"until step {stop}, {left:.1f} % from then on" in described(run.model_copy(update={"alignment": one_stops}))


def test_a_token_more_is_what_alignment_adds(described):
    run = DIGITS.spec("sit_b2_reg")
    flops = training_flops(run, ENCODERS[run.encoder].width)
    plain = run.model.model_copy(update={"summary_width": None})
    assert flops.student == 3 * forward_flops(plain)
    assert flops.student + flops.extra_token == 3 * forward_flops(run.model)
    assert line_of(described(run), "extra token").startswith(f"{flops.extra_token / 1e6:.2f} M")
    assert training_flops(DIGITS.spec("sit_b2_repa"), 64).extra_token == 0


def test_heads_go_by_the_names_of_their_methods(described):
    assert line_of(described("sit_b2_dts_as"), "DTS + AS head").endswith("dropped after training")
    assert "assumed" not in described("sit_b2_repa")  # the width is known by the encoder's name


def test_parts_of_the_memory_add_up(described, monkeypatch):
    monkeypatch.setattr(stage, "peak_resident", lambda: 512 * 2**20)
    monkeypatch.setattr(stage, "_free_memory", lambda device: 8 * 2**30)
    text = described("sit_b2_sra").split("memory")[1].split("segments")[0]
    sizes = {"MiB": 1, "KiB": 2**-10, "GiB": 2**10}
    rows = {name: float(size) * sizes[unit] for name, size, unit in re.findall(r"^  (\w+) +([\d.]+) (\w+)", text, re.MULTILINE)}
    total, state = rows.pop("total"), rows.pop("state")
    assert total == pytest.approx(sum(rows.values()), rel=0.01)
    assert state == pytest.approx(rows["weights"] * 3 + rows["teacher"], rel=0.01)
    assert rows["moments"] == pytest.approx(2 * rows["weights"], rel=0.01)
    assert rows["activations"] > rows["weights"]
    assert "of 8.00 GiB free here" in text
    assert "does not fit" not in text


def test_says_when_it_does_not_fit_and_whether_smaller_parts_would_help(described, monkeypatch):
    monkeypatch.setattr(stage, "peak_resident", lambda: 0)
    monkeypatch.setattr(stage, "_free_memory", lambda device: 10 * 2**20)
    assert "does not fit; lower micro_batch, or turn activation_checkpointing on" in described("sit_b2_sra")
    monkeypatch.setattr(stage, "_free_memory", lambda device: 5 * 2**20)
    assert "does not fit, whatever the micro_batch" in described("sit_b2_sra")


def test_the_batch_in_processes_and_parts(described):
    assert line_of(described("sit_b2"), "batch") == "32 images = 1 process x 32 images"
    text = described("sit_b2", Machine(device="cpu", processes=2, micro_batch=3, activation_checkpointing=True, compile=True))
    assert line_of(text, "batch") == "32 images = 2 processes x 3 images x 6 parts, the last of 1; gradients added up"
    even = described("sit_b2", Machine(device="cpu", micro_batch=8))
    assert line_of(even, "batch") == "32 images = 1 process x 8 images x 4 parts; gradients added up"
    assert line_of(text, "machine").endswith("compiled, activation checkpointing")
    assert "the blocks once more" in line_of(text, "recomputed")
    assert ", not compiled" in text


def test_steps_of_an_epoch_from_the_data_set_or_from_the_latents(described, tiny_stores):
    assert line_of(described("sit_b2"), "epoch") == f"{1797 // 32} steps; 1 797 images (config/datasets.tsv)"
    store = tiny_stores[0].manifest
    run = DIGITS.spec("sit_b2")
    run = run.model_copy(update={"training": run.training.model_copy(update={"batch": 8})})
    assert line_of(described(run, latents=store), "epoch") == f"2 steps; 20 images ({store})"
    assert "give --latents" in line_of(described(run.model_copy(update={"dataset": "elsewhere"})), "epoch")


def test_segments_take_their_flops_at_the_measured_rate(described):
    run = DIGITS.spec("sit_b2_sra").model_copy(update={})
    text = described(run)
    milestones = [(name, DIGITS.preset.milestones[name]) for name in DIGITS.milestones("sit_b2_sra")]
    total, before = 0.0, 0
    for name, step in milestones:
        length = stage.STARTUP_SECONDS + (step - before) * 32 * training_flops(run).total / (stage.SHARE_OF_BLOCK_RATE * RATE)
        assert line_of(text, name).split("  ")[-1].strip() == f"{round(length)} s"
        total, before = total + length, step
    assert abs(seconds_of(line_of(text.split("segments")[1], "total").split("  ")[-1]) - total) <= 1
    assert "estimate: 9.00 GFLOP/s, 0.9 of what one block of this model reached here just now" in text


def test_segments_after_a_stop_are_shorter(described):
    run = DIGITS.spec("sit_b2_sra_stop")  # at step 62.5 of 250
    budget, text = Budget(run), described(run)
    length = stage.STARTUP_SECONDS + budget.between(0, 250) / (stage.SHARE_OF_BLOCK_RATE * RATE)
    assert line_of(text, "m400k").split("  ")[-1].strip() == f"{round(length)} s"
    assert budget.between(0, 250) < 250 * budget.of_step()
    assert ", until step 63\n" in text


@pytest.mark.parametrize("changes", [{"run": "sit_b2_of_somebody"}, {"preset": "none_such"}, {"image_size": 64}])
def test_a_config_from_elsewhere_has_no_segments_but_a_speed(described, changes):
    text = described(DIGITS.spec("sit_b2").model_copy(update=changes))
    assert text.count("segments left out: ") == 1
    assert "steps a second" in text
    assert "m400k" not in text


class Finished:
    """A run whose first segments are done in a checkout: benchmark files, and states that say of themselves what is wanted."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run

    def segment(self, point, step, seconds, fingerprint=None, **machine):
        state = self.folder / Results("digits").state(self.run.run, point)
        facts = {"fingerprint": fingerprint or self.run.fingerprint, "step": step, "machine": CPU.model_copy(update=machine).model_dump(mode="json")}
        write_text(state, "a state")
        write_receipt(state, "training state", **facts)
        benchmark = self.folder / f"results/digits/benchmarks/train/{self.run.run}/{point}.tsv"
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")


@pytest.fixture
def finished(checkout):
    return Finished(checkout.folder, DIGITS.spec("sit_b2_sra"))


def test_finished_segments_are_believed_before_a_measurement(described, finished):
    steps = DIGITS.preset.milestones
    finished.segment("m200k", steps["m200k"], 102.0)
    finished.segment("m400k", steps["m400k"], 202.0)
    finished.segment("m600k", steps["m600k"], 2002.0)
    text = described(finished.run)
    assert "measured: 3 finished segments of this run (results/digits/benchmarks/train/sit_b2_sra)" in text
    # The median of three rates; the start of the job is no training.
    assert seconds_of(line_of(text, "m400k").split("  ")[-1]) == round(stage.STARTUP_SECONDS + 202 - stage.STARTUP_SECONDS)


@pytest.mark.parametrize("other", [{"fingerprint": "0" * 64}, {"device": "cuda"}, {"compile": True}, {"step": 1}])
def test_segments_of_other_settings_or_machines_are_not_believed(described, finished, other):
    finished.segment("m200k", **{"step": DIGITS.preset.milestones["m200k"], "seconds": 102.0, **other})
    assert "0.9 of what one block" in described(finished.run)


def test_the_rate_of_a_block_that_takes_a_known_time(monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)

    class TimedBlock(nn.Module):
        """A millisecond an image and two for the call; ten seconds for the first call of each size."""

        seen = set()

        def __init__(self, width, heads):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(width))

        def forward(self, tokens, condition):
            clock.now += 1e-3 * (len(tokens) + 2) + (10.0 if len(tokens) not in self.seen else 0.0)
            self.seen.add(len(tokens))
            return tokens * self.scale + condition[:, None]

    monkeypatch.setattr(stage, "Block", TimedBlock)
    monkeypatch.setattr(stage, "time", clock)
    run = DIGITS.spec("sit_b2")
    for at_most in (32, 10, 1):
        rate = stage.block_rate(run, torch.device("cpu"), at_most)
        assert rate == pytest.approx(3 * block_flops(run.model) * at_most / (1e-3 * (at_most + 2)))


def test_the_rate_of_a_joint_block_counts_the_text_too(monkeypatch):
    clock, given = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now), []

    class TimedBlock(nn.Module):
        """Ten milliseconds a call; image and text come back, as every block but the last gives them."""

        def __init__(self, width, heads, last):
            super().__init__()
            assert not last
            self.scale = nn.Parameter(torch.ones(width))

        def forward(self, image, text, condition):
            clock.now += 1e-2
            given.append((tuple(image.shape[1:]), tuple(text.shape[1:]), tuple(condition.shape[1:])))
            return image * self.scale + condition[:, None], text * self.scale

    monkeypatch.setattr(stage, "JointBlock", TimedBlock)
    monkeypatch.setattr(stage, "time", clock)
    model = DIGITS.spec("mmdit").model
    assert stage.block_rate(DIGITS.spec("mmdit"), torch.device("cpu"), 1) == pytest.approx(3 * block_flops(model) / 1e-2)
    assert set(given) == {((model.tokens, model.width), (model.text.tokens, model.width), (model.width,))}


@pytest.mark.parametrize("name", ["sit_b2", "mmdit"])
def test_the_rate_of_a_real_block_leaves_the_random_state_alone(monkeypatch, name):
    run = DIGITS.spec(name)
    monkeypatch.setattr(stage, "MEASURED_SECONDS", 0.02)
    state = torch.get_rng_state()
    bf16 = run.model_copy(update={"training": run.training.model_copy(update={"precision": "bf16"})})
    assert all(stage.block_rate(spec, torch.device("cpu"), 4) > 1e6 for spec in (run, bf16))
    assert torch.equal(torch.get_rng_state(), state)


def test_processes_on_a_cpu_share_its_rate_and_each_takes_memory(described, monkeypatch):
    monkeypatch.setattr(stage, "peak_resident", lambda: 512 * 2**20)
    one, two = (described("sit_b2", Machine(device="cpu", processes=processes, micro_batch=8)) for processes in (1, 2))
    assert line_of(one, "m400k") == line_of(two, "m400k")
    assert re.search(r"of .* free here, 2 processes", two)
    totals = [float(re.search(r"total +([\d.]+) \wiB", text)[1]) * (1024 if "GiB   of" in text else 1) for text in (one, two)]
    assert totals[1] == pytest.approx(2 * totals[0], rel=0.01)


def test_nothing_is_written(described, checkout):
    before = sorted(checkout.folder.rglob("*"))
    described("sit_b2_sra")
    assert sorted(checkout.folder.rglob("*")) == before


def test_refuses_what_training_would_refuse(described):
    with pytest.raises(InputError, match="run sit_b2: batch 32 cannot be shared evenly by 3 processes"):
        described("sit_b2", Machine(device="cpu", processes=3))
    released = DIGITS.spec("sit_b2").model_copy(update={"weights": WeightsFrom(file="a/b.pt", family="sit", step=7)})
    with pytest.raises(InputError, match=r"run sit_b2: starts from a/b\.pt and is not trained"):
        described(released)
