"""References of either split and either resize: what their receipts say, FID by pytorch-fid's resize end to end, and references that do not fit."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_networks import save_random_inception
from torch.nn import functional as F

from sra import commands
from sra.commands.make_reference import make_reference
from sra.commands.reference_features import reference_features
from sra.commands.score import score
from sra.core.errors import InputError
from sra.core.files import read_json, sha256_of_file, write_json
from sra.core.receipts import read_receipt, receipt_path
from sra.metrics import inception, suite
from sra.metrics.extractor_files import load_extractor
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.suite import extract


def test_a_reference_is_of_the_split_that_was_asked_for(captioned, tmp_path):
    for split, count in (("train", 150), ("val", 120)):
        make_reference(captioned.index, captioned.extractor, 50, tmp_path / "reference.npz", split=split, device="cpu")
        facts = read_receipt(tmp_path / "reference.npz", "reference")["facts"]
        assert (facts["split"], facts["resize"], facts["statistics_count"], facts["images"]) == (split, "tensorflow", count, 50)
        images = captioned.splits[split][0]
        expected = extract(images, load_extractor(captioned.extractor), 256, split)
        with np.load(tmp_path / "reference.npz") as found:
            np.testing.assert_allclose(found["mu"], expected.pooled_statistics.mean, rtol=1e-6)
            np.testing.assert_allclose(found["sigma_s"], expected.spatial_statistics.covariance, atol=1e-9)
            assert {image.tobytes() for image in found["arr_0"]} < {image.tobytes() for image in images}
    with pytest.raises(InputError, match="the preset asks for 121, the val split has 120"):
        make_reference(captioned.index, captioned.extractor, 121, tmp_path / "more.npz", split="val", device="cpu")
    make_reference(captioned.index, captioned.extractor, 50, tmp_path / "default.npz", device="cpu")
    assert read_receipt(tmp_path / "default.npz", "reference")["facts"]["split"] == "train"


def test_an_extractor_of_one_size_makes_no_pytorch_reference(captioned, tmp_path):
    with pytest.raises(InputError, match="digits_cnn: takes 32 x 32 pixels as they are, so it has no pytorch resize; leave out --resize") as caught:
        make_reference(captioned.index, captioned.extractor, 50, tmp_path / "reference.npz", resize="pytorch", device="cpu")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--split", "test"), "unknown split 'test'"), (("--resize", "pytorhc"), "unknown resize 'pytorhc'; did you mean 'pytorch'")],
)
def test_an_unknown_split_or_resize_is_one_line(captioned, monkeypatch, tmp_path, capsys, option, message):
    arguments = (
        "make-reference",
        "--index",
        captioned.index,
        "--extractor",
        captioned.extractor,
        "--images",
        5,
        "--output",
        tmp_path / "r.npz",
        *option,
    )
    monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    assert stop.value.code == 2
    assert message in (printed := capsys.readouterr().err)
    assert printed.count("\n") == 1


@pytest.fixture
def claimed(captioned, tmp_path):
    """claimed(resize=..., ...): the reference again, with other facts in its receipt and another hash of its extractor or index."""

    def write(name="pytorch.npz", made_from=(), **facts):
        shutil.copy(captioned.reference, tmp_path / name)
        receipt = read_json(receipt_path(captioned.reference))
        receipt["facts"] |= facts
        receipt["made_from"] |= dict(made_from)
        write_json(receipt_path(tmp_path / name), receipt)
        return tmp_path / name

    return write


@pytest.fixture
def compared(captioned, tmp_path, monkeypatch):
    """compared(pytorch_reference, reference=...) scores by fid_pytorch and fails should any feature be computed."""
    samples = captioned.pack(tmp_path / "samples.npz", *captioned.scenes(2, 120))
    monkeypatch.setattr(suite, "extract_batches", None)

    def run(pytorch, reference=captioned.reference, secondary=("fid_pytorch",)):
        asked = {"extractor": captioned.extractor, "secondary": secondary, "pytorch_reference": pytorch}
        return score([samples], reference, tmp_path / "score.json", **asked, device="cpu")

    return run


def test_a_reference_that_does_not_fit_is_refused_before_features(captioned, claimed, compared, tmp_path):
    refused = [
        (claimed("a.npz"), "was made with tensorflow's resize, expected pytorch's; give it as --reference, or build one with --resize pytorch"),
        (claimed("b.npz", resize="pytorch", made_from={"extractor": "0" * 64}), "was made with another extractor than digits_cnn as given"),
        (claimed("c.npz", resize="pytorch", split="train"), "was made of other images .* than the reference"),
        (claimed("d.npz", resize="pytorch", made_from={"index": "0" * 64}), "was made of other images .* than the reference"),
        (tmp_path / "absent.npz", "no such file"),
        (claimed("e.npz", resize="pytorch"), "digits_cnn: takes 32 x 32 pixels as they are"),
    ]
    receipt_path(claimed("f.npz", resize="pytorch")).unlink()
    refused.append((tmp_path / "f.npz", "its receipt f.npz.receipt.json is missing"))
    for path, message in refused:
        with pytest.raises(InputError, match=message) as caught:
            compared(path)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "score.json").exists()


def test_a_pytorch_reference_is_no_plain_one(captioned, claimed, compared, tmp_path):
    pytorch = claimed(resize="pytorch")
    message = r"pytorch\.npz: was made with pytorch's resize, expected tensorflow's; give it as --pytorch-reference"
    with pytest.raises(InputError, match=message):
        compared(None, reference=pytorch, secondary=())
    with pytest.raises(InputError, match=message):
        reference_features(pytorch, tmp_path / "features.npz", captioned.extractor, device="cpu")


def test_images_of_another_size_are_refused_beside_a_published_reference(captioned, claimed, compared, tmp_path):
    with np.load(captioned.reference) as arrays:
        held = dict(arrays)
    np.savez(tmp_path / "published.npz", **held | {"arr_0": held["arr_0"][:, :16, :16]})
    with pytest.raises(InputError, match=r"its images are \(32, 32\) pixels, the reference's \(16, 16\)"):
        compared(claimed(resize="pytorch"), reference=tmp_path / "published.npz")


@pytest.fixture(scope="module")
def inception_house(captioned, tmp_path_factory):
    """Six captioned samples, and the references of eight scenes by an Inception of random weights (95 MB, removed at the end)."""
    folder = tmp_path_factory.mktemp("inception")
    weights = folder / "weights.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "KNOWN_SHA256", save_random_inception(weights))
        index = captioned.indexed(folder, {"train": captioned.scenes(5, 4), "val": captioned.scenes(6, 8)})
        made = {resize: folder / f"{resize}.npz" for resize in ("tensorflow", "pytorch")}
        for (resize, output), images in zip(made.items(), (8, 0), strict=True):
            make_reference(index, weights, images, output, split="val", resize=resize, device="cpu")
        samples = captioned.scenes(7, 6)
        yield SimpleNamespace(weights=weights, samples=samples, pack=captioned.pack(folder / "samples.npz", *samples), made=made)
    weights.unlink()


@pytest.mark.slow
def test_fid_by_pytorchs_resize_end_to_end(captioned, inception_house, tmp_path):
    house = inception_house
    receipt = read_receipt(house.made["pytorch"], "reference")
    assert (receipt["facts"]["resize"], receipt["facts"]["split"], receipt["facts"]["images"]) == ("pytorch", "val", 0)
    asked = {"extractor": house.weights, "secondary": ["fid_pytorch"], "pytorch_reference": house.made["pytorch"]}
    record = score([house.pack], house.made["tensorflow"], tmp_path / "score.json", **asked, device="cpu")
    assert record.names["fid_pytorch"] == "FID-pytorch@6"
    assert record.about["fid_pytorch"] == {"real_images": 8, "resize": "pytorch"}
    assert record.reference.pytorch_sha256 == sha256_of_file(house.made["pytorch"])
    assert json.loads((tmp_path / "score.json").read_text())["reference"]["pytorch_sha256"] == record.reference.pytorch_sha256

    network = load_extractor(house.weights).network
    statistics = []
    for images in (house.samples[0], captioned.scenes(6, 8)[0]):
        pixels = F.interpolate(torch.from_numpy(images).permute(0, 3, 1, 2) / 255, (299, 299), mode="bilinear", align_corners=False)
        with torch.no_grad():
            statistics.append(FeatureStatistics.of(network.taps(network.stem(2 * pixels - 1))[1]))
    assert record.metrics["fid_pytorch"] == pytest.approx(frechet_distance(*statistics), rel=1e-4)
    assert record.metrics["fid_pytorch"] != pytest.approx(record.metrics["fid"], rel=1e-3)
