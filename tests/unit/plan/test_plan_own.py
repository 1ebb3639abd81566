"""A user's own images by one key of a preset, and latents that another's preprocessing made: what the rules are told, and when it is refused."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.receipts import write_receipt
from sra.plan import data
from sra.plan.data import IMAGENET
from sra.plan.workflow import checked_plan
from sra.spec.config import Paths

ROOT = Path(__file__).parents[3]
OWN, PAPER = Catalogue(ROOT, "own").preset, Catalogue(ROOT, "paper").preset


def test_the_preset_own_is_the_papers_scale_on_other_images():
    same = {name for name, value in OWN if value == getattr(PAPER, name)}
    assert {"image_size", "latent", "vae", "extractor", "encoders", "models", "batch", "milestones", "precision", "samples", "evaluations"} <= same
    assert not OWN.comparable
    assert OWN.reference is None


@pytest.mark.parametrize(("preset", "dataset"), [("own", "own256"), ("paper", "imagenet256"), ("paper", "coco256")])
def test_a_command_names_the_setting_where_no_images_are_given(checkout, preset, dataset):
    plan, wildcards = checked_plan(checkout.folder, {"preset": preset}), SimpleNamespace(dataset=dataset)
    assert data.source(plan, wildcards) == {"own256": "paths.own", "imagenet256": "paths.imagenet", "coco256": "paths.coco"}[dataset]
    assert data.source_files(plan, wildcards) == []


def test_its_classes_are_those_of_the_model_and_of_the_index(checkout):
    preset = checkout.folder / "config/presets/own.yaml"
    preset.write_text(re.sub(r"\nclasses: \d+", "\nclasses: 102", preset.read_text()))
    plan = checked_plan(checkout.folder, {"preset": "own", "paths": {"own": "flowers"}})
    own = SimpleNamespace(dataset="own256")
    assert data.source(plan, own) == "flowers"
    assert data.expected_images(plan, own) == "--expected-classes 102 --least-images 1000"
    assert plan.catalogue("own").spec("sit_b2_sra").model.classes == 102
    assert plan.catalogue("paper").spec("sit_b2_sra").model.classes == 1000


def test_own_images_are_counted_once_they_are_indexed(checkout):
    plan = checked_plan(checkout.folder, {"preset": "own"})
    assert data.images_of(plan, "own256") == IMAGENET == data.images_of(plan, "imagenet256")
    index = checkout.folder / "results/shared/own256/index.json"
    index.parent.mkdir(parents=True)
    index.write_text("{}")
    write_receipt(index, "index", splits={"train": 8189})
    assert data.images_of(plan, "own256") == 8189


def preprocessed(**folders):
    return checked_plan(ROOT, {"preset": "paper", "paths": {"imagenet": "train.tar", "preprocessed": folders}})


def test_latents_are_taken_over_for_the_data_sets_that_are_named_and_no_others(tmp_path):
    plan = preprocessed(imagenet256=str(tmp_path))
    names = ("imagenet256", "imagenet512", "own256", "digits")
    assert [bool(re.fullmatch(f"{data.preprocessed(plan)}/", f"{name}/")) for name in names] == [True, False, False, False]
    assert [bool(re.fullmatch(f"{data.extracted(plan)}/", f"{name}/")) for name in names] == [False, True, True, True]
    none = preprocessed()
    assert not any(re.fullmatch(data.preprocessed(none), name) for name in (*names, ""))
    assert all(re.fullmatch(f"{data.extracted(none)}/", f"{name}/") for name in names)


def test_its_images_are_those_of_the_data_set_where_it_has_them(tmp_path):
    plan, imagenet = preprocessed(imagenet256=str(tmp_path)), SimpleNamespace(dataset="imagenet256")
    assert (data.source(plan, imagenet), data.moments(plan, imagenet)) == ("train.tar", f"{tmp_path}/vae-sd")
    (tmp_path / "images").mkdir()
    assert data.source(plan, imagenet) == f"{tmp_path}/images"
    assert data.source_files(plan, imagenet) == [f"{tmp_path}/images"]
    assert data.source(plan, SimpleNamespace(dataset="imagenet512")) == "train.tar"
    (tmp_path / "vae-sd.zip").touch()
    assert data.moments(plan, imagenet) == f"{tmp_path}/vae-sd.zip"


@pytest.mark.parametrize(
    ("dataset", "message"), [("imagnet256", "unknown data set 'imagnet256'; did you mean 'imagenet256'"), ("coco256", "unknown")]
)
def test_what_cannot_be_taken_over_is_refused_before_anything_starts(dataset, message):
    with pytest.raises(InputError, match=f"paths.preprocessed: {message}"):
        preprocessed(**{dataset: "somewhere"})


def test_its_path_is_held_to_the_same_rule_as_the_others():
    with pytest.raises(ValueError, match="Snakemake takes braces for wildcards"):
        Paths(preprocessed={"imagenet256": "a{b}"})


def test_rows_of_a_users_own_data_set_are_empty_or_full(checkout):
    checkout.edit("config/datasets.tsv", "paths.own\t\t\t", "paths.own\t5\t\t")
    with pytest.raises(InputError, match=r"datasets.tsv line \d+: .*for a user's own leave all three empty"):
        _ = Catalogue(checkout.folder, "own").datasets
