"""`sra cost`: what it prints and returns, that it needs neither torch nor a GPU, and what it rests on: rows of rates,
forward passes of samplers that are watched, networks counted by torch.
"""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cost_files import cost_of
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from sra.commands import app
from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.diffusion.process import build_process
from sra.forecast import flops
from sra.forecast.rates import Rate, Rates, read_rates
from sra.plan.cost import json_of, text_of
from sra.spec import encoders
from sra.spec.samplers import SAMPLER_OF, Guidance

ROOT = Path(__file__).parents[3]
DIGITS = Catalogue(ROOT, "digits")


# For machines

KEYS = ["schema", "preset", "weights", "device", "devices", "processes", "watts", "items", "total", "rates", "not_counted", "again"]
ITEM_KEYS = ["name", "title", "runs", "steps", "images", "sets", "device_hours_by_source", "device_hours", "shared_device_hours", "wall_hours"]
RATE_KEYS = ["what", "device", "precision", "network", "method", "value", "unit", "source", "evidence", "confidence", "used_for"]


def test_json_keeps_its_schema_and_adds_up(checkout):
    found = json.loads(json_of(cost_of(Catalogue(checkout.folder, "paper"), ["table_1", "table_6"], 8, 8)))
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
    alone, beside = (cost_of(Catalogue(checkout.folder, "digits"), items) for items in (["table_6"], ["table_6", "table_1"]))
    assert alone.items[0] == beside.items[0]
    assert alone.items[0].shared_seconds > 0
    assert alone.total.total_seconds == alone.items[0].total_seconds
    assert beside.total.total_seconds < sum(item.total_seconds for item in beside.items)


def test_the_same_item_twice_is_one(checkout):
    assert json_of(cost_of(Catalogue(checkout.folder, "digits"), ["table_6", "table_6"])) == json_of(
        cost_of(Catalogue(checkout.folder, "digits"), ["table_6"])
    )


# For people


def test_text_is_aligned_and_says_where_it_is_from(checkout):
    found = cost_of(Catalogue(checkout.folder, "paper"), ["table_1", "table_6"], 8, 8)
    text = text_of(found)
    rows = [line for line in text.split("left to do")[1].split("\n\n")[0].splitlines()[1:] if line]
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split()[:2] == ["table_1", str(len(found.items[0].runs))]
    assert "7 200 000" in rows[0]
    assert rows[-1].startswith("  total")
    assert "400 W for each GPU (board power of the A100 SXM" in text
    assert re.search(r"\n  the time rests \d+% on published, \d+% on assumed rates\n", text)
    assert re.search(r"\n  train \(SiT-B/2, sra, fp16\): 66\.6 TFLOP/s, published, medium: SRA v5 .*Table 7: 0\.115 h an epoch", text)
    assert text.count("\n  train (SiT-B/2") == 2
    assert "\nnot counted\n  what you fetch" in text
    assert max(map(len, text.splitlines())) < 180


def test_small_work_is_told_in_minutes_of_a_core(checkout):
    text = text_of(cost_of(Catalogue(checkout.folder, "digits"), ["table_6"], 2))
    assert "core-minutes" in text
    assert "GPU" not in text.replace("no GPU", "")
    assert "\nmachine     2 cores, cpu; 1 for one training run\n" in text


def test_nothing_left_is_nothing(checkout):
    """Released weights alone, and none that fit the digits."""
    found = cost_of(Catalogue(checkout.folder, "digits", released=True), ["table_3"])
    text = text_of(found)
    assert (found.total.total_seconds, found.total.kept) == (0, 0)
    assert "rests" not in text
    assert "training of" not in text


@pytest.mark.parametrize(
    ("preset", "items", "device", "message"),
    [
        ("digits", ["table_77"], None, "unknown table 'table_77'"),
        ("digts", [], None, "unknown preset 'digts'; did you mean 'digits'"),
        ("digits", [], "tpu", "throughput.tsv: unknown device 'tpu'; did you mean 'cpu'?"),
    ],
)
def test_mistakes_are_one_line(checkout, preset, items, device, message):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        cost_of(Catalogue(checkout.folder, preset), items, device=device)
    assert "\n" not in str(refused.value)


def test_the_command_prints_what_the_stage_says(checkout, monkeypatch):
    monkeypatch.chdir(checkout.folder)
    done = CliRunner().invoke(app, ["cost", "table_6", "--preset", "paper", "--gpus", "8", "--processes", "4", "--device", "h100", "--json"])
    assert done.stdout == json_of(cost_of(Catalogue(checkout.folder, "paper"), ["table_6"], 8, 4, "h100")) + "\n"
    text = CliRunner().invoke(app, ["cost", "--weights", "released", "--preset", "paper"]).stdout
    assert text == text_of(cost_of(Catalogue(checkout.folder, "paper", released=True), [])) + "\n"
    refused = CliRunner().invoke(app, ["cost", "--weights", "all"]).exception
    assert str(refused) == "unknown weights 'all'; known: released, trained"


def test_the_whole_paper_is_counted_without_torch(checkout):
    """In a process of its own, since torch is loaded in this one."""
    program = """
import sys
from sra.commands.cost import cost
cost(preset="paper", gpus=8, processes=8)
heavy = {"torch", "timm", "diffusers", "transformers", "sklearn", "scipy", "pandas"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=checkout.folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.split("left to do")[1].split("\n\n")[0].splitlines()[1:]]
    paper = Catalogue(ROOT, "paper")
    assert names == [*paper.shown_tables, *paper.shown_figures, "total"]


# Sampling


class Watched:
    """A denoiser that counts the images it sees."""

    def __init__(self, channels):
        self.channels, self.seen = channels, 0

    def __call__(self, x, timestep, condition):
        self.seen += len(x)
        return torch.zeros(len(x), self.channels, *x.shape[2:], dtype=x.dtype)


@pytest.mark.parametrize(
    "guidance", [Guidance(), Guidance(scale=1.8, interval=(0.0, 0.7)), Guidance(scale=4.0), Guidance(scale=2.0, interval=(0.3, 0.6))]
)
@pytest.mark.parametrize(
    ("kind", "evaluations"), [("sde", 250), ("sde", 7), ("ode_euler", 50), ("ode_heun", 49), ("ode_heun", 50), ("ddpm", 250), ("ddpm", 10)]
)
def test_forward_passes_are_those_that_samplers_make(kind, evaluations, guidance):
    registry = Catalogue(ROOT, "digits")
    spec = registry.spec("dit_b2" if kind == "ddpm" else "sit_b2")
    sampler = SAMPLER_OF[kind](evaluations=evaluations, guidance=guidance)
    watched, noise = Watched(8 if kind == "ddpm" else 4), torch.zeros(1, 4, 2, 2)
    build_process(spec.process).sample(watched, sampler, noise, torch.zeros(1, dtype=torch.long), torch.tensor(10), lambda: noise)
    passes = flops.sampling_flops(spec.model, sampler) / flops.forward_flops(spec.model)
    assert passes == pytest.approx(watched.seen, abs=kind == "ddpm")  # a chain's steps are rounded


def test_the_papers_guided_samples():
    """422 passes an image: 78 of the 250 evaluations are outside the interval."""
    registry = Catalogue(ROOT, "paper")
    of_an_image = flops.sampling_flops(registry.spec("sit_xl2_sra").model, registry.sampler("sde250_cfg18"))
    assert of_an_image == pytest.approx(100.1e12, rel=1e-3)


# Networks around the model


def counted(network, *inputs):
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*(torch.empty(1, *shape) for shape in inputs))
    return counter.get_total_flops()


def test_autoencoders_are_counted_as_torch_counts_them():
    from diffusers import AutoencoderKL

    from sra.encoders.vae import small_network

    # The configuration of stabilityai/sd-vae-ft-ema.
    layers = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2}
    with torch.device("meta"):
        large = AutoencoderKL(**layers, block_out_channels=[128, 256, 512, 512], latent_channels=4).eval()
        small = small_network().eval()
    for name, network, sizes in (("sd_vae_ft_ema", large, (256, 512)), ("digits_vae", small, (32, 64)), ("scenes_vae", small, (32,))):
        latent = 8 if network is large else 4
        for size in sizes:
            assert flops.ENCODER_FLOPS[name][size] == counted(network.encode, (3, size, size))
            assert flops.DECODER_FLOPS[name][size] == counted(network.decode, (4, size // latent, size // latent))


@pytest.mark.parametrize("name", ["fashion", "fashion_toy"])
def test_small_networks_of_a_preset_are_counted_at_their_widths(name):
    from sra.encoders.vae import VaeTraining, small_network
    from sra.encoders.vision_training import EncoderTraining
    from sra.metrics.rotation_extractor import RotationNetwork
    from sra.metrics.small_extractor import SmallNetwork

    preset = Catalogue(ROOT, name).preset
    widths = {kind: settings.width for kind, settings in preset.standins.items()}
    with torch.device("meta"):
        vae = small_network(widths["vae"] or VaeTraining.width).eval()
        extractor = SmallNetwork(10, widths["extractor"] or 1).eval()
        second = RotationNetwork(widths["second_extractor"] or 1).eval()
    assert flops.ENCODER_FLOPS[preset.vae] == {32: counted(vae.encode, (3, 32, 32))}
    assert flops.DECODER_FLOPS[preset.vae] == {32: counted(vae.decode, (4, 8, 8))}
    assert flops.EXTRACTOR_FLOPS[preset.extractor] == counted(extractor, (3, 32, 32))
    assert flops.EXTRACTOR_FLOPS[preset.second_extractor] == counted(second, (3, 32, 32))
    assert encoders.ENCODERS[preset.encoders["dinov2b"]].width == (widths["encoder"] or EncoderTraining.width)


def test_extractors_are_counted_as_torch_counts_them():
    from sra.metrics.inception import InceptionNetwork, _torch_fidelity_layers
    from sra.metrics.small_extractor import SmallNetwork

    small = SmallNetwork(10).eval().to("meta")
    assert flops.EXTRACTOR_FLOPS["digits_cnn"] == counted(small, (3, 32, 32))
    inception = InceptionNetwork(_torch_fidelity_layers().to_empty(device="cpu")).eval().to("meta")
    assert flops.EXTRACTOR_FLOPS["inception_2015"] == counted(lambda images: inception.taps(inception.stem(images)), (3, 299, 299))


@pytest.mark.parametrize("name", ["dinov2b", "dinov2g", "dinob"])
def test_vision_encoders_are_those_of_timm(name):
    from sra.encoders.vision import size_of

    found = size_of(Catalogue(ROOT, "paper").weights[name].place, 16)
    assert encoders.ENCODERS[name].width == found.width
    assert encoders.ENCODERS[name].flops(256) == pytest.approx(found.flops, rel=0.01)


def test_towers_of_clip_are_those_of_transformers():
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

    def sizes(tower, heads):
        return {
            "hidden_size": tower.width,
            "num_hidden_layers": tower.depth,
            "intermediate_size": tower.mlp * tower.width,
            "num_attention_heads": heads,
        }

    with torch.device("meta"):
        text = CLIPTextModel(CLIPTextConfig(**sizes(encoders.TEXT_ENCODERS["clip_l14"], 12))).eval()
        judge, patches = encoders.JUDGES["clip_l14_336"]
        vision = CLIPVisionModel(CLIPVisionConfig(**sizes(judge, 16), image_size=336, patch_size=14)).eval()
    found = counted(lambda ids: text(input_ids=ids.long()), (77,))
    assert encoders.TEXT_ENCODERS["clip_l14"].flops(77) == pytest.approx(found, rel=0.01)
    assert judge.flops(patches) == pytest.approx(counted(lambda images: vision(pixel_values=images), (3, 336, 336)), rel=0.01)


def test_every_model_of_weights_tsv_is_known():
    kinds = {"encoder": encoders.ENCODERS, "extractor": flops.EXTRACTOR_FLOPS, "vae": flops.ENCODER_FLOPS, "clip": encoders.JUDGES}
    for entry in Catalogue(ROOT, "paper").weights.values():
        assert entry.kind not in kinds or entry.name in kinds[entry.kind], entry.name
    assert flops.DECODER_FLOPS.keys() == flops.ENCODER_FLOPS.keys()


# Rates


def row_of(what, value, **keys):
    unit = {"start": "s/job"}.get(what, "FLOP/s")
    return Rate(what=what, value=value, **({"device": "cpu", "unit": unit, "source": "assumed", "evidence": "none", "confidence": "low"} | keys))


def test_the_row_that_fits_best_is_asked():
    rows = {
        "any": row_of("train", 1),
        "half": row_of("train", 2, precision="fp16"),
        "model": row_of("train", 3, network="SiT-B/2", method="none"),
        "sra": row_of("train", 4, network="SiT-B/2", method="sra"),
        "other": row_of("train", 5, network="SiT-L/2", precision="fp32"),
        "repa": row_of("train", 6, method="repa"),
    }
    rates = Rates("cpu", tuple(rows.values()))
    assert rates.of("train", "SiT-XL/2", "sra", "fp32") == rows["any"]
    assert rates.of("train", "SiT-XL/2", "sra", "fp16") == rates.of("train", "SiT-XL/2", "sra", "bf16") == rows["half"]
    assert rates.of("train", "SiT-B/2", "sra", "fp16") == rows["sra"]
    assert rates.of("train", "SiT-B/2", "none", "fp16") == rates.of("train", "SiT-B/2", "repa", "fp16") == rows["model"]
    assert rates.of("train", "SiT-L/2", "sra", "fp16") == rows["half"]
    assert rates.of("train", "SiT-XL/2", "repa", "fp16") == rows["repa"]
    assert rates.of("sample") is None
    assert replace(rates, measured_here=(row_of("train", 6),)).of("train", "SiT-B/2", "sra") == row_of("train", 6)


def test_rates_in_another_unit_or_device_are_refused(checkout):
    with pytest.raises(InputError, match=r"throughput.tsv: unknown device 'a1000'; did you mean 'a100'\?$"):
        read_rates(checkout.folder, "a1000")
    checkout.edit("config/throughput.tsv", "400\tW", "400\tFLOP/s")
    with pytest.raises(InputError, match=r"throughput.tsv line \d+: file: a rate of power is in W; convert value and change unit"):
        read_rates(checkout.folder, "a100")


def test_seconds_of_flops_and_of_jobs():
    assert row_of("train", 4).seconds(8) == 2
    assert row_of("start", 4).seconds(8) == 32
