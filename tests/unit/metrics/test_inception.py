"""The FID network against torch-fidelity's own class on one file of random weights, its taps, and what it refuses."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from random_networks import save_random_inception
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.metrics import inception
from sra.metrics.extractor_files import load_extractor, weights_of
from sra.metrics.extractors import require_sha256, spatial_features
from sra.metrics.inception import InceptionExtractor
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork

TOLERANCE = 5e-6  # of the largest value. The same float32 sums in another order: torch-fidelity's own are 1e-6 from those of float64.


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weight file and its hash. pytest keeps the folders of three runs, and the file has 95 MB, so it goes at once."""
    folder = tmp_path_factory.mktemp("inception")
    path = folder / "weights.pth"
    yield path, save_random_inception(path)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def extractor(weights):
    return InceptionExtractor.load(weights[0], sha256=weights[1])


@pytest.fixture(scope="module")
def official(weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3("official", ["2048", "logits_unbiased", "logits"], feature_extractor_weights_path=str(weights[0]))


def picture(count, height=256, width=256, seed=0):
    """(count, height, width, 3) uint8: large soft shapes and a little noise, unlike each other."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        F.interpolate(torch.randn(count, 3, cells, cells, generator=generator), size=(height, width), mode="bicubic") * strength
        for cells, strength in ((2, 50), (8, 30), (32, 10))
    ]
    return (sum(layers) + 128).clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


@pytest.fixture(scope="module")
def images():
    return picture(5)


@pytest.fixture(scope="module")
def features(extractor, images):
    return extractor.features(images)


@pytest.fixture(scope="module")
def official_taps(official, images):
    """Outputs of torch-fidelity's forward pass and of its modules Mixed_6d.branch1x1 and Mixed_6d."""
    maps = []
    hooks = [module.register_forward_hook(lambda _, __, out: maps.append(out)) for module in (official.Mixed_6d.branch1x1, official.Mixed_6d)]
    with torch.no_grad():
        pooled, logits, with_bias = official(torch.from_numpy(images).permute(0, 3, 1, 2))
    for hook in hooks:
        hook.remove()
    return pooled, logits, with_bias, *maps


def relative(ours, theirs):
    """The largest difference as a share of the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def test_the_taps_equal_torch_fidelitys(features, official_taps):
    pooled, logits, with_bias, branch, _ = official_taps
    assert relative(features.pooled, pooled) < TOLERANCE
    assert relative(features.logits, logits) < TOLERANCE
    assert relative(features.spatial, spatial_features(branch)) < TOLERANCE
    assert relative(features.logits, with_bias) > 0.1  # the ADM suite drops the bias
    assert features.predicted is None
    assert [tuple(tap.shape) for tap in (features.pooled, features.spatial, features.logits)] == [(5, 2048), (5, 2023), (5, 1008)]


def test_the_random_images_tell_the_features_apart(features):
    # Otherwise an extractor that ignored its input would pass for equal.
    for tap in (features.pooled, features.spatial, features.logits):
        assert tap.std(0).max() > 1e-2 * tap.abs().max()


def test_the_spatial_tap_is_the_first_branch_of_mixed_6d(extractor, images, official_taps, features):
    *_, branch, block = official_taps
    assert branch.shape == (5, 192, 17, 17)
    assert branch.min() >= 0
    assert torch.equal(branch, block[:, :192])
    inner = []
    hook = extractor.network.inner.register_forward_hook(lambda _, __, out: inner.append(out))
    extractor.features(images)
    hook.remove()
    assert [tuple(out.shape) for out in inner] == [(5, 768, 17, 17)]
    assert inner[0].min() == 0
    assert relative(inner[0], block) < TOLERANCE
    # Row, column, channel: position (r, c) of channel k is number 7 (17 r + c) + k.
    for row, column, channel in ((0, 0, 6), (0, 1, 0), (1, 0, 3), (16, 16, 6)):
        assert torch.equal(features.spatial[:, 7 * (17 * row + column) + channel], inner[0][:, channel, row, column])


@pytest.mark.parametrize("size", [(64, 64), (300, 200)], ids=str)
def test_any_size_is_resized_as_in_the_original_graph(extractor, official, size):
    images = picture(1, *size)
    with torch.no_grad():
        expected = official(torch.from_numpy(images).permute(0, 3, 1, 2))[0]
    assert relative(extractor.features(images).pooled, expected) < TOLERANCE


def test_features_do_not_depend_on_the_batch(extractor, monkeypatch):
    images = picture(7, 64, 64)
    whole = extractor.features(images)
    assert torch.equal(extractor.features(images).pooled, whole.pooled)  # nor on anything else
    monkeypatch.setattr(inception, "CPU_BATCHES", (2, 3))
    for part in (extractor.features(images), extractor.features(images[2:4])):
        chosen = slice(0, 7) if len(part.pooled) == 7 else slice(2, 4)
        assert relative(part.pooled, whole.pooled[chosen]) < TOLERANCE
        assert relative(part.spatial, whole.spatial[chosen]) < TOLERANCE
        assert relative(part.logits, whole.logits[chosen]) < TOLERANCE


def test_a_callers_autocast_and_read_only_arrays_change_nothing(extractor, images, features):
    few = images[:5]
    few.flags.writeable = False
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = extractor.features(few)
    assert again.pooled.dtype == torch.float32
    assert torch.equal(again.pooled, features.pooled)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros((2, 64, 64, 3), np.float32), r"float32 \(2, 64, 64, 3\)"),
        (np.zeros((2, 3, 64, 64), np.uint8), r"uint8 \(2, 3, 64, 64\)"),
        (np.zeros((2, 64, 64, 4), np.uint8), r"uint8 \(2, 64, 64, 4\)"),
        (np.zeros((64, 64, 3), np.uint8), r"uint8 \(64, 64, 3\)"),
    ],
    ids=["float", "channels first", "alpha", "no batch"],
)
def test_only_bytes_in_colour_are_taken(extractor, images, found):
    with pytest.raises(InputError, match=rf"images are {found}; expected uint8 \(B, H, W, 3\)"):
        extractor.features(images)


def test_a_network_in_training_mode_is_refused(extractor, images):
    extractor.network.inner.train()
    try:
        with pytest.raises(InputError, match=r"in training mode; call its eval\(\)"):
            extractor.features(images)
    finally:
        extractor.network.eval()


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named_with_what_to_download(tmp_path):
    with pytest.raises(InputError, match=r"no such file; download https://github\.com/toshas/torch-fidelity/releases/") as caught:
        load_extractor(tmp_path / "weights-inception-2015-12-05-6726825d.pth")
    assert "save it under this path" in one_line(caught)


def test_the_address_and_the_hash_are_torch_fidelitys():
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    assert inception.URL == URL_INCEPTION_V3
    assert inception.URL.endswith(f"-{inception.KNOWN_SHA256[:8]}.pth")
    registered = (Path(__file__).parents[3] / "config/weights.tsv").read_text(encoding="utf-8")
    assert f"\t{inception.KNOWN_SHA256}\t" in registered


def test_another_file_than_the_published_one_needs_its_hash(weights):
    path, sha256 = weights
    with pytest.raises(InputError, match=f"its SHA-256 is {sha256}, expected 6726825d0af5") as caught:
        load_extractor(path)
    one_line(caught)
    require_sha256(path, sha256[:8])
    wrong_last = sha256[:-1] + ("0" if sha256[-1] != "0" else "1")
    with pytest.raises(InputError, match="fetch it again"):
        require_sha256(path, wrong_last)
    for vacuous in ("", sha256[:7], "not a hash"):
        with pytest.raises(InputError, match="give its first 8 to 64 digits"):
            require_sha256(path, vacuous)


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("write", ["torch.save", "older torch.save", "pickle"])
def test_a_file_that_would_run_code_is_refused_unrun(tmp_path, write):
    path, victim = tmp_path / "weights.pth", tmp_path / "created"
    content = {"fc.weight": torch.ones(2), "payload": Malicious(victim)}
    if write == "pickle":
        path.write_bytes(pickle.dumps(content["payload"], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=write == "torch.save")
    with pytest.raises(InputError, match=r"it asks for posix.mkdir") as caught:
        InceptionExtractor.load(path, sha256=sha256_of_file(path))
    assert "weights_only" not in one_line(caught)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"<html>Not Found</html>", b"not a weight file\n", bytes(1000), b"PK\x03\x04 cut off"], ids=range(5))
def test_bytes_of_another_kind_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match="refused, it holds something else than tensors or is damaged") as caught:
        InceptionExtractor.load(path, sha256=sha256_of_file(path))
    one_line(caught)


def remove(state):
    del state["Mixed_6d.branch_pool.conv.weight"]


def add(state):
    state["Mixed_6d.branch_pool.conv.bias"] = torch.zeros(192)


def reshape(state):
    state["fc.weight"] = state["fc.weight"][:1000]


def halve(state):
    state["Conv2d_1a_3x3.bn.running_var"] = state["Conv2d_1a_3x3.bn.running_var"].half()


def replace(state):
    state["fc.weight"] = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove, "1 tensors are missing and 0 are unexpected, the first 'Mixed_6d.branch_pool.conv.weight'"),
        (add, "0 tensors are missing and 1 are unexpected, the first 'Mixed_6d.branch_pool.conv.bias'"),
        (reshape, r"fc.weight is torch.float32 \(1000, 2048\), expected torch.float32 \(1008, 2048\)"),
        (halve, r"running_var is torch.float16 \(32,\), expected torch.float32 \(32,\)"),
        (replace, "fc.weight is a int, expected torch.float32"),
    ],
    ids=["missing", "unexpected", "shape", "precision", "no tensor"],
)
def test_other_tensors_than_the_networks_are_refused(weights, change, message, tmp_path, monkeypatch):
    state = torch.load(weights[0], weights_only=True, mmap=True)
    change(state)
    # The weights need not be written again for this: the reader is given the changed ones.
    monkeypatch.setattr(torch, "load", lambda *_, **__: state)
    with pytest.raises(InputError, match=message) as caught:
        InceptionExtractor.load(weights[0], sha256=weights[1])
    one_line(caught)


def test_a_state_dict_is_expected(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save([torch.ones(3)], path)
    with pytest.raises(InputError, match="it holds a list, expected a state dict"):
        InceptionExtractor.load(path, sha256=sha256_of_file(path))


def test_the_older_file_format_and_absent_counters_are_read(weights, tmp_path, images, features):
    # The published file was written by a torch of 2019 or 2020, before its present format.
    state = torch.load(weights[0], weights_only=True, mmap=True)
    path = tmp_path / "older.pth"
    torch.save({name: value for name, value in state.items() if "num_batches" not in name}, path, _use_new_zipfile_serialization=False)
    older = InceptionExtractor.load(path, sha256=sha256_of_file(path))
    path.unlink()
    assert torch.equal(older.features(images).pooled, features.pooled)


def test_a_source_is_a_folder_or_a_file(weights, tmp_path):
    path, sha256 = weights
    assert weights_of(path) == path
    loaded = load_extractor(path, sha256=sha256[:8])
    assert (loaded.name, loaded.image_size) == ("inception_2015", None)
    SmallExtractor(SmallNetwork(classes=10)).save(tmp_path)
    assert weights_of(tmp_path) == tmp_path / WEIGHTS_FILE
    assert load_extractor(tmp_path, sha256=sha256_of_file(tmp_path / WEIGHTS_FILE)).name == "digits_cnn"
    with pytest.raises(InputError, match="its SHA-256 is"):
        load_extractor(tmp_path, sha256=sha256)
