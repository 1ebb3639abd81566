"""A folder, a tar, a tar of tars and a zip of the same images are one data set: equal entries, equal pixels, equal refusals."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.data.images import Expected, load_split, write_index
from sra.data.tars import tar_spans

KINDS = ("folder", "tar", "tar_of_tars", "zip")


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(seed, size=(12, 9)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


GOOD = {f"{wnid}/{wnid}_{number}.JPEG": encoded(noise(number), "JPEG") for wnid in ("n01440764", "n01443537") for number in (10, 2)}


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def tar_of(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            add(tar, name, content)
    return buffer.getvalue()


def source_of(kind, folder, members):
    """The same members in one of the kinds; not in sorted order."""
    folder.mkdir(exist_ok=True)
    path = folder / ("train" if kind == "folder" else "train.zip" if kind == "zip" else "train.tar")
    if kind == "folder":
        for name, content in members.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    elif kind == "tar":
        path.write_bytes(tar_of(members))
    else:
        classes = sorted({name.split("/")[0] for name in members}, reverse=True)
        inner = {wnid: {name.split("/")[1]: content for name, content in members.items() if name.startswith(wnid)} for wnid in classes}
        path.write_bytes(tar_of({f"{wnid}.tar": tar_of(inner[wnid]) for wnid in classes}))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_source_changes_neither_entries_nor_pixels(tmp_path, kind):
    for name in ("zip", kind):
        write_index(source_of(name, tmp_path / name, GOOD), tmp_path / f"{name}.json", 8, Expected(4, 2))
    ours, zipped = (json.loads((tmp_path / f"{name}.json").read_text()) for name in (kind, "zip"))
    assert [image["path"] for image in ours["images"]] == sorted(GOOD)
    assert {key: ours[key] for key in ("images", "splits", "classes")} == {key: zipped[key] for key in ("images", "splits", "classes")}
    assert ours["archive"]["sha256"] == zipped["archive"]["sha256"]
    images, labels = load_split(tmp_path / f"{kind}.json", "train")
    expected, _ = load_split(tmp_path / "zip.json", "train")
    assert np.array_equal(images, expected)
    assert labels.tolist() == [0, 0, 1, 1]


def test_offsets_are_those_of_the_bytes(tmp_path):
    path = source_of("tar_of_tars", tmp_path, GOOD)
    with path.open("rb") as file:
        spans, folders = tar_spans(path, file)
    whole = path.read_bytes()
    assert {name: whole[offset : offset + size] for name, (offset, size) in spans} == GOOD
    assert sorted(folders) == ["n01440764", "n01443537"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_changed_since_is_refused(tmp_path, kind):
    path = source_of(kind, tmp_path, GOOD)
    write_index(path, tmp_path / "index.json", 8)
    name = "n01440764/n01440764_2.JPEG"
    source_of(kind, tmp_path, {**GOOD, name: GOOD[name][:-3] + b"\x00\xff\xd9"})
    with pytest.raises(InputError, match=r"is not the archive that .* describes"):
        load_split(tmp_path / "index.json", "train")


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_truncated_is_named_at_once(tmp_path, kind, capsys):
    broken = {f"n01443537/cut_{number:02d}.JPEG": encoded(noise(number, (40, 40)), "JPEG")[:-300] for number in range(12)}
    path = source_of(kind, tmp_path, {**GOOD, **broken})
    with pytest.raises(InputError, match=r"12 images cannot be read: n01443537/cut_00\.JPEG, .*cut_09\.JPEG, \.\.\.;") as caught:
        write_index(path, tmp_path / "index.json", 8)
    assert "cut_10" not in str(caught.value)
    assert capsys.readouterr().err.count("unreadable: ") == 12
    assert not (tmp_path / "index.json").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_count_names_the_classes_before_any_image_is_decoded(tmp_path, kind):
    path = source_of(kind, tmp_path, {**GOOD, "n01443537/broken.JPEG": b"broken"})
    with pytest.raises(InputError, match=r"holds 5 images of 2 classes, expected 6 of 3; its smallest classes: n01440764 2, n01443537 3;"):
        write_index(path, tmp_path / "index.json", 8, Expected(6, 3))


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying; to be shown turned by 90 degrees
    return encoded(noise(1, (16, 8)), "JPEG", exif=exif.tobytes())


def transparent_palette():
    image = noise(2, (8, 8)).quantize(4)
    return encoded(image, "PNG", transparency=0)


SPECIAL = {
    "grey": encoded(noise(3, (8, 8)).convert("L"), "JPEG"),
    "cmyk": encoded(noise(4, (8, 8)).convert("CMYK"), "JPEG"),
    "palette": transparent_palette(),
    "png_named_jpeg": encoded(noise(5, (8, 8))),
    "rotated": rotated(),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_unusual_images_are_read_as_adm_reads_them(tmp_path, kind):
    write_index(source_of("tar_of_tars", tmp_path, {"n01440764/odd.JPEG": SPECIAL[kind]}), tmp_path / "index.json", 8)
    entry = json.loads((tmp_path / "index.json").read_text())["images"][0]
    as_adm = Image.open(io.BytesIO(SPECIAL[kind])).convert("RGB")
    assert (entry["width"], entry["height"]) == as_adm.size
    left = (as_adm.width - 8) // 2
    assert np.array_equal(load_split(tmp_path / "index.json", "train")[0][0], np.asarray(as_adm)[:, left : left + 8])


def test_the_rotated_image_lies_as_it_is_stored():
    assert Image.open(io.BytesIO(SPECIAL["rotated"])).getexif()[0x0112] == 6
    assert Image.open(io.BytesIO(SPECIAL["rotated"])).size == (16, 8)


def test_sixteen_bits_are_refused_by_name(tmp_path):
    deep = encoded(Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)))
    with pytest.raises(InputError, match=r"'n01440764/deep\.JPEG' has mode I;16, expected 8 bits"):
        write_index(source_of("tar", tmp_path, {**GOOD, "n01440764/deep.JPEG": deep}), tmp_path / "index.json", 8)


def link(kind):
    member = tarfile.TarInfo("n01440764/link.JPEG")
    member.type, member.linkname = kind, "/etc/passwd"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(member)
    return buffer.getvalue()


INNER = tar_of({"a.JPEG": GOOD["n01440764/n01440764_2.JPEG"]})
HUGE = tarfile.TarInfo("n01440764/huge.JPEG")
HUGE.size = 257 * 2**20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_of({"../cat/0.JPEG": b""}), r"'\.\./cat/0\.JPEG' leaves the archive"),
        (tar_of({"/cat/0.JPEG": b""}), r"'/cat/0\.JPEG' leaves the archive"),
        (tar_of({"cat.tar": tar_of({"../0.JPEG": b""})}), r"'cat/\.\./0\.JPEG' leaves the archive"),
        (tar_of({"../cat.tar": INNER}), r"'\.\./cat/a\.JPEG' leaves the archive"),
        (link(tarfile.SYMTYPE), "is a link or a device"),
        (link(tarfile.LNKTYPE), "is a link or a device"),
        (link(tarfile.CHRTYPE), "is a link or a device"),
        (tar_of({"cat.tar": link(tarfile.SYMTYPE)}), r"train\.tar: cat\.tar: member .* is a link or a device"),
        (tar_of({"cat.tar": INNER[:1024]}), r"cat\.tar: is cut short inside member 'a\.JPEG'"),
        (tar_of({"cat.tar": b"no tar at all" * 100}), r"cat\.tar: not a readable tar"),
        (tar_of({"cat.tar": b""}), r"holds no images|not a readable tar"),
        (HUGE.tobuf() + b"\0" * 2048, "cut short inside member 'n01440764/huge.JPEG'"),
        (tar_of({name: GOOD[name] for name in GOOD})[:-10240] + b"x" * 512, "damaged|cut short|not a readable"),
        (tar_of({"loose.JPEG": b""}), "'loose.JPEG' is in the wrong place"),
        (tar_of({"cat/notes.txt": b""}), "'cat/notes.txt' is not an image"),
        (tar_of({"cat/0.JPEG": b"", "train/cat/0.JPEG": b""}), "'cat/0.JPEG' is in the wrong place"),
    ],
)
def test_a_tar_is_checked_before_it_is_used(tmp_path, content, message):
    (tmp_path / "train.tar").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        write_index(tmp_path / "train.tar", tmp_path / "index.json", 8)
    assert "\n" not in str(caught.value)


def test_a_damaged_header_does_not_end_the_list_silently(tmp_path):
    content = bytearray(tar_of({f"cat/{number}.JPEG": b"x" * 512 for number in range(4)}))
    content[2 * 1024 + 10] ^= 0xFF  # the third header of four, 1024 bytes a member
    (tmp_path / "train.tar").write_bytes(content)
    with pytest.raises(InputError, match="its header at byte 2048 is damaged"):
        write_index(tmp_path / "train.tar", tmp_path / "index.json", 8)


def test_a_member_too_large_for_an_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sra.data.archives.LARGEST_MEMBER", 100)
    for kind in KINDS:
        with pytest.raises(InputError, match=r"expected an image; move it elsewhere|images cannot be read"):
            write_index(source_of(kind, tmp_path / kind, GOOD), tmp_path / "index.json", 8)


def test_a_link_in_a_zip_is_refused(tmp_path):
    member = zipfile.ZipInfo("cat/link.JPEG")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(InputError, match=r"'cat/link\.JPEG' is a link or a device"):
        write_index(tmp_path / "train.zip", tmp_path / "index.json", 8)


def test_a_folder_follows_links_and_refuses_a_circle(tmp_path):
    path = source_of("folder", tmp_path, GOOD)
    (tmp_path / "subset").mkdir()
    (tmp_path / "subset" / "n01440764").symlink_to(path / "n01440764")
    write_index(tmp_path / "subset", tmp_path / "index.json", 8, Expected(2))
    assert len(load_split(tmp_path / "index.json", "train")[0]) == 2
    (tmp_path / "subset" / "circle").symlink_to(tmp_path / "subset")
    with pytest.raises(InputError, match="is in the wrong place"):
        write_index(tmp_path / "subset", tmp_path / "index.json", 8)


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_class_without_images_is_refused(tmp_path, kind):
    path = source_of(kind, tmp_path, GOOD)
    if kind == "folder":
        (path / "n99").mkdir()
    else:
        with tarfile.open(path, "a") as tar:
            folder = tarfile.TarInfo("n99")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
    with pytest.raises(InputError, match="class folder 'n99' has no images"):
        write_index(path, tmp_path / "index.json", 8)


def test_a_file_gone_from_a_folder_is_named(tmp_path):
    path = source_of("folder", tmp_path, GOOD)
    write_index(path, tmp_path / "index.json", 8)
    (path / "n01440764/n01440764_2.JPEG").unlink()
    with pytest.raises(InputError, match=r"file 'n01440764/n01440764_2\.JPEG' is missing"):
        load_split(tmp_path / "index.json", "train")


def test_nothing_there_says_so(tmp_path):
    with pytest.raises(InputError, match="train: no such file or folder"):
        write_index(tmp_path / "train", tmp_path / "index.json", 8)
