import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sra.core.kinds import kind_of


def image(form: str) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, form)
    return written.getvalue()


def write_tar(path):
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"abc")


WRITERS = {
    "PNG image": lambda path: path.write_bytes(image("PNG")),
    "JPEG image": lambda path: path.write_bytes(image("JPEG")),
    "WebP image": lambda path: path.write_bytes(image("WEBP")),
    "BMP image": lambda path: path.write_bytes(image("BMP")),
    "GIF image": lambda path: path.write_bytes(image("GIF")),
    "TIFF image": lambda path: path.write_bytes(image("TIFF")),
    "NumPy array (.npy)": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "npz file": lambda path: np.savez(path.open("wb"), np.zeros(3)),
    "zip archive": write_zip,
    "tar archive": write_tar,
    "torch checkpoint": lambda path: torch.save({"a": torch.zeros(2)}, path),
    "Python pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "safetensors file": lambda path: save_file({"a": torch.zeros(2)}, path),
    "gzip file": lambda path: path.write_bytes(gzip.compress(b"abc")),
    "web page": lambda path: path.write_text("\n<!DOCTYPE html><html></html>"),
    "Git LFS pointer": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "JSON text": lambda path: path.write_text('{"a": 1}'),
    "empty file": lambda path: path.touch(),
    "broken zip archive": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "unknown": lambda path: path.write_text("hello"),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_kind_is_told_by_content_whatever_the_suffix(name, tmp_path):
    file = tmp_path / "samples.npz"
    WRITERS[name](file)
    assert kind_of(file).name == name


@pytest.mark.parametrize("name", ["empty file", "web page", "Git LFS pointer", "broken zip archive", "gzip file", "Python pickle", "folder"])
def test_what_nobody_meant_to_give_comes_with_advice(name, tmp_path):
    file = tmp_path / "file"
    WRITERS[name](file)
    assert kind_of(file).advice
