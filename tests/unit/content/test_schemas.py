"""The generated JSON schemas and the environment file agree with what they are generated from."""

import runpy
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from sra.content.schemas import MODELS, schema_text

ROOT = Path(__file__).parents[3]
FILES = {
    "config": ["config/config.yaml"],
    "preset": ["config/presets/*.yaml"],
    "recipe": ["config/recipes/*.yaml"],
    "experiment": ["config/experiments/*.yaml"],
    "samplers": ["config/samplers.yaml"],
    "table": ["report/tables/*.yaml"],
    "tolerances": ["report/tolerances.yaml"],
    "figure": ["report/figures/*.yaml"],
    "claims": ["report/claims.yaml"],
}


@pytest.mark.parametrize("name", MODELS)
def test_schemas_are_up_to_date(name):
    committed = (ROOT / f"workflow/schemas/{name}.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(name), "run `make schemas`"


def test_no_schema_is_left_over():
    assert {path.name.removesuffix(".schema.json") for path in (ROOT / "workflow/schemas").iterdir()} == set(MODELS)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_valid_by_its_schema(name):
    schema = yaml.safe_load(schema_text(name))
    paths = [path for pattern in FILES[name] for path in ROOT.glob(pattern)]
    assert paths
    for path in paths:
        jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_schemas_keep_scale_and_method_apart():
    preset = yaml.safe_load((ROOT / "config/presets/digits.yaml").read_text(encoding="utf-8"))
    experiment = yaml.safe_load((ROOT / "config/experiments/sit_b2.yaml").read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
        jsonschema.validate(preset | {"teacher_block": 8}, yaml.safe_load(schema_text("preset")))
    with pytest.raises(jsonschema.ValidationError, match="Additional properties are not allowed"):
        jsonschema.validate(experiment | {"batch": 8}, yaml.safe_load(schema_text("experiment")))


def test_the_conda_environment_has_the_locks_pins():
    script = runpy.run_path(str(ROOT / "workflow/envs/environment.py"))
    lock = (ROOT / "workflow/envs/requirements.lock").read_text(encoding="utf-8")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == script["pins"](lock)
    assert any(pin.startswith("torch==") for pin in pip)


def test_the_rules_environment_has_the_packages_ranges():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    rules = yaml.safe_load((ROOT / "workflow/envs/stages.yaml").read_text(encoding="utf-8"))
    assert next(entry["pip"] for entry in rules["dependencies"] if isinstance(entry, dict)) == declared


def test_no_lock_names_a_registry():
    for file in ("workflow/envs/requirements.lock", "environment.yml"):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        assert "file:" not in text
