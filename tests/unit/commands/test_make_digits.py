"""The archive is written at the size that the data set wants, and says so."""

import io
import sys
import zipfile

import pytest
from PIL import Image

from sra.commands import main
from sra.core.receipts import read_receipt


@pytest.mark.parametrize(("options", "size"), [([], 32), (["--image-size", "64"], 64)])
def test_the_archive_has_the_size_that_is_asked_for(options, size, tmp_path, monkeypatch):
    archive = tmp_path / "images.zip"
    monkeypatch.setattr(sys, "argv", ["sra", "make-digits", *options, "--output", str(archive)])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    assert read_receipt(archive, "images")["facts"]["image_size"] == size
    with zipfile.ZipFile(archive) as content:
        assert Image.open(io.BytesIO(content.read(content.namelist()[0]))).size == (size, size)
