"""README's reliability table is the one that the campaigns' receipts give."""

from pathlib import Path

import pytest
from reliability import BEGIN, END, block, read_receipts

README = (Path(__file__).parents[2] / "results" / "reference" / "README.md").read_text(encoding="utf-8")
RECEIPTS = read_receipts()


def test_readme_shows_what_the_receipts_say():
    assert README.split(BEGIN)[1].split(END)[0].strip() == block(RECEIPTS)


@pytest.mark.parametrize("receipt", RECEIPTS, ids=lambda receipt: receipt["command"])
def test_nothing_was_lost(receipt):
    assert receipt["rows"]
    for row in receipt["rows"]:
        assert (row["tried"], row["lost"]) == (row["survived"], 0), row["fault"]
        assert row["tried"] > 0


def test_faults_are_told_apart():
    faults = [row["fault"] for receipt in RECEIPTS for row in receipt["rows"]]
    assert len(faults) == len(set(faults))
