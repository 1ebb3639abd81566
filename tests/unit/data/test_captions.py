"""Oracles: annotation files written by hand with every order shuffled, images compared pixel by pixel, each damage refused by file and id."""

import copy
import io
import json
import random
import shutil
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.core.files import read_json
from sra.core.receipts import write_receipt
from sra.data.captions import FOLDERS, CaptionedSplit, drawn_captions, read_captions, write_caption_index
from sra.data.crops import lanczos_center_crop
from sra.data.images import ImageSplit, write_index

COUNTS = {"train": 12, "val": 3}
FIRST_ID = {"train": 100, "val": 900}


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (20 + number % 3, 24, 3), dtype=np.uint8)


def annotations(split):
    """Image i has i % 3 + 1 captions. Ids rise, but nothing in the file is in their order."""
    first = FIRST_ID[split]
    images = [{"id": first + i, "file_name": f"COCO_{split}2014_{999 - i:04d}.png", "width": 24, "height": 20 + i % 3} for i in range(COUNTS[split])]
    owners = [image["id"] for image in images for _ in range((image["id"] - first) % 3 + 1)]
    captions = [{"id": 7 * i + first, "image_id": owner, "caption": f"caption {i} of {owner} "} for i, owner in enumerate(owners)]
    random.Random(0).shuffle(images)
    random.Random(1).shuffle(captions)
    return {"info": {}, "licenses": [], "images": images, "annotations": captions}


def write_coco(root, kind="folder", contents=None):
    (root / "annotations").mkdir(parents=True)
    for split in COUNTS:
        content = (contents or {}).get(split) or annotations(split)
        (root / f"annotations/captions_{split}2014.json").write_text(json.dumps(content), encoding="utf-8")
        folder = root / f"{split}2014"
        folder.mkdir()
        for image in annotations(split)["images"]:
            Image.fromarray(pixels(image["id"])).save(folder / image["file_name"])
        if kind == "zip":
            with zipfile.ZipFile(root / f"{split}2014.zip", "w") as archive:
                archive.mkdir(f"{split}2014")
                for file in folder.iterdir():
                    archive.write(file, f"{split}2014/{file.name}")
            shutil.rmtree(folder)
    return root


def indexed(root):
    write_caption_index(root, root / "index.json", 16, COUNTS)
    return root / "index.json"


def entry(content, key, **wanted):
    return next(item for item in content[key] if all(item[name] == value for name, value in wanted.items()))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_split_is_its_images_by_id_with_all_their_captions(tmp_path, kind):
    """The k-th caption that was written belongs to the image that was written for it, and k rises within an image."""
    split = CaptionedSplit(indexed(write_coco(tmp_path / "coco", kind)), "train")
    assert split.paths == [f"train2014/COCO_train2014_{999 - i:04d}.png" for i in range(12)]
    assert split.captions[:4] == [
        ["caption 0 of 100 "],
        ["caption 1 of 101 ", "caption 2 of 101 "],
        ["caption 3 of 102 ", "caption 4 of 102 ", "caption 5 of 102 "],
        ["caption 6 of 103 "],
    ]
    assert len(split.flat_captions) == 24
    for row in range(12):
        assert split.flat_captions[split.first_captions[row] : split.first_captions[row + 1]] == split.captions[row]
    assert split.first_captions[-1] == 24
    images = np.concatenate(list(split.batches(range(2, 11), 4)))
    expected = [np.asarray(lanczos_center_crop(Image.fromarray(pixels(100 + i)), 16)) for i in range(2, 11)]
    assert np.array_equal(images, expected)
    # Whatever reads images alone (latents, packed pixels) gets the same ones.
    assert np.array_equal(next(ImageSplit(split.index, "train").batches(range(2, 6), 4)), expected[:4])
    assert split.labels.tolist() == [0] * 12


def test_an_index_says_what_is_there(tmp_path):
    index = read_json(indexed(write_coco(tmp_path)))
    assert (index["crop"], index["image_size"], index["splits"]) == ("lanczos", 16, COUNTS)
    image = entry(index, "images", id=901)
    assert set(image) == {"path", "split", "width", "height", "bytes", "sha256", "id", "captions"}
    assert (image["path"], image["split"], image["width"], image["height"]) == ("val2014/COCO_val2014_0998.png", "val", 24, 21)
    assert image["captions"] == ["caption 1 of 901 ", "caption 2 of 901 "]
    assert image["bytes"] == (tmp_path / image["path"]).stat().st_size


def test_equal_images_have_equal_hashes_in_folders_and_zips(tmp_path):
    folder, zipped = (read_json(indexed(write_coco(tmp_path / kind, kind))) for kind in ("folder", "zip"))
    assert folder["images"] == zipped["images"]
    for split in COUNTS:
        assert folder["archives"][split]["sha256"] == zipped["archives"][split]["sha256"]


def test_the_index_does_not_depend_on_the_order_in_the_file_or_on_workers(tmp_path):
    first = indexed(write_coco(tmp_path)).read_bytes()
    for split in COUNTS:
        path = tmp_path / f"annotations/captions_{split}2014.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({key: value[::-1] if isinstance(value, list) else value for key, value in content.items()}))
    write_caption_index(tmp_path, tmp_path / "index.json", 16, COUNTS, workers=4)
    assert (tmp_path / "index.json").read_bytes() == first


def test_images_that_no_annotation_names_are_left_alone(tmp_path):
    """A subset is a smaller annotation file."""
    content = annotations("train")
    content["images"] = [image for image in content["images"] if image["id"] < 105]
    content["annotations"] = [caption for caption in content["annotations"] if caption["image_id"] < 105]
    write_coco(tmp_path, contents={"train": content})
    (tmp_path / "train2014/notes.txt").write_text("hello")
    write_caption_index(tmp_path, tmp_path / "index.json", 16, {"train": 5, "val": 3})
    assert len(CaptionedSplit(tmp_path / "index.json", "train")) == 5


def repeat_image(content):
    content["images"].append(entry(content, "images", id=103))


def repeat_annotation(content):
    content["annotations"].append({"id": 107, "image_id": 100, "caption": "again"})


def repeat_file(content):
    entry(content, "images", id=104)["file_name"] = entry(content, "images", id=105)["file_name"]


def unknown_image(content):
    entry(content, "annotations", id=114)["image_id"] = 5


def silent_image(content):
    content["annotations"] = [caption for caption in content["annotations"] if caption["image_id"] != 102]


def silent_images(content):
    content["annotations"] = [caption for caption in content["annotations"] if caption["image_id"] == 100]


def empty_caption(content):
    entry(content, "annotations", id=114)["caption"] = " \n"


def half_a_character(content):
    entry(content, "annotations", id=114)["caption"] = "a \ud83d dog"


def missing_image(content):
    entry(content, "images", id=107)["file_name"] = "elsewhere.png"


def image_outside(content):
    entry(content, "images", id=107)["file_name"] = "../val2014/COCO_val2014_0999.png"


def no_file_name(content):
    del entry(content, "images", id=107)["file_name"]


def true_for_id(content):
    content["annotations"][3]["id"] = True


def no_annotations(content):
    del content["annotations"]


def no_images(content):
    content["images"] = []


def too_few(content):
    content["images"] = [image for image in content["images"] if image["id"] != 103]
    content["annotations"] = [caption for caption in content["annotations"] if caption["image_id"] != 103]


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (repeat_image, "captions_train2014.json: image id more than once, 1 found: 103;"),
        (repeat_annotation, "captions_train2014.json: annotation id more than once, 1 found: 107;"),
        (repeat_file, "captions_train2014.json: file_name more than once, 1 found: COCO_train2014_0994.png;"),
        (unknown_image, "captions_train2014.json: annotation whose image_id is not among its images, 1 found: id 114 (image_id 5);"),
        (silent_image, "captions_train2014.json: image without a caption, 1 found: id 102 (COCO_train2014_0997.png);"),
        (silent_images, "captions_train2014.json: image without a caption, 11 found: id 1"),
        (empty_caption, "captions_train2014.json: annotation whose caption is empty or no Unicode text, 1 found: id 114 (image_id 101);"),
        (half_a_character, "captions_train2014.json: annotation whose caption is empty or no Unicode text, 1 found: id 114 (image_id 101);"),
        (missing_image, ": image of captions_train2014.json that is missing, 1 found: elsewhere.png (id 107);"),
        (image_outside, ": image of captions_train2014.json that is missing, 1 found: ../val2014/COCO_val2014_0999.png (id 107);"),
        (no_file_name, " (id 107) has file_name None, expected text;"),
        (true_for_id, "captions_train2014.json: annotations[3] has id True, expected a whole number;"),
        (no_annotations, "captions_train2014.json: 'annotations' is missing or no list with entries;"),
        (no_images, "captions_train2014.json: 'images' is missing or no list with entries;"),
        (too_few, "captions_train2014.json: holds 11 images, expected 12; download it again from cocodataset.org, or give --expected-train 11"),
    ],
)
def test_each_damage_is_one_line_that_names_file_and_id(tmp_path, damage, message, kind):
    content = annotations("train")
    damage(content)
    write_coco(tmp_path, kind, {"train": content})
    with pytest.raises(InputError) as caught:
        indexed(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index.json").exists()


def test_of_many_faults_ten_are_listed(tmp_path):
    content = annotations("train")
    silent_images(content)
    write_coco(tmp_path, contents={"train": content})
    with pytest.raises(InputError) as caught:
        indexed(tmp_path)
    assert str(caught.value).count("(COCO_train2014_") == 10
    assert "), ...; add a caption" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"images": [', "not valid JSON"),
        (b"\xff\xfe\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1, 2]", "'images' is missing"),
        (b'{"images": [4], "annotations": [5]}', "images[0] has id None"),
    ],
)
def test_a_broken_annotation_file_is_refused(tmp_path, text, message):
    (tmp_path / "captions_train2014.json").write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_captions(tmp_path / "captions_train2014.json")
    assert f"captions_train2014.json: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_downloaded_is_named(tmp_path):
    write_coco(tmp_path)
    shutil.rmtree(tmp_path / "val2014")
    with pytest.raises(InputError, match=r"has neither val2014/ nor val2014\.zip; download val2014\.zip"):
        indexed(tmp_path)
    (tmp_path / "annotations/captions_val2014.json").unlink()
    with pytest.raises(InputError, match=r"captions_val2014\.json: no such file; download annotations_trainval2014\.zip"):
        indexed(tmp_path)


def test_a_whole_data_set_is_expected_unless_a_subset_is_announced(tmp_path):
    write_coco(tmp_path)
    with pytest.raises(InputError, match=r"captions_train2014\.json: holds 12 images, expected 82783"):
        write_caption_index(tmp_path, tmp_path / "index.json", 16)
    with pytest.raises(InputError, match=r"captions_val2014\.json: holds 3 images, expected 40504; .* --expected-val 3 for a subset"):
        write_caption_index(tmp_path, tmp_path / "index.json", 16, {"train": 12})


def test_images_that_cannot_be_read_are_named(tmp_path):
    write_coco(tmp_path)
    name = "COCO_train2014_0996.png"
    (tmp_path / "train2014" / name).write_bytes((tmp_path / "train2014" / name).read_bytes()[:-30])
    with pytest.raises(InputError, match=rf"'train2014/{name}' is not a whole image"):
        indexed(tmp_path)
    (tmp_path / "train2014/COCO_train2014_0990.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=rf"2 images cannot be read: train2014/{name}, train2014/COCO_train2014_0990\.png;"):
        indexed(tmp_path)


def test_an_image_exchanged_after_indexing_is_refused(tmp_path):
    index = indexed(write_coco(tmp_path))
    split = CaptionedSplit(index, "val")
    shutil.copy(tmp_path / split.paths[0], tmp_path / split.paths[2])
    with pytest.raises(InputError, match=r"'val2014/COCO_val2014_0997\.png' differs"):
        list(split.batches(range(3), 3))


def test_a_zip_made_here_is_vouched_for_by_its_receipt_alone(tmp_path):
    """The other split, which a user brought, keeps a hash of each image."""
    write_coco(tmp_path, "zip")
    write_receipt(tmp_path / "train2014.zip", "images")
    index = read_json(indexed(tmp_path))
    assert ["sha256" in entry(index, "images", split=split) for split in COUNTS] == [False, True]
    assert [len(CaptionedSplit(tmp_path / "index.json", split)) for split in COUNTS] == [12, 3]


def test_an_index_of_classes_has_no_captions(tmp_path):
    (tmp_path / "pets/cat").mkdir(parents=True)
    Image.fromarray(pixels(0)).save(tmp_path / "pets/cat/0.png")
    write_index(tmp_path / "pets", tmp_path / "index.json", 16)
    with pytest.raises(InputError, match="its images have no captions; give the JSON that `sra index-captions` writes"):
        CaptionedSplit(tmp_path / "index.json", "train")


FIRST_CAPTIONS = np.cumsum([0, 5, 1, 6, 5])


def test_a_drawn_caption_belongs_to_its_image():
    rows = np.random.default_rng(0).integers(0, 4, 1000)
    drawn = drawn_captions(0, 3, rows, FIRST_CAPTIONS)
    assert drawn.dtype == np.int64
    assert (np.searchsorted(FIRST_CAPTIONS, drawn, side="right") - 1 == rows).all()


def test_every_caption_of_an_image_is_equally_likely():
    """Of 60,000 draws each of five should have 12,000, give or take 98 (one standard deviation)."""
    rows = np.full(600, 3)
    counts = Counter(int(caption) for step in range(100) for caption in drawn_captions(0, step, rows, FIRST_CAPTIONS))
    assert sorted(counts) == [12, 13, 14, 15, 16]
    assert max(abs(count - 12_000) for count in counts.values()) < 5 * 98


def test_a_draw_is_a_function_of_seed_step_and_place():
    """Processes that share a batch draw what one alone would, and the images beside it do not matter."""
    rows = np.full(64, 2)
    whole = drawn_captions(0, 7, rows, FIRST_CAPTIONS)
    parts = [drawn_captions(0, 7, rows[first : first + 16], FIRST_CAPTIONS, first) for first in range(0, 64, 16)]
    assert np.array_equal(np.concatenate(parts), whole)
    beside = copy.copy(rows)
    beside[::2] = 0
    assert np.array_equal(drawn_captions(0, 7, beside, FIRST_CAPTIONS)[1::2], whole[1::2])
    assert not np.array_equal(drawn_captions(0, 8, rows, FIRST_CAPTIONS), whole)
    assert not np.array_equal(drawn_captions(1, 7, rows, FIRST_CAPTIONS), whole)


def test_jpegs_are_read_too(tmp_path):
    """The real data set's kind, here grey, of which it has some hundreds."""
    content = annotations("val")
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace(".png", ".jpg")
    write_coco(tmp_path, contents={"val": content})
    for image in content["images"]:
        buffer = io.BytesIO()
        Image.fromarray(pixels(image["id"])).convert("L").save(buffer, "JPEG")
        (tmp_path / "val2014" / image["file_name"]).write_bytes(buffer.getvalue())
    images = next(CaptionedSplit(indexed(tmp_path), "val").batches(range(3), 3))
    assert images.shape == (3, 16, 16, 3)
    assert (images == images[..., :1]).all()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_images_may_lie_in_a_folder_of_that_name_and_leftovers_do_not_count(tmp_path, kind, capsys):
    plain, below = write_coco(tmp_path / "plain", kind), write_coco(tmp_path / "below", kind)
    (below / "images").mkdir()
    for name in FOLDERS.values():
        name = name if kind == "folder" else f"{name}.zip"
        shutil.move(below / name, below / "images" / name)
        if kind == "folder":
            (below / "images" / name / "._COCO_train2014_0999.png").write_bytes(b"")
    (below / "images" / "Thumbs.db").write_bytes(b"")
    expected, found = (read_json(indexed(root)) for root in (plain, below))
    assert found["images"] == expected["images"]
    assert np.array_equal(*(ImageSplit(root / "index.json", "val").whole() for root in (plain, below)))
    assert capsys.readouterr().err.count("1 file that operating systems leave") == (2 if kind == "folder" else 0)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ("annotations/captions_train2017.json", r"captions_train2017.json: is of MS-COCO 2017, which divides .*; needed are the splits of 2014"),
        ("images/train2017/a.jpg", r"train2017: is of MS-COCO 2017"),
        ("dataset_coco.json", r"dataset_coco.json is Karpathy's division .*; needed are the splits of 2014: annotations_trainval2014.zip"),
    ],
)
def test_coco_divided_otherwise_gets_a_line_that_says_what_is_needed(tmp_path, there, message):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("{}")
    with pytest.raises(InputError, match=message) as caught:
        indexed(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_divisions_beside_the_one_of_2014_are_no_hindrance(tmp_path):
    write_coco(tmp_path)
    for name in ("dataset_coco.json", "annotations/captions_train2017.json"):
        (tmp_path / name).write_text("{}")
    assert indexed(tmp_path).exists()
