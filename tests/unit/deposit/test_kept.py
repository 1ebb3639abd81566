"""What is kept of results: the small files as they are, and of sample packs what grids show."""

import numpy as np
import pytest
from score_files import digest, write_score_file
from toy_study import write_toy_study

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import write_text
from sra.core.npz import read_npz, write_npz
from sra.core.receipts import read_receipt, write_receipt
from sra.deposit.kept import keep
from sra.reporting.read.packs import SamplePack
from sra.spec.layout import Results
from sra.spec.metric import ScoreOf

SCORE = ScoreOf(milestone="m400k", sampler="sde250", samples=50_000)
HERE, KEPT = Results("toy"), Results("toy", base=Results("toy").base / "reference")
GRID = """
kind: grid
id: figure_b5
title: What two runs draw
paper: not a figure of the paper
caption: Two runs.
score: {milestone: m400k, sampler: sde250, samples: 50000}
runs:
  - {method: none, run: sit_b2}
  - {method: sra, run: sit_b2_sra}
classes: [3, 1]
per_class: 2
"""


@pytest.fixture
def registry(checkout):
    write_toy_study(checkout.folder, shows="[figure_b5]")
    (checkout.folder / "report/figures/figure_b5.yaml").write_text(GRID)
    return Catalogue(checkout.folder, "toy")


@pytest.fixture
def results(registry):
    """A score, a curve at two milestones, a pack of one of the grid's two runs, and weights."""
    root = registry.root
    write_score_file(root / HERE.score("sit_b2", SCORE), "sit_b2", preset="toy", fid=9.0)
    for milestone in ("m200k", "m400k"):
        write_text(root / HERE.folder / f"runs/sit_b2/curve/{milestone}.jsonl", f"{milestone}\n")
    write_text(root / HERE.weights("sit_b2", "m400k"), "weights")
    pack = root / HERE.samples("sit_b2", SCORE)
    pack.parent.mkdir(parents=True)
    images = np.arange(40 * 4 * 4 * 3, dtype=np.uint8).reshape(40, 4, 4, 3)
    write_npz(pack, {"arr_0": images, "labels": np.array([0, 3, 1, 2, 3, 5, 1, 3, 1, 4] * 4)})
    write_receipt(pack, "samples", hashes={"weights": digest("weights")}, run="sit_b2", fingerprint="f", count=40)
    return root


def kept_files(registry, results) -> dict[str, bytes]:
    folder = results / KEPT.folder
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in keep(registry, KEPT.base)}


def test_scores_and_the_longest_curve_are_copied_and_weights_are_not(registry, results):
    files = kept_files(registry, results)
    assert {name for name in files if not name.startswith("samples/")} == {
        "scores/sit_b2/m400k/sde250/n50000.json", "runs/sit_b2/curve/m400k.jsonl",
    }  # fmt: skip
    assert all((results / HERE.folder / name).read_bytes() == content for name, content in files.items() if not name.startswith("samples/"))


def test_a_pack_is_cut_after_the_last_image_that_the_grid_shows(registry, results):
    kept_files(registry, results)
    whole, cut = (results / place.samples("sit_b2", SCORE) for place in (HERE, KEPT))
    assert len(SamplePack(cut)) == 7  # the second of class 1 is at place 6, of class 3 at place 4
    for label in (3, 1):
        assert SamplePack(cut).first_of(label, 2) == SamplePack(whole).first_of(label, 2)
    assert np.array_equal(read_npz(cut)["arr_0"], read_npz(whole)["arr_0"][:7])


def test_the_receipt_of_a_cut_pack_names_the_whole_one(registry, results):
    kept_files(registry, results)
    whole, cut = (read_receipt(results / place.samples("sit_b2", SCORE), "samples") for place in (HERE, KEPT))
    assert cut["made_from"] == {"samples": whole["sha256"]}
    assert cut["facts"] == {"run": "sit_b2", "fingerprint": "f", "count": 7, "cut_from": 40}


def test_kept_twice_is_the_same_bytes(registry, results):
    assert kept_files(registry, results) == kept_files(registry, results)


def test_a_longer_curve_takes_the_place_of_the_one_before(registry, results):
    kept_files(registry, results)
    write_text(results / HERE.folder / "runs/sit_b2/curve/m800k.jsonl", "m800k\n")
    kept_files(registry, results)
    assert [path.name for path in (results / KEPT.folder / "runs/sit_b2/curve").iterdir()] == ["m800k.jsonl"]


def test_without_a_score_there_is_nothing_to_keep(registry):
    with pytest.raises(InputError, match="there is no score to keep"):
        keep(registry, KEPT.base)
