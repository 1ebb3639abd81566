"""A damaged file is found by the stage that reads it: one line that names it, no output, and never another number."""

from pathlib import Path

import pytest
from faults.damage import FAULTS, SHOWN, STEPS, damaged, outcome_of, strikes

PAIRS = [(step.name, file) for step in STEPS.values() for file in step.reads]
# What is right though the output is another: an archive or a reference without a receipt is taken for the user's own, what was not scored or drawn
# is shown as not run, and no two measurements of time are equal.
RIGHT = {("index", "receipt missing"), ("score", "receipt missing"), ("cost", "receipt missing")}
RIGHT |= {(name, "file missing") for name in (*SHOWN, "claims", "report")}


@pytest.mark.parametrize(("step", "file"), PAIRS, ids=[f"{step}: {Path(file).name}" for step, file in PAIRS])
def test_damage_is_named_or_harmless(step, file, chain, tmp_path, record_property):
    """All faults of one file at one use."""
    step, file, lost = STEPS[step], Path(file), []
    ways = [(name, way) for name, ways in FAULTS.items() if strikes(name, file) for way in ways]
    for number, (fault, way) in enumerate(ways):
        with damaged(way, file):
            found = outcome_of(step, file, tmp_path / str(number) / Path(step.output).name)
        record_property("tried", fault)
        if not found.held and not (found.answer.code == 0 and (step.name, fault) in RIGHT):
            lost.append((fault, found.answer))
            record_property("lost", fault)
    assert not lost
