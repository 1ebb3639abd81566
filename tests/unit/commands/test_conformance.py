"""The public sample batches against their published numbers, with made-up files and a small extractor in their places."""

import csv
import json
import sys

import numpy as np
import pytest
import torch

from sra import commands
from sra.commands.conformance import ACCEPTED, NUMBERS, Pair, compared, conformance, half_unit, published_pairs, scorer
from sra.core.errors import InputError, StageError
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.metrics.reference import Reference
from sra.metrics.samples import SampleSet
from sra.metrics.score_inputs import open_extractor
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork
from sra.metrics.suite import Settings, extract, score
from sra.reporting.read.published import PublishedNumber

COUNT = 130


def scenes(seed, count):
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 200, (count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (blocks + random.integers(0, 40, (count, 32, 32, 3))).astype(np.uint8)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """downloads/: a reference and a sample batch; their true scores; a folder of published numbers that may be rewritten."""
    folder = tmp_path_factory.mktemp("house")
    torch.manual_seed(0)
    extractor = SmallExtractor(SmallNetwork(5))
    extractor.save(folder / "extractor")
    write_receipt(folder / "extractor" / WEIGHTS_FILE, "extractor", name=extractor.name)
    real = scenes(0, 300)
    features = extract(real, extractor, 256, "real")
    reference = Reference(features.pooled_statistics, features.spatial_statistics, real[:100])
    reference.write(folder / "downloads" / "VIRTUAL_small.npz")
    write_npz(folder / "downloads" / "adm_small.npz", {"arr_0": scenes(1, COUNT)})
    samples = SampleSet(scenes(1, COUNT))
    true = {mode: score(samples, reference, extractor, Settings(COUNT, precision_recall=mode)).metrics() for mode in ("fp32", "adm_fp16")}
    itself = score(SampleSet(real[:100]), reference, extractor, Settings(100)).metrics()["is"]
    return folder, true, itself


@pytest.fixture
def run(house, tmp_path, monkeypatch):
    """run({key: {metric: printed}}) -> the comparisons."""
    folder, _, _ = house
    monkeypatch.chdir(tmp_path)

    def conform(numbers):
        NUMBERS.mkdir(parents=True, exist_ok=True)
        with (NUMBERS / "adm.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["key", "metric", "value", "unit", "source", "confidence"])
            rows.writerows([f"adm/{key}", metric, value, 1, "made up", "exact"] for key, named in numbers.items() for metric, value in named.items())
        downloads = folder / "downloads"
        return conformance(downloads, downloads, tmp_path / "conformance.json", folder / "extractor", device="cpu")

    return conform


PAIR = "imagenet/32/VIRTUAL_small/adm_small"


def test_numbers_that_agree(house, run, tmp_path, capsys):
    _, true, _ = house
    exact = {metric: repr(value) for metric, value in true["fp32"].items()}
    rounded = {metric: f"{value:.2f}" for metric, value in true["fp32"].items()}
    found = run({f"{PAIR}/port": exact, f"{PAIR}/paper": rounded})
    assert len(found) == 10
    assert all(comparison.agrees for comparison in found)
    by_metric = {(comparison.by, comparison.metric): comparison for comparison in found}
    assert by_metric["port", "fid"].difference == 0
    assert by_metric["paper", "fid"].tolerance == pytest.approx(0.01 + 0.005)
    assert by_metric["paper", "recall fp32"].tolerance == pytest.approx(0.004 + 0.005)
    written = json.loads((tmp_path / "conformance.json").read_text())
    assert len(written["comparisons"]) == 10
    assert written["skipped"] == []
    printed = capsys.readouterr().out
    assert "adm_small against VIRTUAL_small" in printed
    assert "10 of 10 numbers agree" in printed


def test_the_originals_precision_and_recall_are_held_against_both_modes():
    number = PublishedNumber("adm/a/b/c/original", "recall", "0.5309", 0.5309, "made up", "exact")
    measured = {"recall fp32": 0.5280, "recall adm_fp16": 0.5300}
    full, half = compared(Pair("a", "b", "c"), "original", number, measured)
    assert (full.metric, full.measured, full.agrees) == ("recall fp32", 0.5280, True)
    assert full.tolerance == pytest.approx(0.004, abs=1e-4)
    assert (half.metric, half.measured, half.agrees) == ("recall adm_fp16", 0.5300, False)
    assert half.tolerance == pytest.approx(0.0005, abs=1e-4)
    assert [comparison.metric for comparison in compared(Pair("a", "b", "c"), "port", number, measured)] == ["recall fp32"]


def test_both_modes_are_measured(house, tmp_path):
    folder, true, _ = house
    measure = scorer(open_extractor(folder / "extractor", "cpu"), 256)
    found = measure(folder / "downloads" / "adm_small.npz", folder / "downloads" / "VIRTUAL_small.npz")
    for mode in ("fp32", "adm_fp16"):
        assert found[f"precision {mode}"] == true[mode]["precision"]
        assert found[f"recall {mode}"] == true[mode]["recall"]
    assert true["fp32"]["recall"] != true["adm_fp16"]["recall"]


@pytest.mark.parametrize("metric", ACCEPTED)
def test_a_number_that_disagrees_fails_the_command_after_all_are_written(house, run, tmp_path, capsys, metric):
    _, true, _ = house
    wrong = {name: repr(value + (1.01 * ACCEPTED[name] if name == metric else 0)) for name, value in true["fp32"].items()}
    with pytest.raises(StageError, match=f"1 of 5 numbers disagree, the first {metric}") as caught:
        run({f"{PAIR}/port": wrong})
    assert "\n" not in str(caught.value)
    written = json.loads((tmp_path / "conformance.json").read_text())
    assert [entry["agrees"] for entry in written["comparisons"]].count(False) == 1
    assert capsys.readouterr().out.count("DISAGREES") == 1


def test_a_difference_within_the_tolerance_agrees(house, run):
    _, true, _ = house
    run({f"{PAIR}/port": {name: repr(value - 0.99 * ACCEPTED[name]) for name, value in true["fp32"].items()}})


def test_a_reference_against_itself(house, run):
    _, _, inception = house
    found = run({"imagenet/32/VIRTUAL_small/VIRTUAL_small/original": {"is": repr(inception), "fid": "-3.98e-13", "sfid": "-3.87e-12"}})
    assert {comparison.metric: abs(comparison.difference) < 1e-6 for comparison in found} == {"is": True, "fid": True, "sfid": True}


def test_absent_files_are_named_with_their_address(house, run, tmp_path, capsys):
    _, true, _ = house
    run({f"{PAIR}/port": {"fid": repr(true["fp32"]["fid"])}, "imagenet/64/VIRTUAL_other/adm_other/paper": {"fid": "2.61"}})
    printed = capsys.readouterr().out
    address = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/imagenet/64"
    assert f"skipped, not there: adm_other.npz (download {address}/adm_other.npz)" in printed
    assert json.loads((tmp_path / "conformance.json").read_text())["skipped"] == [f"{address}/VIRTUAL_other.npz", f"{address}/adm_other.npz"]


def test_a_folder_without_any_is_refused(run):
    with pytest.raises(InputError, match="holds none of the 1 public sample batches"):
        run({"imagenet/64/VIRTUAL_other/adm_other/paper": {"fid": "2.61"}})


@pytest.mark.parametrize(("printed", "expected"), [("10.94", 0.005), ("0.8265", 0.00005), ("171.4", 0.05), ("-3.98e-13", 5e-16), ("11", 0.5)])
def test_half_a_unit_of_the_last_digit(printed, expected):
    assert half_unit(printed) == pytest.approx(expected)


def test_what_the_repository_holds(pytestconfig):
    pairs = published_pairs(pytestconfig.rootpath / NUMBERS)
    assert len(pairs) == 28
    assert sum(len(numbers) for numbers in pairs.values()) == 143
    headline = next(pair for pair in pairs if pair.samples == "admnet_guided_upsampled_imagenet256")
    assert headline.reference == "VIRTUAL_imagenet256_labeled"
    assert headline.page(headline.samples).endswith("ref_batches/imagenet/256/admnet_guided_upsampled_imagenet256.npz")
    exact = {(by, number.metric): number for by, number in pairs[headline]}
    assert exact["original", "fid"].text == "3.9425574129223264"
    # The port's printed values lie within the proposed acceptance of the original's, or the acceptance would be wrong.
    port = {metric: exact["port", metric].value for metric in ("fid", "sfid", "is")}
    port |= {f"{metric} {mode}": exact["port", metric].value for metric in ("precision", "recall") for mode in ("fp32", "adm_fp16")}
    for metric in ("fid", "sfid", "is", "precision", "recall"):
        assert compared(headline, "original", exact["original", metric], port)[0].agrees


def test_the_command_exits_with_1_when_a_number_disagrees(house, monkeypatch, tmp_path, capsys):
    folder, _, _ = house
    monkeypatch.chdir(tmp_path)
    NUMBERS.mkdir(parents=True)
    header = "key,metric,value,unit,source,confidence\n"
    (NUMBERS / "adm.csv").write_text(f"{header}adm/{PAIR}/paper,fid,123.45,1,made up,exact\n")
    downloads = folder / "downloads"
    arguments = ("conformance", "--samples", downloads, "--reference", downloads, "--extractor", folder / "extractor", "--device", "cpu")
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    assert stop.value.code == 1
    assert "1 of 1 numbers disagree" in capsys.readouterr().err
    assert (tmp_path / "conformance.json").exists()


def test_away_from_the_published_numbers_it_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="conformance: no such folder; run sra conformance in the folder of this suite"):
        conformance(tmp_path, tmp_path, tmp_path / "out.json")
