"""A folder of PNGs: read in the order of indices, and refused from names and headers with the files that are wrong."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from sra.core.errors import InputError
from sra.metrics.folders import open_folder
from sra.metrics.samples import digests_of, read_samples


@pytest.fixture
def folder(tmp_path, make_images):
    """24 PNGs as the released scripts name them, and their pixels."""
    images = make_images(0, 24)
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index:06d}.png")
    return tmp_path, images


def test_images_are_those_that_were_saved(folder):
    path, images = folder
    found = read_samples(path)
    assert found.labels is None
    assert found.notes == ()
    assert (len(found.images), found.images.shape, found.images.dtype) == (24, (24, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(found.images[5:21], images[5:21], strict=True)
    np.testing.assert_array_equal(digests_of(found.images, "s").values, digests_of(images, "s").values)


def test_indices_of_any_width_are_ordered_as_numbers(folder, make_images):
    path, images = folder
    for index in range(24):
        (path / f"{index:06d}.png").rename(path / f"{index}.png")
    np.testing.assert_array_equal(open_folder(path)[0:24], images)


def test_indices_may_start_at_one(folder):
    path, images = folder
    (path / "000000.png").unlink()
    np.testing.assert_array_equal(open_folder(path)[0:23], images[1:])


def test_other_names_are_sorted_and_noted(folder):
    path, images = folder
    (path / "000023.png").rename(path / "cat.png")
    found = open_folder(path)
    np.testing.assert_array_equal(found[0:24], images)
    assert found.notes == ("file names are no indices; images were taken in the order of their names",)


def test_other_files_are_noted(folder):
    path, _ = folder
    (path / "notes.txt").write_text("drawn on a Monday")
    (path / ".hidden.png").write_text("")
    assert open_folder(path).notes == ("2 other files of the folder were not read",)


def test_missing_indices_are_listed(folder):
    path, _ = folder
    for index in (3, *range(10, 22)):
        (path / f"{index:06d}.png").unlink()
    with pytest.raises(InputError, match="13 indices are missing: 3, 10, 11, 12, 13, 14, 15, 16, 17, 18 and 3 more"):
        open_folder(path)


def test_an_index_with_two_files_is_refused(folder):
    path, _ = folder
    shutil.copy(path / "000007.png", path / "7.png")
    with pytest.raises(InputError, match="index 7 stands for more than one file"):
        open_folder(path)


def grey(image):
    return Image.fromarray(image).convert("L")


def alpha(image):
    return Image.fromarray(image).convert("RGBA")


def palette(image):
    return Image.fromarray(image).convert("P")


@pytest.mark.parametrize(("make", "kind"), [(grey, "colour type 0"), (alpha, "colour type 6"), (palette, "colour type 3")])
def test_other_modes_are_refused_by_name(folder, make, kind):
    path, images = folder
    for index in (4, 9):
        make(images[index]).save(path / f"{index:06d}.png")
    with pytest.raises(InputError, match=rf"2 files are no 8-bit RGB images: 000004.png \(bit depth 8, {kind}\), 000009.png"):
        open_folder(path)


def test_sixteen_bits_a_channel_are_refused(folder):
    """Pillow would read them as 8 bits without a word."""
    path, _ = folder
    content = bytearray((path / "000002.png").read_bytes())
    content[24] = 16
    (path / "000002.png").write_bytes(content)
    with pytest.raises(InputError, match=r"000002.png \(bit depth 16, colour type 2\)"):
        open_folder(path)


def test_sizes_must_be_one(folder, make_images):
    path, images = folder
    for index in (1, 6):
        Image.fromarray(images[index][:6]).save(path / f"{index:06d}.png")
    with pytest.raises(InputError, match=r"most images are 8 x 8 px, 2 are not: 000001.png \(8 x 6 px\), 000006.png \(8 x 6 px\)"):
        open_folder(path)


def test_jpegs_are_refused_unless_forced(folder):
    path, images = folder
    for index in (22, 23):
        (path / f"{index:06d}.png").unlink()
        Image.fromarray(images[index]).save(path / f"{index:06d}.jpg", quality=95)
    with pytest.raises(InputError, match=r"2 files are JPEG \(000022.jpg, 000023.jpg\).* or give --allow-jpeg"):
        open_folder(path)
    found = open_folder(path, allow_jpeg=True)
    assert len(found) == 24
    assert np.abs(found[22:24].astype(int) - images[22:24]).mean() < 30
    assert "2 samples are JPEG" in found.notes[0]


def test_a_jpeg_named_png_is_found(folder):
    path, images = folder
    Image.fromarray(images[0]).save(path / "000000.png", format="JPEG")
    with pytest.raises(InputError, match=r"1 files are JPEG \(000000.png\)"):
        open_folder(path)
    found = open_folder(path, allow_jpeg=True)
    assert len(found) == 24
    assert "1 files hold another kind of image than their name says (000000.png: JPEG image)" in found.notes


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty file"),
        (b"no image", "no image inside"),
        (b"\x89PNG", "no image inside"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (b"<!doctype html>", "web page"),
        (b"GIF89a", "GIF image"),
        (b"BM once upon a time there was a file that began like a bitmap", "no image inside"),
    ],
)
def test_what_is_no_image_is_refused(folder, content, told):
    path, _ = folder
    (path / "000011.png").write_bytes(content)
    with pytest.raises(InputError, match=rf"1 files are no 8-bit RGB images: 000011.png \({told}\)"):
        open_folder(path)


def test_an_image_is_known_by_its_content_whatever_its_name(folder):
    path, images = folder
    for index, name in ((3, "000003.jpg"), (4, "000004"), (5, "000005.PNG")):
        (path / f"{index:06d}.png").rename(path / name)
    found = open_folder(path)
    np.testing.assert_array_equal(found[0:24], images)
    assert found.notes == ("1 files hold another kind of image than their name says (000003.jpg: PNG image)",)


@pytest.mark.parametrize(("suffix", "options"), [("webp", {"lossless": True}), ("bmp", {})])
def test_other_formats_without_loss_are_read(folder, suffix, options):
    path, images = folder
    for index in (0, 9):
        (path / f"{index:06d}.png").unlink()
        Image.fromarray(images[index]).save(path / f"{index:06d}.{suffix}", **options)
    found = open_folder(path)
    np.testing.assert_array_equal(found[0:24], images)
    assert found.notes == ()


def test_a_bitmap_from_the_top_down_is_read(folder):
    path, images = folder
    content = io.BytesIO()
    Image.fromarray(images[0][::-1]).save(content, "BMP")
    whole = bytearray(content.getvalue())
    whole[22:26] = (-8).to_bytes(4, "little", signed=True)
    (path / "000000.png").write_bytes(whole)
    np.testing.assert_array_equal(open_folder(path)[0:24], images)


@pytest.mark.parametrize("extended", [False, True])
def test_lossy_webp_is_refused_as_jpeg_is(folder, extended):
    path, images = folder
    (path / "000002.png").unlink()
    # A colour profile makes the file an extended one.
    Image.fromarray(images[2]).save(path / "000002.webp", quality=80, **({"icc_profile": b"p" * 40} if extended else {}))
    with pytest.raises(InputError, match=r"1 files are lossy WebP \(000002.webp\).* or give --allow-jpeg"):
        open_folder(path)
    found = open_folder(path, allow_jpeg=True)
    assert len(found) == 24
    assert "1 samples are lossy WebP" in found.notes[0]


def test_extended_webp_without_loss_is_read_and_transparency_refused(folder):
    path, images = folder
    (path / "000002.png").unlink()
    Image.fromarray(images[2]).save(path / "000002.webp", lossless=True, icc_profile=b"p" * 40)
    np.testing.assert_array_equal(open_folder(path)[0:24], images)
    Image.fromarray(np.dstack([images[2], images[2][..., :1]])).save(path / "000002.webp", lossless=True)
    with pytest.raises(InputError, match=r"000002.webp \((WebP with transparency|mode RGBA)\)"):
        open_folder(path)


def test_what_systems_leave_is_passed_over_and_counted(folder):
    path, images = folder
    (path / ".DS_Store").write_bytes(b"x")
    (path / "._000001.png").write_bytes(b"x")
    (path / "Thumbs.db").write_bytes(b"x")
    (path / "__MACOSX").mkdir()
    (path / "__MACOSX" / "000001.png").write_bytes(b"x")
    found = open_folder(path)
    np.testing.assert_array_equal(found[0:24], images)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("samples: 4 files that operating systems leave")


@pytest.fixture
def ranks(tmp_path, make_images):
    """30 images in the sub-folders 9 and 10 and in none, numbered through: those of a sampler on several processes."""
    images = make_images(0, 30)
    for index, image in enumerate(images):
        place = tmp_path / ("", "9", "10")[index % 3]
        place.mkdir(exist_ok=True)
        Image.fromarray(image).save(place / f"{index:06d}.png")
    return tmp_path, images


def test_images_in_sub_folders_are_never_left_out_in_silence(ranks):
    path, images = ranks
    with pytest.raises(InputError, match=r"20 images lie in 2 sub-folders, 10 beside them: 9 \(10\), 10 \(10\); give --recursive"):
        open_folder(path)
    found = open_folder(path, recursive=True)
    np.testing.assert_array_equal(found[0:30], images)
    assert found.notes == ("images of 3 folders were read as one set",)
    for index in range(0, 30, 3):
        (path / f"{index:06d}.png").rename(path / f"{index // 3:06d}.png")
    some = open_folder(path, recursive=False)
    np.testing.assert_array_equal(some[0:10], images[::3])
    assert some.notes == ("20 images lie in 2 sub-folders, 10 beside them: 9 (10), 10 (10); those in sub-folders were left out, as asked",)


def test_sub_folders_that_count_for_themselves_are_read_one_after_the_other(tmp_path, make_images):
    images = make_images(0, 30)
    for place, image in enumerate(images):
        folder = tmp_path / f"class{9 + place // 15}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{place % 15}.png")
    found = open_folder(tmp_path, recursive=True)
    np.testing.assert_array_equal(found[0:30], images)  # class10 after class9, 10.png after 9.png
    (tmp_path / "class9" / "3.png").unlink()
    with pytest.raises(InputError, match=r"class9: 1 indices are missing: 3"):
        open_folder(tmp_path, recursive=True)


def test_a_circle_of_links_is_walked_once(ranks):
    path, _ = ranks
    (path / "9" / "again").symlink_to(path, target_is_directory=True)
    assert len(open_folder(path, recursive=True)) == 30


def test_sub_folders_without_images_are_no_matter(folder):
    path, images = folder
    (path / "logs").mkdir()
    (path / "logs" / "run.txt").write_text("drawn on a Monday")
    found = open_folder(path)
    np.testing.assert_array_equal(found[0:24], images)
    assert found.notes == ()


def test_names_of_reference_images_are_no_indices(folder):
    path, images = folder
    (path / "000003.png").unlink()
    found = open_folder(path, what="reference images")
    np.testing.assert_array_equal(found[0:23], np.delete(images, 3, axis=0))
    assert found.notes == ()


def test_a_truncated_image_is_named_when_it_is_read(folder):
    path, _ = folder
    content = (path / "000011.png").read_bytes()
    (path / "000011.png").write_bytes(content[: len(content) - 40])
    with pytest.raises(InputError, match=r"000011.png: cannot be decoded") as caught:
        digests_of(open_folder(path), "samples")
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "more").mkdir()
    with pytest.raises(InputError, match="holds no PNG files"):
        open_folder(tmp_path)


def test_the_hash_is_of_names_and_contents(folder, tmp_path_factory):
    path, images = folder
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(path, copy, dirs_exist_ok=True)
    before = open_folder(path).sha256()
    assert open_folder(copy).sha256() == before
    Image.fromarray(images[1]).save(copy / "000000.png")
    Image.fromarray(images[0]).save(copy / "000001.png")
    assert open_folder(copy).sha256() != before
    (path / "000000.png").rename(path / "0.png")
    assert open_folder(path).sha256() != before
