"""Cost receipts: what follows from them, and which are refused."""

import pytest
from cost_files import CPU, write_cost_file

from sra.core.errors import InputError
from sra.core.files import read_json, write_json
from sra.spec.measured import STEPS_PER_BLOCK, read_cost
from sra.training.loop import STEPS_BETWEEN_ENTRIES


@pytest.fixture
def cost_of(tmp_path):
    return lambda **fields: read_cost(write_cost_file(tmp_path / "cost.json", "sit_b2", **fields))


def test_what_follows_from_a_receipt(cost_of):
    cost = cost_of(seconds=[7.2, 3.6, 5.4], median=5.4)
    assert cost.seconds_per_epoch == 54
    assert cost.hours_per_epoch == 0.015
    assert cost.flops_per_second == pytest.approx(2e9 / 5.4)
    assert cost.steps.spread == pytest.approx(3.6 / 5.4)
    assert cost.memory.of_training == 50_000_000


def test_words_tell_machines_apart(cost_of):
    assert cost_of().words == "one CPU (x86_64), 1 thread, fp32, batch 4"
    assert cost_of(threads=2, machine=CPU | {"processes": 3}).words == "3 processes on one CPU (x86_64), 2 threads, fp32, batch 4"
    gpu = cost_of(machine=CPU | {"device": "cuda", "processes": 8, "compile": True}, device_name="NVIDIA A100", precision="fp16", threads=16)
    assert gpu.words == "8 x NVIDIA A100, fp16, batch 4, compiled"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"memory": 0}, "is not above 300000000"),
        ({"seconds": []}, "steps.seconds"),
        ({"median": 0.0}, "steps.median"),
        ({"flops_per_step": -1}, "flops_per_step"),
        ({"hostname": "here"}, "hostname"),
    ],
)
def test_what_cannot_be_is_refused_with_its_file(cost_of, fields, said):
    with pytest.raises(InputError, match=r"cost\.json") as refused:
        cost_of(**fields)
    assert said in str(refused.value)


def test_no_receipt_is_refused(tmp_path):
    path = write_cost_file(tmp_path / "cost.json", "sit_b2")
    write_json(path, {key: value for key, value in read_json(path).items() if key != "steps"})
    with pytest.raises(InputError, match="steps"):
        read_cost(path)


def test_a_block_holds_whole_entries_of_the_curve():
    assert STEPS_PER_BLOCK % STEPS_BETWEEN_ENTRIES == 0
