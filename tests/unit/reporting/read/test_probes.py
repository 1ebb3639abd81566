"""Probe files as figures read them."""

import re

import pytest

from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.reporting.read.probes import load_probes
from sra.spec.probe import read_probe


def test_a_probe_file_reads_back_as_it_was_written(write_probe):
    record = read_probe(write_probe("base", {3: 0.5, 12: 0.25}))
    assert record.accuracy == {3: 0.5, 12: 0.25}
    assert record.training.epochs == 80


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"accuracy": {"3": 1.5}}, "accuracy.3"),
        ({"accuracy": {"0": 0.5}}, "accuracy.0"),
        ({"accuracy": {}}, "accuracy"),
        ({"time": 1.0}, "time"),
        ({"surplus": 1}, "unknown key 'surplus'"),
    ],
)
def test_a_wrong_probe_file_is_named(write_probe, changes, complaint):
    path = write_probe("base", {3: 0.5})
    write_json(path, read_json(path) | changes)
    with pytest.raises(InputError, match=rf"{path.name}: .*{re.escape(complaint)}"):
        read_probe(path)


def test_probes_of_another_preset_and_of_the_same_thing_twice_are_refused(write_probe):
    with pytest.raises(InputError, match="is a probe of preset large, expected small"):
        load_probes([write_probe("base", {3: 0.5}, preset="large")], "small")
    with pytest.raises(InputError, match="probes the same weights at the same time as"):
        load_probes([write_probe("ours", {3: 0.5}), write_probe("ours", {3: 0.6})], "small")
