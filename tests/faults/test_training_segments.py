"""A run in segments, through the command line, is the run in one piece: states, curves and exported weights are equal bytes."""

import pytest
from safetensors import safe_open


@pytest.mark.parametrize("name", ["sit_b2_sra", "dit_b2_sra", "sit_xl2_repa_dinov2b", "sit_xl2_repa_sra"])
def test_segments_equal_one_run(name, new_run, undisturbed):
    run, previous = new_run(name), None
    for until in (7, 16, 24):
        done = run.train(until, point=f"m{until}", previous=previous)
        assert (done.code, done.complaint) == (0, "")
        assert done.began == (int(previous[1:]) if previous else 0)
        previous = f"m{until}"
    assert run.result("m24") == undisturbed(24, run=name)


def test_a_state_holds_all_that_training_carries(new_run):
    """Equal bytes mean equal training only because these are among them."""
    run = new_run("sit_xl2_repa_sra")
    run.train(10)
    with safe_open(run.state(), framework="pt") as file:
        names = {name.split(".", 1)[0]: set() for name in file.keys()}  # noqa: SIM118
        for name in file.keys():  # noqa: SIM118
            names[name.split(".", 1)[0]].add(name.split(".", 1)[1])
        assert '"step": 10' in file.metadata()["sra"]
        assert '"generation"' in file.metadata()["sra"]
    assert names.keys() == {"student", "ema", "first_moment", "second_moment", "optimizer"}
    assert names["student"] == names["first_moment"] == names["second_moment"]
    assert {f"model.{name}" for name in names["ema"]} == {name for name in names["student"] if not name.startswith("alignment.")}
    assert {name.split(".")[1] for name in names["student"] if name.startswith("alignment.")} == {"repa", "sra"}


def test_a_finished_run_leaves_its_outputs_and_what_goes_with_its_export(new_run):
    """Rolling states stay until the weights are there: a training that is killed once more goes on from them."""
    run = new_run()
    run.train(12, minutes=0)
    assert {file for file in run.files() if not file.startswith("scratch/")} == {
        "config.json",
        "state/end.safetensors",
        "state/end.safetensors.receipt.json",
        "curve/end.jsonl",
    }
    assert run.state().stat().st_mode & 0o777 == run.curve().stat().st_mode & 0o777, "others may read the curve but not the state"
