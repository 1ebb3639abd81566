"""The command line: exit codes, one-line errors, and stages that refuse foreign files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from sra.commands import IN_ORDER, load, names, opening_line
from sra.commands.export import export
from sra.commands.pack import pack as pack_samples
from sra.core.errors import InputError
from sra.core.files import write_json
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.spec.run import read_run

ROOT = Path(__file__).parents[3]
LIGHT = (
    *("make-digits", "make-fashion", "make-scenes", "index", "index-captions", "pack-images", "finish-pixels", "resolve", "export", "pack"),
    *("table", "figure", "claims", "report", "refresh", "cost", "status", "registry", "appendix", "archive", "adopt", "bench"),
)


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """Commands find config and report in the folder that they are called in."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def config(tiny_run, tmp_path):
    """config.json of a tiny run, as `sra resolve` writes it."""

    def write(run: str) -> Path:
        spec = tiny_run(run)
        path = tmp_path / run / "config.json"
        write_json(path, {**spec.model_dump(mode="json"), "fingerprint": spec.fingerprint})
        return path

    return write


def refused(result: tuple[int, str], message: str) -> None:
    code, printed = result
    assert code == 2
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table", "table_66", "--preset", "digits"), "unknown table 'table_66'; did you mean 'table_6'?"),
        (("figure", "figure_44", "--preset", "digits"), "unknown figure 'figure_44'; did you mean 'figure_4'?"),
        (("table", "table_1", "--preset", "digitz"), "unknown preset 'digitz'; did you mean 'digits'?"),
        (("resolve", "sit_b2_sar", "--preset", "digits", "--output", "x.json"), "unknown run 'sit_b2_sar'; did you mean 'sit_b2_sra'?"),
        (
            ("index", "--images", "", "--image-size", "256", "--output", "x.json"),
            "no images of ImageNet; download ILSVRC2012 from image-net.org and say where it is: --config paths='{imagenet: FOLDER}'",
        ),
        (
            ("index", "--images", "paths.imagenet", "--image-size", "256", "--output", "x.json"),
            "no images of ImageNet; download ILSVRC2012 from image-net.org and say where it is: --config paths='{imagenet: FOLDER}'",
        ),
        (
            ("index", "--images", "paths.own", "--image-size", "256", "--output", "x.json"),
            "no images; say where your folder of class folders is: --config paths='{own: FOLDER}'",
        ),
        (("index", "--images", "absent.zip", "--image-size", "32", "--output", "x.json"), "absent.zip"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(sra, arguments, message):
    refused(sra(*arguments), message)
    assert not (ROOT / "x.json").exists()


def test_help_needs_no_torch(sra, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _ = sra("--help")
    assert code == 0


def test_light_commands_need_no_torch():
    """In a process of its own, since torch is loaded in this one."""
    program = f"import sys\nfrom sra.commands import load\nfor name in {LIGHT}: load(name)\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", names())
def test_a_command_is_the_function_of_its_file_and_the_files_opening_lines_its_help(name):
    command = load(name)
    assert command.name == name
    assert command.help.partition("\n")[0] == opening_line(name)
    assert opening_line(name).endswith((".", "/registry.tsv", "/appendix.md"))


def test_every_command_has_its_place_in_the_order_of_the_workflow():
    assert names() == list(IN_ORDER)


def test_an_unknown_command_is_told_with_its_neighbour(sra):
    code, printed = sra("trian")
    assert code == 2
    assert "No such command 'trian'. Did you mean 'train'?" in printed


def test_resolve_writes_what_train_reads(sra, tmp_path):
    path = tmp_path / "config.json"
    assert sra("resolve", "sit_b2_sra", "--preset", "digits", "--output", path)[0] == 0
    assert read_run(path).alignment.method == "sra"
    refused(sra("resolve", "sit_b2_sra", "--preset", "digits", "--output", path, "--expect", "0" * 64), "changed while the workflow was running")


def train(sra, config: Path, store, until: int, **options) -> tuple[int, str]:
    folder = config.parent
    extra = [part for name, value in options.items() for part in (f"--{name}", value)]
    return sra(
        *("train", config, "--latents", store.manifest, "--until", until, "--device", "cpu"),
        *("--state", folder / f"{until}.safetensors", "--curve", folder / f"{until}.jsonl", *extra),
    )


def test_train_then_export(sra, config, tiny_stores, tmp_path):
    path = config("sit_b2_sra")
    code, printed = train(sra, path, tiny_stores[0], 10)
    assert code == 0
    assert printed.splitlines()[0] == "train sit_b2_sra: 0/10 steps, starting"
    curve = [json.loads(line) for line in (path.parent / "10.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in curve] == [10]
    export(path, path.parent / "10.safetensors", path.parent / "weights.safetensors")
    assert not (path.parent / "scratch").exists()
    state, weights = load_file(path.parent / "10.safetensors"), load_file(path.parent / "weights.safetensors")
    assert {f"ema.{name}" for name in weights} == {name for name in state if name.startswith("ema.")}
    assert all(np.array_equal(value, state[f"ema.{name}"]) for name, value in weights.items())


def test_a_state_of_another_run_is_refused_everywhere(sra, config, tiny_stores):
    baseline, other = config("sit_b2"), config("sit_b2_sra")
    train(sra, baseline, tiny_stores[0], 2)
    state = baseline.parent / "2.safetensors"
    refused(train(sra, other, tiny_stores[0], 4, previous=state), "belongs to run sit_b2 with other settings, not to sit_b2_sra")
    refused(sra("export", other, "--state", state, "--output", other.parent / "w.safetensors"), "belongs to run sit_b2")
    assert not (other.parent / "4.safetensors").exists()
    assert not (other.parent / "w.safetensors").exists()


def test_a_state_past_the_target_is_refused(sra, config, tiny_stores):
    path = config("sit_b2")
    train(sra, path, tiny_stores[0], 3)
    refused(train(sra, path, tiny_stores[0], 2, previous=path.parent / "3.safetensors"), "is already at step 3, asked to train until 2")


def test_a_missing_or_truncated_latent_shard_is_named(sra, config, tiny_stores):
    store = tiny_stores[0]
    shard = store.manifest.parent / store.shards[1].file
    shard.write_bytes(shard.read_bytes()[:-4])
    refused(train(sra, config("sit_b2"), store, 2), f"{shard.name}: has")
    shard.unlink()
    refused(train(sra, config("sit_b2"), store, 2), f"{shard.name}: this part of the store is missing")


def test_repa_without_features_is_refused(sra, config, tiny_stores):
    refused(train(sra, config("sit_xl2_repa_dinov2b"), tiny_stores[0], 2), "needs the features of encoder digits_vit; give --features STORE.json")


def test_a_config_edited_by_hand_is_refused(sra, config, tiny_stores):
    path = config("sit_b2")
    content = json.loads(path.read_text())
    content["training"]["learning_rate"] = 1.0
    write_json(path, content)
    refused(train(sra, path, tiny_stores[0], 2), "was edited by hand")


def shard(folder: Path, number: int, rows: int, **changes) -> Path:
    """A sample shard of `rows` images from a set of 5 in two shards."""
    path = folder / f"shard_{number}.npz"
    images = np.full((rows, 4, 4, 3), number, np.uint8) + np.arange(rows, dtype=np.uint8)[:, None, None, None]
    write_npz(path, {"arr_0": images, "labels": np.arange(rows)})
    facts = {
        "run": "r",
        "fingerprint": "f",
        "step": 1,
        "preset": "p",
        "count": 5,
        "shards": 2,
        "vae_scaling_factor": 1.0,
        "precision": "fp32",
        "device": "cpu",
    }
    facts |= {"sampler": {"labels": "random", "seed": 0}, "first": 3 * number, "stride": 1, "rows": rows, "shard": number}
    write_receipt(path, "sample shard", hashes={"weights": "w"}, **{**facts, **changes})
    return path


def pack(shards: list[Path], count: int = 5) -> Path:
    output = shards[0].parent / "samples.npz"
    pack_samples(count, "m400k", "sde250", 50000, output, shards)
    return output


def test_shards_are_packed_in_index_order_whatever_their_order(tmp_path):
    shards = [shard(tmp_path, 1, 2), shard(tmp_path, 0, 3)]
    with np.load(pack(shards)) as packed:
        assert packed["arr_0"][:, 0, 0, 0].tolist() == [0, 1, 2, 1, 2]
        assert packed["labels"].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        (lambda folder: [shard(folder, 0, 3)], r"no shard holds image 3 of 5; give every shard once"),
        (lambda folder: [shard(folder, 0, 3), shard(folder, 1, 2, fingerprint="other")], "differs from shard_0.npz in fingerprint"),
        (lambda folder: [shard(folder, 0, 2), shard(folder, 1, 2)], "no shard holds image 2 of 5"),
    ],
    ids=["too few", "of another run", "a gap"],
)
def test_shards_that_do_not_belong_together_are_refused(tmp_path, shards, message):
    with pytest.raises(InputError, match=message):
        pack(shards(tmp_path))
    assert not (tmp_path / "samples.npz").exists()


OUTSIDE = [("status",), ("cost",), ("figure", "figure_4", "--preset", "digits"), ("report", "--preset", "digits"), ("claims", "--preset", "digits")]
OUTSIDE += [
    ("table", "table_1", "--preset", "digits"),
    ("refresh", "--preset", "digits"),
    ("resolve", "sit_b2", "--preset", "digits", "--output", "c"),
]


@pytest.mark.parametrize("arguments", OUTSIDE, ids=lambda arguments: arguments[0])
def test_outside_the_suite_a_command_says_where_to_call_it(sra, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(sra(*arguments), "no such folder; call `sra` in the folder that holds config and report")


@pytest.mark.parametrize("arguments", [("status",), ("cost", "table_6"), ("--help",)], ids=lambda arguments: arguments[0])
def test_output_that_does_not_arrive_is_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "sra", *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: standard output cannot be written (No space left on device); send it elsewhere\n")


def test_the_parts_of_a_figure_are_drawn_by_its_number(sra, monkeypatch):
    drawn = []
    monkeypatch.setattr("sra.commands.figure.render_figure", lambda catalogue, name: drawn.append(name))
    assert sra("figure", "Figure_7", "--preset", "digits") == (0, "")
    assert drawn == ["figure_7a", "figure_7b", "figure_7c", "figure_7d"]
