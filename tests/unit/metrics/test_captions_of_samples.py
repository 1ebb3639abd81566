"""The captions of a sample set, in its npz or in a text file: read as they were written, or refused by their number."""

import numpy as np
import pytest

from sra.core.errors import InputError
from sra.metrics.samples import SampleSet, check_samples, read_caption_lines, read_samples

CAPTIONS = ["a red three left of a blue five", "Éclair, ½ eaten", "  two\u2028lines "]


@pytest.fixture
def pack(make_images, tmp_path):
    """pack(captions) -> the samples read back."""

    def write(captions):
        np.savez(tmp_path / "samples.npz", arr_0=make_images(0, len(captions)), captions=captions)
        return read_samples(tmp_path / "samples.npz")

    return write


def packed(*captions):
    return np.array([caption.encode() if isinstance(caption, str) else caption for caption in captions])


def test_packed_captions_are_read_back(pack):
    found = pack(packed(*CAPTIONS))
    assert found.captions == CAPTIONS
    assert found.labels is None
    assert len(found.images) == 3


def test_samples_without_captions_have_none(make_images, tmp_path):
    np.savez(tmp_path / "samples.npz", arr_0=make_images(0, 3), labels=np.arange(3))
    assert read_samples(tmp_path / "samples.npz").captions is None


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (np.array(CAPTIONS), r"captions are <U31 \(3,\); expected UTF-8 bytes of one width \(numpy dtype S\)"),
        (packed(*CAPTIONS)[:, None], r"captions are \|S31 \(3, 1\)"),
        (packed("fine", b"caf\xe9", b"\xff"), "caption 1 is not UTF-8; write captions as text.encode"),
        (packed("fine", "fine", " \t"), "caption 2 is empty"),
        (packed("", "fine"), "caption 0 is empty; every image needs the caption that it was drawn from"),
    ],
)
def test_unreadable_captions_are_refused_by_number(pack, captions, message):
    with pytest.raises(InputError, match=rf"samples\.npz: {message}") as caught:
        pack(captions)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [11, 13])
def test_as_many_captions_as_images(make_images, count):
    images = make_images(0, 12)
    check_samples(SampleSet(images, captions=["a"] * 12), None, 12, None)
    with pytest.raises(InputError, match=f"samples: {count} captions for 12 images; give one for each"):
        check_samples(SampleSet(images, captions=["a"] * count), None, 12, None)


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_line_is_a_caption(tmp_path, ending, end, mark):
    (tmp_path / "captions.txt").write_bytes((mark + ending.join(CAPTIONS) + end.replace("\n", ending)).encode())
    assert read_caption_lines(tmp_path / "captions.txt") == CAPTIONS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\n\nthree\n", "line 2 is empty"),
        (b"one\n\n", "line 2 is empty"),
        (b"", "line 1 is empty"),
        (b"one\ncaf\xe9\n", r"is not UTF-8 text \(byte 7\)"),
    ],
)
def test_unreadable_lines_are_refused_by_number(tmp_path, content, message):
    (tmp_path / "captions.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"captions\.txt: {message}"):
        read_caption_lines(tmp_path / "captions.txt")
    with pytest.raises(InputError, match=r"absent\.txt: no such file; give a text file with one caption a line"):
        read_caption_lines(tmp_path / "absent.txt")
