"""Counts what tests/faults tries on damaged files, full disks and all around a run: `python tests/faults/damage_campaign.py --output FOLDER`.

Runs those tests and writes one receipt of each kind into the folder, results/reference/reliability by default: damage.json, disks.json and
surroundings.json. Needs the rights to mount a file system; without them it refuses, since what was skipped would be missing from the count.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from reliability import COLUMNS, RECEIPTS, ROOT

from sra.core.files import write_json
from sra.core.origin import version_label

HERE = Path(__file__).parent
COMMAND = "python tests/faults/damage_campaign.py"
NAMED = "the stage that reads it stops with one line that names it and says what to do, or does not depend on it"
BY_LINE = "one line says the file and what is free, nothing is left half-written, and with room the same command succeeds"
# By the file of the receipt: the tests that count for it, and what becomes of each fault in words.
CAMPAIGNS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "damage": (
        ("test_damaged_files.py", "test_training_states.py"),
        {
            "file truncated": NAMED,
            "file, a bit flipped": "the same: by SHA-256, by a CRC-32 of each row of latents and features as it is read, or by a checksum in a JSON",
            "file empty": NAMED,
            "file missing": "the same; a score, a pack or a probe that is not there is shown as not run",
            "receipt truncated": NAMED,
            "receipt, a bit flipped": "the same: a receipt holds a checksum of itself",
            "receipt empty": NAMED,
            "receipt missing": "the same; but what may be somebody's own, such as an archive or a reference, needs none",
            "rolling state damaged": "it is left out, and the training goes on from the one before it, or from the segment's start",
            "another run's file": "refused: its receipt says another hash",
            "another run's file with its receipt": "refused: it is of another run than its place or its configuration",
        },
    ),
    "disks": (
        ("test_full_disks.py", "test_training_disk.py"),
        {
            "disk full at a stage": BY_LINE,
            "disk with room for half of the output": "the same, with what was needed, and where that is known before, before the work begins",
            "disk that others fill meanwhile": BY_LINE,
            "disk full while a run trains": "the same; the states that it has stay, and it goes on from the newest",
            "disk full at a trained stand-in or an archive": BY_LINE,
            "disk full at a table, a figure, the claims or the page": "the same; what was shown before stays",
        },
    ),
    "surroundings": (
        ("test_surroundings.py", "test_left_behind.py"),
        {
            "read-only output folder": "refused in one line before the work begins",
            "read-only working folder": "refused in one line before anything is planned",
            "log that cannot be written": "the job ends before its work begins, and says so",
            "clock that jumps by days": "not a byte differs; intervals are measured by a clock that does not jump",
            "files dated in the past or the future": "not a byte differs",
            "clock set back between two jobs": "Snakemake stops at the first file from the future and names it; with the times set right it goes on",
            "two trainings of one run": "the second goes on from where the first stops, or after ten seconds is refused and the first goes on",
            "two Snakemakes on one folder": "the second refuses by Snakemake's lock, the first is unharmed",
            "configuration edited during a run": "what runs keeps the old one, what follows is refused by fingerprint, a new start rebuilds all",
            "file that is seen late": "Snakemake waits for an output; a stage that misses an input leaves nothing and succeeds when tried again",
            "killed while it wrote, beside its output": "the next that writes the same file removes what was left",
        },
    ),
}


class Tally:
    """A plugin of pytest that counts trials and losses by fault: of tests marked with it, or as the test itself records."""

    def __init__(self):
        self.tried: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.uncounted: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
        report = yield
        if report.when == "call" or report.outcome != "passed":
            marked = [mark.args[0] for mark in item.iter_markers("fault")]
            self.tried.update(marked)
            if not report.passed:
                self.lost.update(marked)
                self.uncounted.append(f"{item.nodeid}: {report.outcome}")
        if report.when == "call":
            self.tried.update(fault for name, fault in report.user_properties if name == "tried")
            self.lost.update(fault for name, fault in report.user_properties if name == "lost")
        return report


def rows(tally: Tally, sentences: dict[str, str]) -> list[dict[str, str | int]]:
    """In the order of the sentences. Raises KeyError for a fault that has none."""
    if unsaid := tally.tried.keys() - sentences.keys():
        raise KeyError(f"no sentence says what becomes of: {', '.join(sorted(unsaid))}")
    counts = {fault: (tally.tried[fault], tally.tried[fault] - tally.lost[fault], tally.lost[fault]) for fault in sentences}
    return [dict(zip(COLUMNS, (fault, *counts[fault], sentence), strict=True)) for fault, sentence in sentences.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RECEIPTS, help="folder where the receipts are written")
    parser.add_argument("--only", choices=CAMPAIGNS, help="one of them")
    given = parser.parse_args()
    failed = False
    for name, (files, sentences) in CAMPAIGNS.items():
        if given.only not in (None, name):
            continue
        tally = Tally()
        code = pytest.main(["-q", "-p", "no:cacheprovider", *(str(HERE / file) for file in files)], plugins=[tally])
        if tally.uncounted or code:
            print(f"error: {name}: not written, these tests did not pass: {'; '.join(tally.uncounted)}", file=sys.stderr)
            failed = True
            continue
        receipt = {
            "command": f"{COMMAND} --only {name}",
            "date": date.today().isoformat(),
            "commit": version_label(ROOT),
            "rows": rows(tally, sentences),
        }
        write_json(given.output / f"{name}.json", receipt)
        print(json.dumps(receipt, indent=2))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
