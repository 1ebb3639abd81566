"""The captioned figure: which captions and images it shows, what it refuses, and that long or hostile captions stay text."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from sra.content.figures import CaptionsFigure, SampleSeries
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file
from sra.reporting.display import number_of
from sra.reporting.documents import CaptionsDocument
from sra.reporting.figures.draw.sheets import font, wrapped
from sra.reporting.figures.render import render_figure
from sra.reporting.read.packs import SamplePack
from sra.spec.metric import ScoreOf

SCORE = ScoreOf(milestone="m400k", sampler="cfg2", samples=50000)
METHODS = {"plain": "none", "with_repa": "repa", "with_sra": "sra"}
CAPTIONS = ["a cat", "a red three left of a blue five", "two dogs", "a bus", "a tree", "a boat"]


def captioned(**changes) -> CaptionsFigure:
    values = {"kind": "captions", "id": "figure_t2i", "title": "T", "paper": "p", "caption": "c", "score": SCORE, "count": 4}
    runs = [SampleSeries(method=method, run=run) for run, method in METHODS.items()]
    return CaptionsFigure(**values | {"runs": runs} | changes)


@pytest.fixture
def write_pack(tmp_path):
    """write_pack(run, captions, grey=0, size=32) -> path; the image at place i is grey level `grey + i` throughout."""

    def write(run, captions=CAPTIONS, grey=0, size=32):
        path = tmp_path / f"{run}.npz"
        levels = grey + np.arange(len(captions), dtype=np.uint8)
        images = levels[:, None, None, None] * np.ones((1, size, size, 3), np.uint8)
        np.savez(path, arr_0=images, captions=np.array([caption.encode() for caption in captions]))
        return path

    return write


@pytest.fixture
def packs(write_pack):
    return {run: write_pack(run, grey=grey) for run, grey in zip(METHODS, (0, 100, 200), strict=True)}


@pytest.fixture
def render(tmp_path, write_published, preset):
    published = write_published("figure_9", "b/m200k,fid,60.5")

    def call(packs, figure=None, scores=(), preset=preset, folder="out"):
        return render_figure(figure or captioned(), scores, packs, published, "small", preset, tmp_path / folder)

    return call


def embedded(path) -> list[np.ndarray]:
    """The pictures inside an SVG."""
    found = re.findall(r"base64,([^\"]+)", path.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def columns(path) -> list[tuple[str, list[str]]]:
    """Of each heading in an SVG: the whole text, and the lines as drawn."""
    texts = [element for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]
    tags = [{child.tag.rpartition("}")[2]: "" for child in text} for text in texts]
    headings = [text for text, kinds in zip(texts, tags, strict=True) if "tspan" in kinds]
    return [(heading[0].text, [line.text for line in heading[1:]]) for heading in headings]


def test_the_first_captions_stand_over_the_images_of_every_run(render, packs, tmp_path):
    document = render(packs)
    assert document.captions == CAPTIONS[:4]
    assert [(block.run, block.method, block.status) for block in document.blocks] == [(run, method, "ok") for run, method in METHODS.items()]
    assert [block.samples_sha256 for block in document.blocks] == [sha256_of_file(packs[run]) for run in METHODS]
    # Columns are captions, 96 + 8 apart; grey level i is the image at place i.
    pictures = embedded(tmp_path / "out/figure_t2i.svg")
    assert [[picture[48, 104 * place + 48, 0] for place in range(4)] for picture in pictures] == [
        [0, 1, 2, 3],
        [100, 101, 102, 103],
        [200, 201, 202, 203],
    ]
    assert CaptionsDocument.model_validate(read_json(tmp_path / "out/figure_t2i.json")) == document
    assert document.alt.startswith("12 generated images: 4 captions in columns, drawn by plain, with_repa, with_sra")


def test_equal_inputs_draw_equal_bytes(render, packs, tmp_path):
    for folder in ("out", "again"):
        render(packs, folder=folder)
    for kind in ("json", "svg", "png"):
        assert (tmp_path / f"out/figure_t2i.{kind}").read_bytes() == (tmp_path / f"again/figure_t2i.{kind}").read_bytes()


def test_large_images_keep_their_size_in_the_png(render, write_pack, tmp_path):
    render({run: write_pack(run, size=192) for run in METHODS})
    # Twice the SVG's 4 images of 96 pixels with 8 between and 2 around.
    assert Image.open(tmp_path / "out/figure_t2i.png").width == 2 * (4 * 96 + 3 * 8 + 2 * 2)


def test_long_captions_are_cut_with_the_whole_beside(render, write_pack, tmp_path):
    long = "a very long story of " * 30
    render({run: write_pack(run, ["short", long.strip(), "x", "y"]) for run in METHODS})
    (whole, lines), (long_whole, long_lines) = columns(tmp_path / "out/figure_t2i.svg")[:2]
    assert (whole, lines) == ("short", ["short"])
    assert long_whole == long.strip()
    assert long_lines[-1].endswith("…")
    assert long.startswith(" ".join(long_lines).removesuffix("…"))
    assert read_json(tmp_path / "out/figure_t2i.json")["captions"][1] == long.strip()


@pytest.mark.parametrize("text", ["two words and a few more of them", "Donaudampfschifffahrtsgesellschaft", "a 幸 é ffi", "one"])
def test_wrapped_lines_fit_and_lose_nothing(text):
    lines = wrapped(text, 60, lines=99)
    assert all(font(12).getlength(line) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    # Greedy: the first word of a line would not have fitted on the line before.
    words = text.split()
    if len(words) > 4:
        assert all(font(12).getlength(f"{line} {after.split()[0]}") > 60 for line, after in pairwise(lines))


def test_an_ellipsis_fits_too():
    lines = wrapped("wwwwww wwwwww wwwwww wwwwww", 60, lines=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert font(12).getlength(lines[1]) <= 60


def test_hostile_captions_stay_text(render, write_pack, hostile, tmp_path):
    caption = hostile + "\x00\x1b[31m\n\ufffe]]>"
    document = render({run: write_pack(run, [caption] * 4) for run in METHODS})
    tree = ElementTree.parse(tmp_path / "out/figure_t2i.svg")
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} == {"svg", "rect", "text", "title", "tspan", "image"}
    assert "<img src=x onerror=alert(1)>" in document.captions[0]
    assert not re.search(r"[\x00-\x1f\u202e\ufffe]", document.captions[0])


def test_packs_of_other_captions_are_refused(render, packs, write_pack):
    other = [*CAPTIONS[:2], "three dogs", *CAPTIONS[3:]]
    with pytest.raises(
        InputError, match=r"with_sra.npz: place 2 has the caption 'three dogs', .*plain.npz has 'two dogs'; .*build it again"
    ) as refused:
        render({**packs, "with_sra": write_pack("with_sra", other)})
    assert "\n" not in str(refused.value)
    # Beyond the places that are shown, nothing is compared.
    assert render({**packs, "with_sra": write_pack("with_sra", other)}, captioned(count=2)).captions == CAPTIONS[:2]


def test_runs_without_samples_are_not_run(render, packs, tmp_path):
    document = render({run: path for run, path in packs.items() if run != "with_repa"})
    assert [block.status for block in document.blocks] == ["ok", "not run", "ok"]
    assert document.remarks[0] == "with_repa: not run (no samples yet)."
    assert "REPA, with_repa: not run (no samples yet)" in (tmp_path / "out/figure_t2i.svg").read_text()
    grey = embedded(tmp_path / "out/figure_t2i.svg")[1]
    assert (grey[48, 48], grey[48, 48 + 104]) == (pytest.approx([243] * 3), pytest.approx([243] * 3))


def test_no_samples_at_all(render, preset):
    assert render({}).alt == "No samples yet."
    beyond = render({}, preset=preset.model_copy(update={"milestones": {"m200k": 1}}))
    assert {block.reason for block in beyond.blocks} == {"preset small does not train to 400K"}


@pytest.mark.parametrize("short", ["plain", "with_sra"])
def test_the_shortest_pack_decides_how_many(render, packs, write_pack, short):
    document = render({**packs, short: write_pack(short, CAPTIONS[:2])})
    assert document.captions == CAPTIONS[:2]
    assert "The packs have no more than 2 images; grey places stay empty." in document.remarks


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"labels": np.zeros(2, int)}, "arr_0 and captions"),
        ({"captions": np.array([b"a"])}, "2 images but 1 captions"),
        ({"captions": np.array(["a", "b"])}, "captions are <U1, expected bytes"),
        ({"captions": np.array([{}, {}], dtype=object)}, "holds Python objects"),
    ],
    ids=["labels", "counts differ", "not bytes", "pickled"],
)
def test_packs_without_captions_are_refused(tmp_path, arrays, complaint):
    np.savez(tmp_path / "bad.npz", arr_0=np.zeros((2, 4, 4, 3), np.uint8), **arrays)
    with pytest.raises(InputError, match=rf"bad.npz: .*{complaint}.*build it again"):
        SamplePack(tmp_path / "bad.npz", "captions")


def test_captions_are_utf8(tmp_path):
    np.savez(tmp_path / "pack.npz", arr_0=np.zeros((2, 4, 4, 3), np.uint8), captions=np.array(["é".encode(), b"\xff"]))
    pack = SamplePack(tmp_path / "pack.npz", "captions")
    assert pack.caption(0) == "é"
    with pytest.raises(InputError, match="caption 1 is not UTF-8"):
        pack.caption(1)


def test_the_picture_of_text_to_image_has_a_name_of_its_own():
    numbers = {"figure_t2i": "Figure T2I", "figure_7c": "Figure 7c", "table_s2": "Table S2", "table_b0": "Table B0"}
    assert {identity: number_of(identity) for identity in numbers} == numbers
    for identity in ("figure_t2", "figure_t2ia", "figure_x", "table_t2i"):
        with pytest.raises(ValueError, match="pattern"):
            captioned(id=identity)
