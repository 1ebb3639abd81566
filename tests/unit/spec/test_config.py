"""The user's own choices, as a file and as a command line give them."""

import pytest

from sra.core.errors import InputError
from sra.spec.config import UserConfig, typed
from sra.spec.load import checked


@pytest.mark.parametrize("key", ["seeds", "sampling_seeds", "micro_batch", "lease_gpus", "hardware", "container"])
def test_null_on_the_command_line_is_null(key):
    assert checked({key: "null"}, UserConfig, "--config") == UserConfig()


def test_null_for_a_path():
    """Snakemake reads what follows --config as YAML whose leaves are all text."""
    found = checked({"paths": {"imagenet": "null", "coco": "/data/coco", "expected_images": "null"}}, UserConfig, "--config")
    assert found.paths.of_datasets == {"imagenet": None, "coco": "/data/coco"}
    assert found.paths.expected_images is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seeds": 3}, "--config: seeds: expected a list, such as '[0, 1, 2]' for three of them, got 3"),
        ({"sampling_seeds": "0,1"}, "--config: sampling_seeds: expected a list, such as '[0, 1, 2]' for three of them, got '0,1'"),
        ({"seeds": [1, 1]}, "--config: seeds: a seed is given twice in [1, 1]; name each once, got [1, 1]"),
        ({"seeds": []}, "--config: seeds: expected at least one seed, such as [0, 1, 2], or null for each run's own, got []"),
        ({"paths": "/data"}, "--config: paths: expected folders by their keys, such as '{imagenet: FOLDER}', got '/data'"),
        ({"preset": "null"}, "--config: preset: Input should be a valid string, got None"),
    ],
)
def test_what_is_expected_is_shown_as_it_is_typed(given, says):
    with pytest.raises(InputError) as refused:
        checked(given, UserConfig, "--config")
    assert str(refused.value) == says


def test_a_path_is_shown_as_snakemake_takes_it():
    from snakemake.cli import parse_config

    name, value = typed("imagenet", "/data/train").removeprefix("--config ").split("=", 1)
    given = parse_config([f"{name}={value.strip(chr(39))}"])
    assert checked(given, UserConfig, "--config").paths.of_datasets == {"imagenet": "/data/train"}
