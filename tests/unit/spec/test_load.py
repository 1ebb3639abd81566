"""A mistake in a YAML file becomes one line with file, key and a suggestion."""

from pathlib import Path

import pytest

from sra.core.errors import InputError
from sra.spec.load import load
from sra.spec.recipe import Experiment, Recipe
from sra.spec.scale import Preset

EXPERIMENT = """
recipe: sit
model: SiT-B/2
milestones: [m400k]
runs:
  sit_b2_sra: {method: sra, weight: 0.2}
"""


def refusal(tmp_path, text, model=Experiment):
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load(path, model)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_a_good_file_loads(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    assert load(path, Experiment).runs["sit_b2_sra"].weight == 0.2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("weight: 0.2", "wieght: 0.2", "runs.sit_b2_sra.wieght: unknown key 'wieght'; did you mean 'weight'?"),
        ("recipe: sit", "recepi: sit", "recepi: unknown key 'recepi'; did you mean 'recipe'?"),
        ("weight: 0.2", "weight: -1", "runs.sit_b2_sra.weight: Input should be greater than or equal to 0, got -1"),
        ("method: sra", "method: sar", "runs.sit_b2_sra.method: Input should be 'none', 'sra', 'repa', "),
        ("SiT-B/2", "SiT-H/2", "model: String should match pattern"),
        ("recipe: sit\n", "", "recipe is missing"),
        ("weight: 0.2", "batch: 64", "runs.sit_b2_sra.batch: unknown key 'batch'; known: "),
    ],
    ids=["typo in a run", "typo at the top", "out of range", "unknown method", "unknown model", "missing key", "scale in an experiment"],
)
def test_mistakes_are_named(tmp_path, old, new, expected):
    assert expected in refusal(tmp_path, EXPERIMENT.replace(old, new))


def test_a_run_defined_twice_is_refused(tmp_path):
    assert "line 7: not valid YAML (the key 'sit_b2_sra' appears twice)" in refusal(tmp_path, EXPERIMENT + "  sit_b2_sra: {method: none}\n")


def test_broken_yaml_names_the_line(tmp_path):
    assert "line 2: not valid YAML" in refusal(tmp_path, "recipe: sit\n\tmodel: x")


def test_a_preset_may_not_name_a_method(tmp_path):
    preset = (Path(__file__).parents[3] / "config/presets/digits.yaml").read_text(encoding="utf-8")
    assert "weight: unknown key 'weight'" in refusal(tmp_path, preset + "weight: 0.5\n", Preset)


def test_an_unknown_tag_is_not_run(tmp_path):
    assert "not valid YAML" in refusal(tmp_path, "recipe: !!python/object/apply:os.system ['true']", Recipe)
