"""What `sra score` needs: an extractor of random weights, a reference in the published layout, samples that others drew, and captioned ones."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_clip import save_random_clip
from sklearn.datasets import load_digits

from sra import commands
from sra.commands.make_reference import make_reference
from sra.commands.score import score
from sra.core.files import write_json
from sra.core.npz import write_npz
from sra.core.receipts import write_receipt
from sra.data.captions import annotation_path, write_caption_index
from sra.data.digits import write_pngs
from sra.data.scenes import COLOURS, DigitInColour, Scene, drawn, scenes_path
from sra.metrics.reference import Reference
from sra.metrics.small_extractor import WEIGHTS_FILE, SmallExtractor, SmallNetwork
from sra.metrics.suite import extract

COUNT = 120


@pytest.fixture
def sra(monkeypatch, capsys):
    """Run `sra ...` in this process; returns (exit code, stderr)."""

    def run(*arguments) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["sra", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            commands.main()
        return stop.value.code or 0, capsys.readouterr().err

    return run


def _scenes(seed, count):
    """Coarse blocks of colour: uint8 (count, 32, 32, 3)."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 200, (count, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (blocks + random.integers(0, 40, (count, 32, 32, 3))).astype(np.uint8)


@pytest.fixture(scope="session")
def scenes():
    """scenes(seed, count) -> images."""
    return _scenes


@pytest.fixture(scope="session")
def score_house(tmp_path_factory):
    """An extractor of random weights, a reference in the published layout, and foreign samples."""
    folder = tmp_path_factory.mktemp("house")
    torch.manual_seed(0)
    extractor = SmallExtractor(SmallNetwork(5))
    extractor.save(folder / "extractor")
    write_receipt(folder / "extractor" / WEIGHTS_FILE, "extractor", name=extractor.name)
    real = _scenes(0, 300)
    features = extract(real, extractor, 256, "real")
    Reference(features.pooled_statistics, features.spatial_statistics, real[:100]).write(folder / "ours.npz")
    with np.load(folder / "ours.npz") as arrays:
        np.savez(folder / "reference.npz", **{key: arrays[key] for key in ("mu", "sigma", "mu_s", "sigma_s", "arr_0")})
    np.savez(folder / "samples.npz", _scenes(1, COUNT), np.random.default_rng(0).integers(0, 5, COUNT))
    return SimpleNamespace(
        folder=folder, extractor=folder / "extractor", reference=folder / "reference.npz", samples=folder / "samples.npz", real=real
    )


@pytest.fixture
def scored(score_house, tmp_path):
    """scored(*samples, reference=..., **options) -> the record; its file is tmp_path/score.json."""

    def run(*samples, reference=score_house.reference, **options):
        usual = {"extractor": score_house.extractor, "count": COUNT, "allow_count": True, "replace": True, "device": "cpu"}
        return score(list(samples) or [score_house.samples], reference, tmp_path / "score.json", **(usual | options))

    return run


def digit_scenes(seed, count):
    """Scenes (count, 32, 32, 3) uint8 and a caption of each in random wording."""
    random, digits = np.random.default_rng(seed), load_digits()
    images, captions = [], []
    for _ in range(count):
        rows = random.integers(0, len(digits.images), 2)
        scene = Scene(*(DigitInColour(int(digits.target[row]), str(random.choice(list(COLOURS)))) for row in rows))
        images.append(drawn(scene, *digits.images[rows]))
        captions.append(scene.captions[random.integers(5)])
    return np.stack(images), captions


def write_captioned(folder, splits):
    """Images and captions by split in MS-COCO's layout, and their index.json."""
    number = 0
    for split, (images, captions) in splits.items():
        ids = range(number + 1, number + 1 + len(images))
        write_pngs(scenes_path(folder, split), ((f"{split}2014/{one}.png", image) for one, image in zip(ids, images, strict=True)))
        entries = {
            "images": [{"id": one, "file_name": f"{one}.png"} for one in ids],
            "annotations": [{"id": one, "image_id": one, "caption": caption} for one, caption in zip(ids, captions, strict=True)],
        }
        write_json(annotation_path(folder, split), entries)
        number += len(images)
    write_caption_index(folder, folder / "index.json", splits["train"][0].shape[1], {split: len(images) for split, (images, _) in splits.items()})
    return folder / "index.json"


@pytest.fixture(scope="session")
def captioned(tmp_path_factory):
    """Captioned scenes, an extractor of ten classes and two CLIPs of random weights, the val split's reference, and `pack`.

    pack(path, images, captions, arrays=..., **facts): a set of samples with its receipt, as `sra pack` leaves one of a text-to-image run.
    scenes(seed, count) -> images, captions.  indexed(folder, splits) -> index.json.
    """
    folder = tmp_path_factory.mktemp("captioned")
    splits = {"train": digit_scenes(0, 150), "val": digit_scenes(1, COUNT)}
    index = write_captioned(folder, splits)
    torch.manual_seed(0)
    extractor = SmallExtractor(SmallNetwork(10))
    extractor.save(folder / "extractor")
    write_receipt(folder / "extractor" / WEIGHTS_FILE, "extractor", name=extractor.name)
    make_reference(index, folder / "extractor", 60, folder / "reference.npz", split="val", device="cpu")
    (folder / "weights.safetensors").write_bytes(b"weights that drew the samples")

    def pack(path, images, captions, arrays=None, **changes):
        facts = {
            **{"preset": "digits", "run": "mmdit_sra", "milestone": "m150k", "step": 800, "sampler_name": "ode50", "count": len(images)},
            **{"sampler": {"kind": "ode", "labels": "random", "captions": "in_order", "uint8": "floor", "seed": 0}, "paper_count": 40_192},
            **{"label_policy": None, "caption_policy": "in_order", "seed": 0, "fingerprint": "f" * 64, "precision": "fp32", "device": "cpu"},
        }
        held = {"captions": np.array([caption.encode() for caption in captions])} if arrays is None else arrays
        write_npz(path, {"arr_0": images} | held)
        write_receipt(path, "samples", {"weights": folder / "weights.safetensors"}, **(facts | changes))
        return path

    return SimpleNamespace(
        folder=folder,
        index=index,
        splits=splits,
        extractor=folder / "extractor",
        reference=folder / "reference.npz",
        clip=save_random_clip(folder / "clip", text_width=16),
        pick=save_random_clip(folder / "pick", seed=1, text_width=16),
        scenes=digit_scenes,
        indexed=write_captioned,
        pack=pack,
    )
