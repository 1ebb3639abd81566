"""Names that others choose - of folders, files, runs and captions - stay names: in the shell, on disk, on the terminal and in every format."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import Checkout
from faults.input_house import call, png
from random_coco import write_random_coco

from sra.core.errors import InputError, spelled_out
from sra.core.files import path_inside
from sra.data.store import ArrayStore
from sra.reporting.write.delimited import delimited
from sra.spec.assets import WeightsEntry, load_table

# Everything that a shell would take for its own, in one name.
NAME = """it's "two" $(touch owned) `touch owned`; touch owned & %s * ? [a] ~ #! \\ é"""
CAPTIONS = (
    "<script>alert(1)</script>",
    "a 'quoted' \"caption\" of $(touch owned); rm -rf .",
    "two\nlines\r\nand\ttabs",
    "\x1b[2J\x1b[31mred\x07",
    "\u202egnp.exe\u202c \u200b",
    "=cmd|' /C calc'!A0",
    '{{ 7 * 7 }} {% raw %} \\input{/etc/passwd} #read("/etc/passwd")',
)
MARKS = "\x1b\x07\u202e\u202c\r"


def write_images(folder: Path) -> Path:
    for number in range(4):
        path = folder / f"{number % 2}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(40 * number))
    return folder


def configure(checkout: Checkout, **paths) -> None:
    file = checkout.folder / "config/config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["paths"] |= paths
    file.write_text(yaml.safe_dump(config | {"preset": "paper"}, allow_unicode=True), encoding="utf-8")


def owned(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith("owned")]


@pytest.mark.slow
def test_rules_quote_the_folders_of_their_users(tmp_path):
    """Two rules run for real on folders of that name, in a checkout of that name. COCO is too small, which its rule says in its log."""
    checkout = Checkout(tmp_path / NAME)
    images, coco = write_images(tmp_path / f"images {NAME}"), write_random_coco(tmp_path / f"coco {NAME}", {"train": 3, "val": 2})
    configure(checkout, imagenet=str(images), expected_images=4, coco=str(coco))
    index, log = "results/shared/imagenet256/index.json", "results/shared/coco256/logs/index_captions.log"
    done = checkout.snakemake("--keep-going", index, "results/shared/coco256/index.json")
    assert done.returncode == 1
    assert len(json.loads((checkout.folder / index).read_text(encoding="utf-8"))["images"]) == 4
    started, complaint = (checkout.folder / log).read_text(encoding="utf-8").splitlines()
    assert started.startswith("started in")
    assert complaint.startswith(f"error: {coco}/annotations/captions_train2014.json: holds 3 images, expected")
    assert owned(tmp_path) == []


@pytest.mark.parametrize("name", [NAME, "line\nbreak", "\x1b[31mred", "\u202egnp", "-rf", "a b\tc"], ids=ascii)
def test_a_folder_of_any_name_is_read_and_its_errors_stay_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / name)
    read = call(["index", f"--images={name}", "--image-size", "32", "--output", f"out {name}/index.json"])
    assert read.code == 0, read.errors
    assert json.loads(Path(f"out {name}/index.json").read_text())["archive"]["path"] == f"../{name}"
    (tmp_path / name / "0" / "bad.png").write_bytes(b"no image")
    refused = call(["index", f"--images={name}", "--image-size", "32", "--output", "o.json"])
    assert refused.code == 2
    assert not refused.crash
    assert refused.errors.splitlines()[-1].startswith(f"error: {spelled_out(name)}: member '0/bad.png' is not a whole image")
    assert not set(MARKS) & set(read.errors + refused.errors)
    assert owned(tmp_path) == []


@pytest.mark.parametrize("preset", ["digits; touch owned", "../../etc", "a\nb", "$(touch owned)", "\x1b[31m"])
def test_a_preset_is_looked_up_and_never_a_path(checkout, monkeypatch, preset):
    monkeypatch.chdir(checkout.folder)
    for command in (["status", "--preset", preset], ["cost", "--preset", preset], ["resolve", "sit_b2", "--preset", preset, "--output", "o.json"]):
        answer = call(command)
        assert answer.code == 2
        assert answer.complaint == [f"error: unknown preset {preset!r}; known: digits, fashion, fashion_cpu, fashion_toy, own, paper"]
    assert owned(checkout.folder) == []


@pytest.mark.parametrize("kind", ["run", "table", "figure"])
def test_an_unknown_name_is_quoted_in_the_answer_and_no_file_is_made(checkout, monkeypatch, kind):
    monkeypatch.chdir(checkout.folder)
    name = "../../owned\x1b[31m$(touch owned)"
    before = set(checkout.folder.rglob("*"))
    tail = ["--preset", "digits"] + (["--output", "o.json"] if kind == "run" else [])
    answer = call(["resolve" if kind == "run" else kind, name, *tail])
    assert answer.code == 2
    assert answer.complaint[0].startswith(f"error: unknown {kind} {name!r}; ")
    assert set(checkout.folder.rglob("*")) == before


@pytest.mark.parametrize("place", ["../owned.pt", "/etc/passwd", "a/../../owned.pt", "owned\n.pt"])
def test_a_listed_file_stays_in_the_folder_of_downloads(tmp_path, place):
    row = {"name": "x", "kind": "extractor", "source": "file", "place": place, "licence": "MIT", "note": "n", "page": "https://example.org"}
    quoted = ['"' + value.replace('"', '""') + '"' for value in row.values()]
    (tmp_path / "weights.tsv").write_text("\t".join(row) + "\n" + "\t".join(quoted) + "\n")
    with pytest.raises(InputError, match="leaves the folder of downloads"):
        load_table(tmp_path / "weights.tsv", WeightsEntry)


@pytest.mark.parametrize("file", ["../../labels.npy", "/etc/passwd", "link.npy", "x/../../labels.npy"])
def test_parts_of_a_store_lie_beside_its_manifest(house, tmp_path, file):
    folder = tmp_path / "a" / "store"
    folder.mkdir(parents=True)
    (folder / "link.npy").symlink_to("/etc/passwd")
    content = json.loads((house / "latents/store.json").read_text())
    content["shards"][0]["file"] = file
    (folder / "store.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="points outside"):
        ArrayStore.open(folder / "store.json", "latents")


def test_a_path_inside_may_be_as_odd_as_it_likes(tmp_path):
    for name in ("a b", "it's", "$(x)", "..a", "a..", "é"):
        assert path_inside(tmp_path, name) == tmp_path / name


def test_captions_are_kept_as_they_are_and_never_reach_a_shell_or_the_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coco = write_random_coco(tmp_path / "coco", {"train": len(CAPTIONS), "val": 2})
    file = coco / "annotations/captions_train2014.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for image, caption in zip(content["images"], CAPTIONS, strict=True):
        next(entry for entry in content["annotations"] if entry["image_id"] == image["id"])["caption"] = caption
    file.write_text(json.dumps(content), encoding="utf-8")
    answer = call(f"index-captions --root coco --image-size 32 --output index.json --expected-train {len(CAPTIONS)} --expected-val 2")
    assert answer.code == 0, answer.errors
    index = json.loads(Path("index.json").read_text(encoding="utf-8"))
    assert [image["captions"][0] for image in index["images"] if image["split"] == "train"] == list(CAPTIONS)
    assert not set(MARKS) & set(answer.errors + answer.printed)
    assert owned(tmp_path) == []


def test_a_message_is_one_line_whatever_it_quotes():
    assert spelled_out("a\nb\x1b[31m\u202e\u2028\tc é \\n") == "a\\nb\\x1b[31m\\u202e\\u2028\\tc é \\n"
    assert all(sign.isprintable() for sign in spelled_out("".join(map(chr, range(0x2100)))))


@pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "\t=1", "\r=1", "+HYPERLINK(0)"])
def test_a_cell_is_no_formula(cell):
    assert delimited([[cell, "after"]]).replace('"', "").startswith(f"'{cell}"[:3])


@pytest.mark.parametrize("cell", ["+ SRA", "+ REPA (DINOv2-B)", "-0.5", "+1.2e-3", "a = b", "—", "", "- a list", 3, -1.5])
def test_what_is_none_stays_as_it_is(cell):
    assert delimited([[cell, "after"]]) == f"{cell},after\n"


def test_the_terminal_gets_no_escapes_from_the_command_line(tmp_path):
    """The same through a real shell, in which the name is one word."""
    name = "no\x1b]0;owned\x07such\n$(touch owned)"
    done = subprocess.run([sys.executable, "-m", "sra", "index", "--images", name, "--image-size", "32", "--output", "o.json"], cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no\\x1b]0;owned\\x07such\\n$(touch owned): no such file or folder\n"
    assert list(tmp_path.iterdir()) == []
