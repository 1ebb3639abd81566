"""Any number of workers gives the same batches, the same refusals, and memory that does not grow."""

import io
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.data import images as module
from sra.data.images import ImageSplit, load_split, write_index


def encoded(seed, size=(40, 32)):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


MEMBERS = {f"n0{label}/{number:02d}.JPEG": encoded(100 * label + number) for label in range(3) for number in range(20)}


def indexed(folder, kind="zip"):
    if kind == "zip":
        path = folder / "train.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in MEMBERS.items():
                archive.writestr(name, content)
    else:
        path = folder / "train"
        for name, content in MEMBERS.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        if kind == "tar":
            subprocess.run(["tar", "-cf", folder / "train.tar", "-C", path, "."], check=True)
            path = folder / "train.tar"
    write_index(path, folder / "index.json", 16)
    return folder / "index.json"


@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_batches_do_not_depend_on_the_workers(tmp_path, kind):
    split = ImageSplit(indexed(tmp_path, kind), "train")
    expected, _ = load_split(tmp_path / "index.json", "train")
    for workers, batch in [(1, 7), (2, 64), (8, 7), (8, 1)]:
        found = list(split.batches(range(3, 58), batch, workers))
        assert [len(part) for part in found[:-1]] == [batch] * (len(found) - 1)
        assert np.array_equal(np.concatenate(found), expected[3:58])


@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_the_index_does_not_depend_on_the_workers(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 7)
    alone = indexed(tmp_path, kind).read_bytes()
    archive = tmp_path / {"zip": "train.zip", "tar": "train.tar", "folder": "train"}[kind]
    write_index(archive, tmp_path / "again.json", 16, workers=8)
    assert (tmp_path / "again.json").read_bytes() == alone


def test_workers_decode_at_the_same_time(tmp_path, monkeypatch):
    split, meeting, decoded = ImageSplit(indexed(tmp_path), "train"), threading.Barrier(4, timeout=20), module.decoded
    monkeypatch.setattr(module, "decoded", lambda *image: (meeting.wait(), decoded(*image))[1])
    assert len(next(split.batches(range(8), 8, workers=4))) == 8  # with fewer than four at once the barrier breaks


def test_a_zip_is_read_by_one_worker_at_a_time(tmp_path, monkeypatch):
    split, inside, most, read = ImageSplit(indexed(tmp_path), "train"), [], [], zipfile.ZipFile.read

    def watched(self, name):
        inside.append(name)
        time.sleep(0.002)
        most.append(len(inside))
        inside.remove(name)
        return read(self, name)

    monkeypatch.setattr(zipfile.ZipFile, "read", watched)
    list(split.batches(range(30), 10, workers=6))
    assert set(most) == {1}


def test_workers_stay_a_little_ahead_and_no_more(tmp_path, monkeypatch):
    split, done, decoded = ImageSplit(indexed(tmp_path), "train"), [], module.decoded
    monkeypatch.setattr(module, "decoded", lambda *image: (done.append(image[1]), decoded(*image))[1])
    batches = split.batches(range(60), 5, workers=2)
    for taken in range(1, 8):
        next(batches)
        time.sleep(0.1)  # they could do all of it
        assert 5 * taken < len(done) <= 5 * taken + 10
    batches.close()
    time.sleep(0.1)
    assert len(done) <= 5 * 7 + 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("images")]


def test_the_first_image_at_fault_is_named_whichever_failed_first(tmp_path, monkeypatch):
    split, decoded = ImageSplit(indexed(tmp_path), "train"), module.decoded

    def failing(source, name, content):
        if name in ("n00/03.JPEG", "n00/06.JPEG"):
            time.sleep(0.2 if name == "n00/03.JPEG" else 0)
            raise InputError(f"{name} is broken")
        return decoded(source, name, content)

    monkeypatch.setattr(module, "decoded", failing)
    for workers in (1, 6):
        with pytest.raises(InputError, match=r"n00/03\.JPEG is broken"):
            next(split.batches(range(20), 10, workers))


def test_an_error_does_not_wait_for_images_that_nobody_wants(tmp_path, monkeypatch):
    split, tried = ImageSplit(indexed(tmp_path), "train"), []

    def failing(source, name, content):
        tried.append(name)
        time.sleep(0.02)
        raise InputError("broken")

    monkeypatch.setattr(module, "decoded", failing)
    with pytest.raises(InputError, match="broken"):
        next(split.batches(range(60), 30, workers=1))
    assert len(tried) < 10  # of sixty that had been asked for


@pytest.mark.parametrize("quiet", [True, False])
def test_what_pil_warns_of_does_not_stop_the_reading(quiet):
    """In a process of its own: pytest puts its own filters in the place of ours. An image above PIL's idea of large stands for all of it."""
    program = f"""
import io
from PIL import Image
{"import sra.data.images" if quiet else ""}
buffer = io.BytesIO()
Image.new("RGB", (4, 4)).save(buffer, "PNG")
Image.MAX_IMAGE_PIXELS = 10
Image.open(buffer).load()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is quiet
    assert ("DecompressionBombWarning" in done.stderr) is not quiet
