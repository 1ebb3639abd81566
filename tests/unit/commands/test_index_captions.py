"""`sra make-scenes` and `sra index-captions`: receipts chain from the images to the index, wrong input ends with one line."""

from sra.core.files import read_json, sha256_of_file
from sra.core.receipts import read_receipt
from sra.data.captions import CaptionedSplit


def index_of(folder, *options):
    return ("index-captions", "--root", folder, "--image-size", 32, "--output", folder / "index.json", *options)


def test_scenes_are_made_indexed_and_read(sra, tmp_path):
    assert sra("make-scenes", "--output", tmp_path, "--seed", 3)[0] == 0
    for split in ("train", "val"):
        images = read_receipt(tmp_path / f"{split}2014.zip", "images")
        captions = read_receipt(tmp_path / f"annotations/captions_{split}2014.json", "captions")
        assert images["facts"]["seed"] == captions["facts"]["seed"] == 3

    # Without their numbers, the scenes are taken for an incomplete COCO.
    code, printed = sra(*index_of(tmp_path))
    assert (code, printed.count("\n")) == (2, 1)
    assert "captions_train2014.json: holds 6400 images, expected 82783" in printed

    code, _ = sra(*index_of(tmp_path, "--expected-train", 6400, "--expected-val", 1600, "--workers", 2))
    assert code == 0
    receipt = read_receipt(tmp_path / "index.json", "index")
    assert receipt["facts"] == {
        "image_size": 32,
        "crop": "lanczos",
        "splits": {"train": 6400, "val": 1600},
        "captions": {"train": 32_000, "val": 8000},
    }
    assert receipt["made_from"] == {
        "train_images": sha256_of_file(tmp_path / "train2014.zip"),
        "val_images": sha256_of_file(tmp_path / "val2014.zip"),
        "train_captions": sha256_of_file(tmp_path / "annotations/captions_train2014.json"),
        "val_captions": sha256_of_file(tmp_path / "annotations/captions_val2014.json"),
    }
    assert len(CaptionedSplit(tmp_path / "index.json", "val").flat_captions) == 8000
    assert read_json(tmp_path / "index.json")["archives"]["train"]["path"] == "train2014.zip"


def test_a_folder_without_coco_ends_with_one_line(sra, tmp_path):
    code, printed = sra(*index_of(tmp_path))
    assert (code, printed.count("\n")) == (2, 1)
    assert "captions_train2014.json: no such file; download annotations_trainval2014.zip" in printed
