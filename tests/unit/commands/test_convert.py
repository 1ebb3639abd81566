"""`sra convert` and `sra import-weights`: what they write, say, hold and refuse."""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sra import commands
from sra.commands.convert import convert
from sra.commands.import_weights import import_weights
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.receipts import read_receipt, verify_contents
from sra.models.build import build_model
from sra.models.dit import DiffusionTransformer
from sra.spec.run import RunSpec, write_run
from sra.spec.scale import PAPER_SIZES, Width

STEPS = 4_003_200  # 800 epochs as SRA's trainer counts them; the paper counts 4M
HEADER = "name\tkind\tsource\tplace\tlicence\tfamily\tmodel\tresolution\tstep\tpage\tbytes\tsha256\tnote\n"
ROW = "sra_xl\tcheckpoint\tfile\tsra.pt\tMIT\tsra\tSiT-XL/2\t{resolution}\t4000000\thttps://example.org/sra.pt\t\t{sha256}\tfor a test\n"


@pytest.fixture
def spec(tiny_run) -> RunSpec:
    return tiny_run("sit_xl2")


@pytest.fixture
def root(tmp_path, spec, monkeypatch) -> Path:
    """A checkout with one released checkpoint in its table, and XL as small as the run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PAPER_SIZES, "XL", Width(depth=spec.model.depth, width=spec.model.width, heads=spec.model.heads))
    (tmp_path / "config").mkdir()
    list_checkpoint(tmp_path, spec)
    return tmp_path


def list_checkpoint(root: Path, spec: RunSpec, resolution: int | None = None, sha256: str = "") -> None:
    row = ROW.format(resolution=resolution or 8 * spec.model.latent.size, sha256=sha256)
    (root / "config" / "weights.tsv").write_text(HEADER + row)


def network(spec: RunSpec, seed: int = 0, **changes) -> DiffusionTransformer:
    model = build_model(spec.model.model_copy(update=changes), seed)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return model


def released(root: Path, spec: RunSpec, seed: int = 0, **changes) -> Path:
    """A training checkpoint of SRA's repository."""
    model = network(spec, seed, **changes)
    weights = model.state_dict() | {"ap_head.linear1.weight": torch.ones(2, 2)}
    args = argparse.Namespace(num_classes=model.spec.classes, path_type="linear", prediction="v", block_out_s=8, output_dir=Path("exps"))
    torch.save({"ema": weights, "model": weights, "args": args, "steps": STEPS}, root / "sra.pt")
    return root / "sra.pt"


def test_convert_writes_weights_with_a_receipt_and_says_what_it_did(root, spec, capsys):
    file, output = released(root, spec), root / "out" / "sra.safetensors"
    convert(file, "sra", output)
    source = network(spec).state_dict()
    written = load_file(output)
    assert set(written) == set(source) - {"pos_embed"}
    assert all(torch.equal(written[name], source[name]) for name in written)

    receipt = verify_contents(output, "weights")
    facts = receipt["facts"]
    assert receipt["made_from"] == {"released": sha256_of_file(file)}
    assert (facts["source"], facts["source_sha256"]) == ("sra.pt", sha256_of_file(file))
    assert (facts["family"], facts["model"], facts["taken"]) == ("sra", "SiT-XL/2", "ema")
    assert facts["resolution"] == 8 * spec.model.latent.size
    assert set(facts["dropped"]) == {"pos_embed", "ap_head.*"}

    said = capsys.readouterr().out
    assert facts["args"] == {"path_type": "linear", "prediction": "v", "num_classes": spec.model.classes, "block_out_s": 8}
    assert (facts["step"], facts["null_class"], facts["network"]) == (STEPS, True, spec.model.model_dump(mode="json"))
    following = f"sra sample --weights {output} --vae stabilityai/sd-vae-ft-ema --sampler sde250 --count 16 --output sra_samples.npz"
    size, arguments = f"{8 * spec.model.latent.size} px", "path_type linear, prediction v, num_classes 10, block_out_s 8, steps 4003200"
    for part in ("SiT-XL/2", f"{spec.model.classes} classes", size, "ema, float32", "ap_head.*: SRA's projection head", arguments, following):
        assert part in said


def test_same_file_same_bytes(root, spec):
    file = released(root, spec)
    for name in ("a", "b"):
        convert(file, "sra", root / f"{name}.safetensors")
    assert (root / "a.safetensors").read_bytes() == (root / "b.safetensors").read_bytes()


def test_half_precision_is_said_and_widened(root, spec, capsys):
    torch.save({key: value.half() for key, value in network(spec).state_dict().items()} | {"ap_head.a": torch.ones(1)}, root / "half.pt")
    convert(root / "half.pt", "sra", root / "half.safetensors", classes=spec.model.classes)
    assert "raw, float16" in capsys.readouterr().out
    assert {tensor.dtype for tensor in load_file(root / "half.safetensors").values()} == {torch.float32}


@pytest.fixture
def config(root, spec) -> Path:
    write_run(root / "config.json", spec)
    return root / "config.json"


def test_import_gives_the_sampling_stage_what_an_export_gives(root, spec, config):
    file, output = released(root, spec), root / "weights" / "m4m.safetensors"
    list_checkpoint(root, spec, resolution=spec.image_size)
    import_weights(config, file, "sra", output, step=4_000_000, name="sra_xl")
    receipt = read_receipt(output, "weights")
    assert {name: receipt["facts"][name] for name in ("run", "fingerprint", "step")} == {
        "run": spec.run,
        "fingerprint": spec.fingerprint,
        "step": 4_000_000,
    }
    assert set(receipt["made_from"]) == {"config", "released"}
    assert receipt["facts"]["source"] == "sra.pt"
    with safe_open(output, framework="pt") as written:
        assert json.loads(written.metadata()["sra"])["run"] == spec.run
    model = DiffusionTransformer(spec.model)
    missing, unexpected = model.load_state_dict(load_file(output), strict=False)
    assert (missing, unexpected) == (["pos_embed"], [])


def test_a_run_smaller_than_the_papers_takes_files_of_its_own_size(root, spec, config, monkeypatch):
    monkeypatch.setitem(PAPER_SIZES, "XL", Width(depth=28, width=1152, heads=16))
    file, output = released(root, spec), root / "w.safetensors"
    import_weights(config, file, "sra", output, step=4_000_000)
    assert read_receipt(output, "weights")["facts"]["model"] == "SiT-XL/2"
    with pytest.raises(InputError, match=r"is no known size \(S 12 x 384, .*XL 28 x 1152; patch 2, 4 or 8\)"):
        convert(file, "sra", root / "v.safetensors")


def test_a_file_of_the_papers_size_is_named_as_such_to_a_smaller_run(root, spec, config, monkeypatch):
    monkeypatch.setitem(PAPER_SIZES, "XL", Width(depth=1, width=32, heads=2))
    message = rf"holds SiT-XL/2 with depth 1, run sit_xl2 is SiT-XL/2 with depth {spec.model.depth}"
    with pytest.raises(InputError, match=message):
        import_weights(config, released(root, spec, depth=1, width=32), "sra", root / "w.safetensors", step=4_000_000)


def test_an_entry_for_another_resolution_is_not_imported(root, spec, config):
    list_checkpoint(root, spec, resolution=4096)
    with pytest.raises(InputError, match=rf"holds SiT-XL/2 for {spec.image_size} px, config/weights.tsv says SiT-XL/2 for 4096 px"):
        import_weights(config, released(root, spec), "sra", root / "w.safetensors", step=4_000_000, name="sra_xl")
    assert not (root / "config" / "checksums").exists()


def test_the_step_that_is_said_is_the_files(root, spec, config):
    file, output = released(root, spec), root / "w.safetensors"
    message = r"sra.pt: was saved after 4003200 steps, --step says 400000; give the number of the file"
    with pytest.raises(InputError, match=message):
        import_weights(config, file, "sra", output, step=400_000)
    (root / "config" / "weights.tsv").write_text((root / "config" / "weights.tsv").read_text().replace("4000000", "2000000"))
    with pytest.raises(InputError, match=r"was saved after 4003200 steps, config/weights.tsv says 2000000 for sra_xl; give the file of that entry"):
        convert(file, "sra", output, name="sra_xl")


def test_a_run_says_how_many_classes_a_table_is_for(root, spec, config):
    """Without arguments in the file: ten rows for ten classes have no null class."""
    weights = network(spec).state_dict()
    weights["y_embedder.embedding_table.weight"] = weights["y_embedder.embedding_table.weight"][:-1]
    torch.save(weights, root / "x.pt")
    import_weights(config, root / "x.pt", "repa", root / "w.safetensors", step=1)
    table = load_file(root / "w.safetensors")["y_embedder.embedding_table.weight"]
    assert torch.equal(table[:-1], weights["y_embedder.embedding_table.weight"])
    assert not table[-1].any()
    assert read_receipt(root / "w.safetensors", "weights")["facts"]["null_class"] is False
    torch.save(network(spec).state_dict(), root / "x.pt")
    import_weights(config, root / "x.pt", "repa", root / "w.safetensors", step=1)
    assert "null_class" not in read_receipt(root / "w.safetensors", "weights")["facts"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 7}, r"sra.pt: its args say num_classes 7, 10 were asked for; give a checkpoint of 10 classes"),
        ({"patch": 4}, r"holds SiT-XL/4 with patch 4, run sit_xl2 is SiT-XL/2 with patch 2"),
        ({"learns_variance": True}, r"holds DiT-XL/2 with learns_variance True, run sit_xl2 is SiT-XL/2 with learns_variance False"),
        ({"depth": 1}, r"1 blocks of width 16 with patch 2 is no known size"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(root, spec, config, changes, message):
    with pytest.raises(InputError, match=message):
        import_weights(config, released(root, spec, **changes), "sra", root / "w.safetensors", step=4_000_000)
    assert not (root / "w.safetensors").exists()


def test_a_checkpoint_of_another_resolution_is_refused(root, spec, config):
    latent = spec.model.latent.model_copy(update={"size": 2 * spec.model.latent.size})
    with pytest.raises(InputError, match=rf"with latent size {latent.size}, run sit_xl2 is SiT-XL/2 with latent size {spec.model.latent.size}"):
        import_weights(config, released(root, spec, latent=latent), "sra", root / "w.safetensors", step=4_000_000)


def test_the_hash_is_held_from_first_use_on(root, spec):
    output = root / "w.safetensors"
    record = root / "config" / "checksums" / "sra_xl.sha256"
    (root / "sra.pt").write_bytes(b"half a download")
    with pytest.raises(InputError, match="not a readable torch checkpoint"):
        convert(root / "sra.pt", "sra", output, name="sra_xl")
    assert not record.exists()

    file = released(root, spec)
    convert(file, "sra", output, name="sra_xl")
    assert record.read_text() == f"{sha256_of_file(file)}  sra.pt\n"
    convert(file, "sra", output, name="sra_xl")

    first = sha256_of_file(file)
    second = sha256_of_file(released(root, spec, seed=1))
    with pytest.raises(InputError, match=rf"{second[:12]}\.\.\., at first use of sra_xl it was {first[:12]}\.\.\..*delete"):
        convert(file, "sra", output, name="sra_xl")
    record.unlink()
    convert(file, "sra", output, name="sra_xl")


def test_the_table_says_what_a_named_file_must_be(root, spec):
    file, output = released(root, spec), root / "w.safetensors"
    with pytest.raises(InputError, match=r"--from repa: sra_xl is a checkpoint of family sra in config/weights.tsv; give --from sra"):
        convert(file, "repa", output, name="sra_xl")
    list_checkpoint(root, spec, resolution=4096)
    with pytest.raises(InputError, match=r"px, config/weights.tsv says SiT-XL/2 for 4096 px for sra_xl"):
        convert(file, "sra", output, name="sra_xl")
    list_checkpoint(root, spec, sha256=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(InputError, match=r"config/weights.tsv says"):
        convert(file, "sra", output, name="sra_xl")
    assert not output.exists()
    file.unlink()
    with pytest.raises(InputError, match=r"sra.pt: no such file; download https://example.org/sra.pt \(MIT\) and save it there"):
        convert(file, "sra", output, name="sra_xl")


def test_the_source_is_never_overwritten(root, spec):
    file, output = released(root, spec), root / "w.safetensors"
    convert(file, "sra", output)
    with pytest.raises(InputError, match=r"was written by sra convert, so it is converted already"):
        convert(output, "sra", root / "v.safetensors")
    for given, wanted in ((output, output), (file, root / "w.pt")):
        before = given.read_bytes()
        with pytest.raises(InputError, match=r"expected a new file ending in .safetensors"):
            convert(given, "sra", wanted)
        assert given.read_bytes() == before


@pytest.fixture
def sra(root, monkeypatch, capsys):
    """Run `sra ...` in this process in the checkout; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(root)

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            commands.main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return run


def test_the_command_converts_holds_the_hash_and_imports(sra, root, spec, config):
    file = released(root, spec)
    code, out, _ = sra("convert", file, "--from", "sra", "--out", "w.safetensors", "--name", "sra_xl", "--weights", "model")
    assert code == 0
    assert "model, float32" in out
    assert (root / "config" / "checksums" / "sra_xl.sha256").exists()
    code, _, _ = sra("import-weights", config, file, "--from", "sra", "--step", "4000000", "--output", "i.safetensors")
    assert code == 0
    assert read_receipt(root / "i.safetensors", "weights")["facts"]["step"] == 4_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sra.pt", "--from", "dit"), "gives 4 output channels, a file of facebookresearch/DiT has 8"),
        (("sra.pt", "--from", "sar"), "unknown family 'sar'; did you mean 'sra'?"),
        (("sra.pt", "--from", "sra", "--weights", "raw"), "unknown kind of weights 'raw'; known: ema, model"),
        (("absent.pt", "--from", "sra"), "absent.pt: no such file"),
        (("sra.pt", "--from", "sra", "--name", "sra_xxl"), "unknown checkpoint 'sra_xxl'; did you mean 'sra_xl'?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(sra, root, spec, arguments, message):
    released(root, spec)
    code, _, err = sra("convert", *arguments, "--out", "w.safetensors")
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (root / "w.safetensors").exists()


def test_a_hostile_file_meets_the_real_command_in_one_line(tmp_path):
    mark, path = tmp_path / "mark", tmp_path / "bad.pt"
    path.write_bytes(b"cposix\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    command = [
        sys.executable,
        "-c",
        "from sra.commands import main; main()",
        "convert",
        str(path),
        "--from",
        "dit",
        "--out",
        str(tmp_path / "w.safetensors"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {path}: ")
    assert done.stderr.count("\n") == 1
    assert not mark.exists()
