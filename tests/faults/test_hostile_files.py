"""Archives that would write elsewhere or fill the disk, and files that would run a program: refused by every command that reads such a file."""

import io
import os
import pickle
import re
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from faults.input_house import call, png

from sra.core.receipts import write_receipt
from sra.data.store import shard_path

# What a zip and a tar may hold beside an honest image: name, kind of entry.
HOSTILE = {
    "a name that climbs": ("train/../../../owned/0.png", "file"),
    "a name that climbs behind a class": ("train/0/../../../../owned.png", "file"),
    "a name from the root": ("/tmp/owned/0/0.png", "file"),
    "a name with backslashes": ("train\\..\\..\\owned.png", "file"),
    "a name with a drive": ("C:/train/0/0.png", "file"),
    "a link to a file": ("train/0/link.png", "link"),
    "a link to a folder": ("train/0", "link"),
    "a hard link": ("train/0/hard.png", "hard link"),
    "a character device": ("train/0/zero.png", "character device"),
    "a block device": ("train/0/disk.png", "block device"),
    "a pipe": ("train/0/pipe.png", "pipe"),
    "a name given twice": ("train/1/1.png", "file"),
}
ZIP_MODES = {"file": 0o100644, "link": 0o120777, "character device": 0o020666, "block device": 0o060666, "pipe": 0o010666}
TAR_TYPES = {
    "file": tarfile.REGTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
}


def zip_of(path: Path, *entries: tuple[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive, pytest.MonkeyPatch.context() as quiet:
        quiet.setattr("warnings.warn", lambda *_, **__: None)  # of names given twice
        for name, kind in entries:
            entry = zipfile.ZipInfo(name)
            entry.filename = name  # as it is: zipfile would turn backslashes
            entry.external_attr = ZIP_MODES[kind] << 16
            archive.writestr(entry, b"/etc/passwd" if kind == "link" else png())
    return path


def tar_of(path: Path, *entries: tuple[str, str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = TAR_TYPES[kind], "/etc/passwd" if kind in ("link", "hard link") else ""
            content = png() if kind == "file" else b""
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def refused(answer, path: Path | str, *words: str) -> None:
    assert not answer.crash, answer.crash
    assert answer.code == 2
    assert len(answer.complaint) == 1
    assert answer.complaint[0].startswith(f"error: {path}")
    assert any(word in answer.complaint[0] for word in words), answer.complaint


MAKERS = [(".zip", zip_of), (".tar", tar_of)]
REFUSALS = ("leaves the archive", "is a link or a device", "appears more than once", "more than once")


@pytest.mark.parametrize(("suffix", "made"), MAKERS, ids=["zip", "tar"])
@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_of_images_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch, suffix, made, what):
    if suffix == ".zip" and HOSTILE[what][1] == "hard link":
        pytest.skip("zip has no hard links")
    monkeypatch.chdir(tmp_path)
    archive = made(tmp_path / f"a{suffix}", ("train/1/1.png", "file"), HOSTILE[what])
    refused(call(["index", "--images", archive.name, "--image-size", "32", "--output", "out/index.json"]), archive.name, *REFUSALS)
    assert list(tmp_path.iterdir()) == [archive]
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize("what", [what for what, (_, kind) in HOSTILE.items() if kind == "file"])
def test_a_tar_inside_a_tar_is_no_way_round(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    inner = tar_of(tmp_path / "n01440764.tar", ("1.png", "file"), (HOSTILE[what][0] if what != "a name given twice" else "1.png", "file"))
    with tarfile.open("a.tar", "w") as outer:
        outer.add(inner.name)
    refused(call("index --images a.tar --image-size 32 --output out/index.json"), "a.tar", *REFUSALS, "in the wrong place")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", [what for what, (_, kind) in HOSTILE.items() if kind != "hard link"])
def test_a_zip_of_captioned_images_is_refused_in_the_same_way(house, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coco").mkdir()
    for name in ("annotations", "val2014"):
        (tmp_path / "coco" / name).symlink_to(house / "coco" / name)
    honest = [(f"train2014/{file.name}", "file") for file in sorted((house / "coco" / "train2014").iterdir())]
    name, kind = HOSTILE[what]
    zip_of(tmp_path / "coco" / "train2014.zip", *honest, (honest[0][0] if what == "a name given twice" else name, kind))
    command = "index-captions --root coco --image-size 32 --expected-train 3 --expected-val 2 --output out/index.json"
    refused(call(command), "coco/train2014.zip", *REFUSALS)
    assert not (tmp_path / "out").exists()


def bomb(path: Path, name: str, declared: int, real: int = 1 << 20) -> Path:
    """A zip whose member says that it unpacks to `declared` bytes and holds `real` zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(real))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", declared)
    content[22:26] = struct.pack("<I", declared)
    path.write_bytes(content)
    return path


def held_for(work: Callable) -> int:
    """The most bytes that Python held while it worked."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("declared", [1 << 30, 3 << 30, (1 << 32) - 2], ids=["1 GiB", "3 GiB", "4 GiB"])
@pytest.mark.parametrize(
    ("member", "command"),
    [
        ("train/0/0.png", "index --images a.zip --image-size 32 --output o.json"),
        ("arr_0.npy", "score a.zip --reference HOUSE/reference.npz --extractor HOUSE/extractor --allow-count --device cpu"),
        ("mu.npy", "score HOUSE/samples.npz --reference a.zip --extractor HOUSE/extractor --allow-count --device cpu"),
    ],
    ids=["images", "samples", "reference"],
)
def test_a_bomb_is_refused_without_going_off(house, tmp_path, monkeypatch, member, command, declared):
    monkeypatch.chdir(tmp_path)
    bomb(tmp_path / "a.zip", member, declared)
    answers = []
    held = held_for(lambda: answers.append(call(command.replace("HOUSE", str(house)))))
    refused(answers[0], "a.zip", "would unpack to", "expected an image", "not a whole npz file")
    assert held < 50 << 20


def test_members_that_share_their_bytes_are_a_bomb_too(tmp_path, monkeypatch):
    """Each member is small and honest; all of them together are not."""
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/0/0000.png", bytes(64 << 20))
    with zipfile.ZipFile("a.zip", "a") as archive:
        first = archive.infolist()[0]
        for number in range(1, 200):
            again = zipfile.ZipInfo(f"train/0/{number:04d}.png")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
        archive._didModify = True
    refused(call("index --images a.zip --image-size 32 --output o.json"), "a.zip", "would unpack to")


def test_a_small_image_that_claims_to_be_a_hall_is_refused_without_the_memory_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = bytearray(png())
    content[16:24] = struct.pack(">II", 12_000, 12_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "i/train/0").mkdir(parents=True)
    (tmp_path / "i/train/0/0.png").write_bytes(content)
    answer = call("index --images i --image-size 32 --output o.json")
    assert answer.code == 2
    assert answer.complaint[-1].endswith("is not a whole image (12000 x 12000 pixels); replace or remove it")


HEADERS = {"an open brace": b"{'descr': '<f4', ", "a zero": b"{\0}", "many brackets": b"(" * 9000, "a list": b"[1]", "nothing": b""}


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_an_array_that_is_none_is_refused(house, tmp_path, monkeypatch, header):
    """numpy reads headers as Python, and fails in many ways."""
    monkeypatch.chdir(tmp_path)
    head = b"\x93NUMPY\1\0" + struct.pack("<H", len(HEADERS[header])) + HEADERS[header]
    with zipfile.ZipFile("s.npz", "w") as archive:
        archive.writestr("arr_0.npy", head + bytes(100))
    refused(call(SCORE.format("s.npz", house / "reference.npz", house / "extractor")), "s.npz", "not a whole npz file")


def test_a_zip_of_a_later_kind_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = bytearray(zip_of(tmp_path / "a.zip", ("train/0/0.png", "file")).read_bytes())
    content[content.rindex(b"PK\x01\x02") + 6] = 255
    (tmp_path / "a.zip").write_bytes(content)
    refused(call("index --images a.zip --image-size 32 --output o.json"), "a.zip", "zip file version 25.5")


# Files that would run a program


class Attack:
    """Unpickling it creates the file."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def as_torch(path: Path, attack: Attack) -> None:
    torch.save({"ema": {"x": torch.zeros(1)}, "state_dict": attack, "encoder": attack}, path)


def as_old_torch(path: Path, attack: Attack) -> None:
    torch.save({"ema": attack, "state_dict": attack, "encoder": attack}, path, _use_new_zipfile_serialization=False)


def as_pickle(path: Path, attack: Attack) -> None:
    path.write_bytes(pickle.dumps(attack))


def as_npz(path: Path, attack: Attack) -> None:
    objects = np.array([attack], dtype=object)
    with path.open("wb") as file:
        np.savez(file, arr_0=objects, mu=objects, sigma=objects, labels=objects)


def as_npy(path: Path, attack: Attack) -> None:
    np.save(path, np.array([attack], dtype=object), allow_pickle=True)


SCORE = "score {} --reference {} --extractor {} --device cpu"
SAMPLES, REFERENCE, EXTRACTOR = "HOUSE/samples.npz", "HOUSE/reference.npz", "HOUSE/extractor"
TRAIN = "train HOUSE/sit_b2/config.json --latents HOUSE/latents/store.json --until 2 --state s.safetensors --curve c.jsonl --device cpu"
TORCH, NUMPY = (as_torch, as_old_torch, as_pickle), (as_npz, as_npy, as_pickle)
# The command, names that such a file may have, and how it is written.
READERS = {
    "convert": ("convert FILE --from sit --out o.safetensors", ("bad.pt", "bad.pth", "bad.ckpt", "bad.bin"), TORCH),
    "import-weights": ("import-weights HOUSE/sit_b2/config.json FILE --from sit --step 1 --output o.safetensors", ("bad.pt",), TORCH),
    "convert-encoder": ("convert-encoder FILE --from mocov3 --out vit_base_patch16_224.x.safetensors", ("bad.pth.tar", "bad.pt"), TORCH),
    "score, extractor": (SCORE.format(SAMPLES, REFERENCE, "FILE"), ("bad.pth",), TORCH),
    "score, samples": (SCORE.format("FILE", REFERENCE, EXTRACTOR), ("bad.npz",), NUMPY),
    "score, reference": (SCORE.format(SAMPLES, "FILE", EXTRACTOR), ("bad.npz",), NUMPY),
    "reference-features": (f"reference-features --reference FILE --extractor {EXTRACTOR} --output o.npz --device cpu", ("bad.npz",), NUMPY),
    "make-reference": ("make-reference --index HOUSE/index.json --extractor FILE --images 4 --output o.npz --device cpu", ("bad.pth",), TORCH),
    "pack": ("pack --count 5 --milestone m400k --sampler-name s --paper-count 5 --output o.npz FILE", ("bad.npz",), NUMPY),
    "export": ("export HOUSE/sit_b2/config.json --state FILE --output o.safetensors", ("bad.safetensors",), TORCH),
    "train": (f"{TRAIN} --previous FILE", ("bad.safetensors",), TORCH),
    "extract-features": (
        "extract-features --index HOUSE/index.json --encoder FILE --shard 0 --shards 1 --output o.npy --device cpu",
        ("vit_tiny_patch16_224.x.safetensors",),
        (as_torch,),
    ),
}
KINDS = {"pack": "sample shard", "export": "training state", "train": "training state"}  # of which it asks for the receipt
CASES = [(reader, name, write) for reader, (_, names, writers) in READERS.items() for name in names for write in writers]


@pytest.mark.parametrize(("reader", "name", "write"), CASES, ids=[f"{reader}: {name} {write.__name__}" for reader, name, write in CASES])
def test_a_file_that_would_run_a_program_is_refused_and_nothing_runs(house, tmp_path, monkeypatch, reader, name, write):
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "owned"
    if write is as_npy:
        write(tmp_path / "bad.npy", Attack(mark))
        (tmp_path / "bad.npy").rename(tmp_path / name)
    else:
        write(tmp_path / name, Attack(mark))
    if reader in KINDS:  # an honest receipt of a hostile file
        facts = {"run": "sit_b2", "fingerprint": fingerprint(house), "step": 1, "count": 5, "first": 0, "stride": 1, "rows": 5}
        extra = {"shards": 1, "preset": "digits", "sampler": {}, "vae_scaling_factor": 1.0, "precision": "fp32", "device": "cpu", "machine": {}}
        write_receipt(tmp_path / name, KINDS[reader], **facts, **extra)
    answer = call(READERS[reader][0].replace("FILE", name).replace("HOUSE", str(house)))
    assert not mark.exists()
    refused(answer, name, "")
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(("o.", "vit_base"))]


def fingerprint(house: Path) -> str:
    return re.search(r'"fingerprint": "(\w+)"', (house / "sit_b2/config.json").read_text())[1]


def test_a_shard_of_objects_in_a_store_is_refused(house, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "owned"
    for file in (house / "latents").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = shard_path(tmp_path, "latents", 0, 1)
    size = shard.stat().st_size
    as_npy(shard, Attack(mark))
    shard.write_bytes(shard.read_bytes().ljust(size, b"\0"))
    command = f"train {house}/sit_b2/config.json --latents store.json --until 2 --state s.safetensors --curve c.jsonl --device cpu"
    refused(call(command), shard.name, "")
    assert not mark.exists()


@pytest.mark.parametrize("write", [as_torch, as_old_torch, as_pickle, as_npz, as_npy])
def test_the_attacks_are_real(tmp_path, write):
    mark, path = tmp_path / "owned", tmp_path / ("bad.npy" if write is as_npy else "bad.npz")
    write(path, Attack(mark))
    if write is as_pickle:
        pickle.loads(path.read_bytes())
    elif write in (as_torch, as_old_torch):
        torch.load(path, weights_only=False)
    else:
        found = np.load(path, allow_pickle=True)
        _ = found["mu"] if write is as_npz else found
    assert mark.exists()
