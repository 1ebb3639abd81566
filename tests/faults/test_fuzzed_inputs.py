"""Files that hypothesis edits, breaks and makes up: each is read, or refused with one line, soon and in little memory.

`SRA_FUZZ_EXAMPLES=2000 pytest tests/faults/test_fuzzed_inputs.py` tries that many of each kind, other ones every time.
"""

import json
import os
import shutil
from contextlib import redirect_stderr, suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import yaml
from checkout import ROOT, Checkout
from faults.fuzzing import broken, edited, fuzzed, lying_npz, lying_safetensors, survives
from faults.input_house import call, png
from hypothesis import given
from hypothesis import strategies as st
from score_files import write_score_file

from sra.commands.index import index as index_images
from sra.content.margins import load_tolerances
from sra.core.errors import InputError
from sra.core.files import sha256_of_json
from sra.core.npz import open_npz, read_npz
from sra.core.receipts import receipt_of, receipt_path, write_receipt
from sra.data.captions import read_captions
from sra.data.images import ImageSplit, load_split
from sra.data.store import ArrayStore
from sra.forecast.rates import read_rates
from sra.metrics.reference import read_reference
from sra.metrics.samples import read_samples
from sra.metrics.score_inputs import open_extractor
from sra.metrics.small_extractor import WEIGHTS_FILE
from sra.plan.workflow import checked_plan
from sra.reporting.read.published import load_published
from sra.reporting.read.scores import load_scores
from sra.reporting.report.guide import Library
from sra.sampling.trained_model import load_trained
from sra.spec.assets import DatasetEntry, WeightsEntry, load_table
from sra.spec.load import checked_json, read_yaml
from sra.spec.run import RunSpec, read_run, write_run
from sra.spec.samplers import Sampler
from sra.training import description as describe_training

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="bounds memory by what /proc says, which Linux has")
FILES = ["config/config.yaml", "config/samplers.yaml", "report/claims.yaml", "report/tolerances.yaml", "report/references.yaml"]
FILES += [f"config/{name}.yaml" for name in ("presets/digits", "presets/digits", "presets/paper", "recipes/sit", "recipes/dit", "recipes/mmdit")]
FILES += [f"config/experiments/{name}.yaml" for name in ("sit_b2", "repa", "ablation_targets", "mmdit", "released_sit_800", "sit_xl2_512")]
FILES += [f"report/tables/table_{name}.yaml" for name in ("1", "2", "6", "7", "s1", "s3")]
FILES += [f"report/figures/figure_{name}.yaml" for name in ("2a", "4", "5", "6", "9", "t2i", "8a")]
DOCUMENTS = {file: yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in FILES}
TABLES = ["config/datasets.tsv", "config/weights.tsv", "config/throughput.tsv", "report/published/table_6.csv", "report/published/figure_4.csv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkout whose files are changed and put back."""
    return Checkout(tmp_path_factory.mktemp("fuzzed") / "checkout").folder


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def checkpoints(scratch) -> list[bytes]:
    found = []
    for zipped in (True, False):
        path = scratch / "good.pt"
        torch.save({"ema": {"x": torch.zeros(3)}, "state_dict": {"y": torch.zeros(3)}}, path, _use_new_zipfile_serialization=zipped)
        found.append(path.read_bytes())
    return found


def plan(folder: Path, preset: str) -> None:
    """All that the Snakefile, `sra cost` and the report read of the configuration."""
    user = read_yaml(folder / "config/config.yaml")
    plan = checked_plan(folder, {**user, "preset": preset} if isinstance(user, dict) else user)
    registry = plan.catalogue(preset)
    for run in registry.runs:
        if registry.has_part_of(run):
            _ = registry.spec(run).fingerprint, registry.milestones(run), registry.checkpoint(run)
    Library(folder / "report/references.yaml")
    load_tolerances(folder)


def read_tables(folder: Path) -> None:
    load_table(folder / "config/datasets.tsv", DatasetEntry)
    load_table(folder / "config/weights.tsv", WeightsEntry)
    read_rates(folder, "a100")
    load_published(folder / "report/published")


@given(data=st.data(), file=st.sampled_from(FILES), cost=st.booleans())
@fuzzed(80)
def test_configuration(data, file, cost, folder):
    """Edited documents, read by the Snakefile's plan or by a command."""
    preset = "paper" if "paper" in file else "digits"
    document = data.draw(edited(DOCUMENTS[file]))
    (folder / file).write_text(yaml.dump(document, Dumper=yaml.CSafeDumper), encoding="utf-8")
    try:
        survives("configuration", lambda: command(folder, f"cost --preset {preset}") if cost else plan(folder, preset))
    finally:
        shutil.copy(ROOT / file, folder / file)


def command(folder: Path, words: str) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        answer = call(words)
    finally:
        os.chdir(before)
    assert not answer.crash, answer.crash
    assert len(answer.complaint) == (answer.code != 0), answer.errors
    if answer.code == 2:
        raise InputError(answer.complaint[0])


@given(data=st.data(), file=st.sampled_from([*FILES, *TABLES]))
@fuzzed(60)
def test_text_of_configuration(data, file, folder):
    """Broken bytes of YAML, TSV and CSV."""
    (folder / file).write_bytes(data.draw(broken((ROOT / file).read_bytes())))
    try:
        survives("text of configuration", lambda: read_tables(folder) if file in TABLES else plan(folder, "digits"))
    finally:
        shutil.copy(ROOT / file, folder / file)


@given(data=st.data(), run=st.sampled_from(["sit_b2", "repa", "mmdit"]))
@fuzzed(60)
def test_config_of_a_run(data, run, house, folder):
    """Edited, and where it is still a run with the fingerprint that belongs to it: what `sra train --dry-run` says of it."""
    document = data.draw(edited(json.loads((house / run / "config.json").read_text(encoding="utf-8"))))
    file = folder / "config.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    if isinstance(document, dict):
        document.pop("fingerprint", None)
        with suppress(ValueError):
            write_run(file, RunSpec.model_validate(document))
    survives("config.json of a run", lambda: read_run(file))
    with mock.patch.object(describe_training, "speed_of_one_block", return_value=describe_training.Speed(1e9, "as it was once")):
        survives("config.json of a run", lambda: command(folder, "train config.json --dry-run"))


@given(data=st.data())
@fuzzed(60)
def test_sampler_of_a_command_line(data):
    good = {"kind": "sde", "evaluations": 250, "guidance": {"scale": 1.5}, "classes": [1, 2], "seed": 0}
    text = data.draw(st.text(max_size=30) | edited(good).map(json.dumps))
    survives("options", lambda: checked_json(text, Sampler, "--sampler"))


@given(data=st.data(), kind=st.sampled_from(["latents", "features"]))
@fuzzed(80)
def test_stores(data, kind, house, scratch):
    """store.json, its receipt, its shards or its labels; with and without the receipt that would tell."""
    store = scratch / kind
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(house / kind, store)
    file = data.draw(st.sampled_from(sorted(path.name for path in store.iterdir())))
    if data.draw(st.booleans()):
        receipt_path(store / "store.json").unlink()
    path = store / file
    if path.exists() and path.suffix == ".json" and data.draw(st.booleans()):
        path.write_text(json.dumps(data.draw(edited(json.loads(path.read_text(encoding="utf-8"))))), encoding="utf-8")
    elif path.exists():
        path.write_bytes(data.draw(broken(path.read_bytes())))
    survives("stores", lambda: ArrayStore.open(store / "store.json", kind).rows(np.arange(48)))


@given(data=st.data())
@fuzzed(60)
def test_receipts(data, house, scratch):
    file = scratch / "weights.safetensors"
    shutil.copy(house / "weights.safetensors", file)
    good = json.loads(receipt_path(house / "weights.safetensors").read_text(encoding="utf-8"))
    good.pop("sha256_of_the_rest", None)
    document = data.draw(edited(good))
    if isinstance(document, dict) and data.draw(st.booleans()):
        with suppress(ValueError):  # of numbers that JSON has not
            document = document | {"sha256_of_the_rest": sha256_of_json(json.loads(json.dumps(document)))}
    receipt_path(file).write_text(json.dumps(document), encoding="utf-8")
    spec = read_run(house / "sit_b2/config.json")
    survives("receipts", lambda: receipt_of(file))
    survives("receipts", lambda: load_trained(spec, file))


@given(data=st.data())
@fuzzed(80)
def test_numpy_archives(data, house, scratch):
    """Samples, references and features: broken bytes, and headers that say what they like."""
    path = scratch / "a.npz"
    good = (house / data.draw(st.sampled_from(["samples.npz", "reference.npz"]))).read_bytes()
    names = st.sampled_from([("arr_0", "labels", "captions"), ("mu", "sigma", "mu_s", "sigma_s", "arr_0"), ("arr_0", "arr_0"), ()])
    path.write_bytes(data.draw(broken(good) | names.flatmap(lying_npz)))
    survives("npz archives", lambda: [rows[0:2] for rows in open_npz(path).values() if rows.ndim])
    survives("npz archives", lambda: read_npz(path))
    survives("npz archives", lambda: read_samples(path))
    survives("npz archives", lambda: read_reference(path))


def header_and_data(file: Path) -> tuple[dict, bytes]:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


@given(data=st.data())
@fuzzed(60)
def test_safetensors(data, house, scratch):
    """Weights with honest receipts, so that no checksum tells: the run's own and the extractor's."""
    weights, extractor = scratch / "w.safetensors", scratch / "extractor"
    good = house / data.draw(st.sampled_from(["weights.safetensors", f"extractor/{WEIGHTS_FILE}"]))
    content = data.draw(broken(good.read_bytes()) | lying_safetensors(*header_and_data(good)))
    spec = read_run(house / "sit_b2/config.json")
    if good.parent == house:
        weights.write_bytes(content)
        write_receipt(weights, "weights", run="sit_b2", fingerprint=spec.fingerprint, step=1)
        survives("safetensors", lambda: load_trained(spec, weights))
    else:
        shutil.copytree(house / "extractor", extractor, dirs_exist_ok=True)
        (extractor / WEIGHTS_FILE).write_bytes(content)
        write_receipt(extractor / WEIGHTS_FILE, "extractor", name="x")
        survives("safetensors", lambda: open_extractor(extractor, "cpu"))


@given(data=st.data())
@fuzzed(60)
def test_checkpoints(data, checkpoints, scratch):
    """Files of torch.save, of both its formats."""
    (scratch / "a.pt").write_bytes(data.draw(st.sampled_from(checkpoints).flatmap(broken)))
    words = data.draw(st.sampled_from(["convert a.pt --from sit --out o.safetensors", "convert-encoder a.pt --from mocov3 --out v.safetensors"]))
    survives("checkpoints", lambda: command(scratch, words))


@given(data=st.data())
@fuzzed(60)
def test_scores(data, scratch):
    good = write_score_file(scratch / "score.json", "sit_b2", fid=12.5, kid=0.01)
    (scratch / "score.json").write_text(json.dumps(data.draw(edited(json.loads(good.read_text(encoding="utf-8"))))), encoding="utf-8")
    survives("scores", lambda: load_scores([scratch / "score.json"], "small"))


@given(data=st.data(), captioned=st.booleans())
@fuzzed(80)
def test_indices_and_captions(data, captioned, house, scratch):
    """Without a receipt, which would tell."""
    good = house / ("captions.json" if captioned else "index.json")
    document = data.draw(edited(json.loads(good.read_text(encoding="utf-8"))))
    for name in ("images.zip", "coco"):
        if not (scratch / name).exists():
            (scratch / name).symlink_to(house / name)
    (scratch / good.name).write_text(json.dumps(document), encoding="utf-8")
    survives("indices of images", lambda: ImageSplit(scratch / good.name, "train").whole())
    if not captioned:
        survives("indices of images", lambda: load_split(scratch / good.name, "train"))
    annotations = json.loads((house / "coco/annotations/captions_val2014.json").read_text(encoding="utf-8"))
    (scratch / "captions_val2014.json").write_text(json.dumps(data.draw(edited(annotations))), encoding="utf-8")
    survives("captions", lambda: read_captions(scratch / "captions_val2014.json"))


@given(data=st.data(), kind=st.sampled_from(["zip", "tar", "png"]))
@fuzzed(80)
def test_archives_of_images(data, kind, house, scratch):
    content = (house / f"images.{kind}").read_bytes() if kind != "png" else png()
    path = scratch / f"broken.{kind}"
    path.write_bytes(data.draw(broken(content, 200)))
    if kind == "png":
        path = scratch / "images"
        (path / "train/0").mkdir(parents=True, exist_ok=True)
        (scratch / "broken.png").rename(path / "train/0/0.png")
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        survives("archives of images", lambda: index_images(path, 32, scratch / "o.json"))
