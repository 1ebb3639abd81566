"""`sra index` on the digits and on a user's folder: the receipt names the images, wrong counts end it with one line."""

import sys

import pytest

from sra import commands
from sra.commands.index import index as index_images
from sra.core.files import read_json, sha256_of_file
from sra.core.receipts import read_receipt, write_receipt
from sra.data.digits import write_digits


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "images.zip"
    write_digits(path)
    write_receipt(path, "images")
    return path


def test_an_archive_made_here_is_vouched_for_by_its_own_hash(digits, tmp_path):
    index_images(digits, 32, tmp_path / "index.json", 1797, 10)
    content, receipt = read_json(tmp_path / "index.json"), read_receipt(tmp_path / "index.json", "index")
    assert content["archive"]["sha256"] == receipt["made_from"]["images"] == sha256_of_file(digits)
    assert set(content["images"][0]) == {"path", "class", "split", "width", "height"}
    assert receipt["facts"] == {"image_size": 32, "classes": 10, "splits": {"train": 1437, "held_out": 360}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--expected-images", 1798, "--expected-classes", 10),
            "1797 images of 10 classes, expected 1798 of 10; its smallest classes: 8 174, ",
        ),
        (("--least-images", 2000), "holds 1437 images, the preset compares with 2000; add some, or lower reference_images in the preset"),
        (("--expected-classes", 9), "holds 10 classes, expected 9; set classes: 10 in the preset, if they are all"),
    ],
)
def test_a_wrong_count_ends_the_command_with_one_line(digits, tmp_path, monkeypatch, capsys, options, message):
    arguments = ["index", "--images", digits, "--image-size", 32, "--output", tmp_path / "index.json", *options]
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    printed = capsys.readouterr().err
    assert (stop.value.code, printed.count("\n")) == (2, 1)
    assert message in printed
