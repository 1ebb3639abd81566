"""The campaign of hostile and broken input, at length: `python tests/faults/input_campaign.py --examples 1000 --output FILE`.

Runs the tests of bad, hostile and fuzzed input and counts; `--examples` is the number of fuzzed files of each kind.
"""

import argparse
import json
import os
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))


from sra.core.files import write_json
from sra.core.origin import version_label

ROOT = Path(__file__).parents[2]
FUZZED = "files that were edited or broken at random, and headers that lie"
# By the beginning of a test's name: the fault, and what happens.
ROWS = {
    "test_bad_inputs.py::test_one_line": (
        "bad input: options, configuration, data, archives, weights, samples",
        "one line says what is wrong, where and what to do; exit code 2; no file is left behind",
    ),
    "test_hostile_files.py::test_a_file_that_would": (
        "checkpoints and arrays that would run a program",
        "refused by every command that reads such a file; nothing runs",
    ),
    "test_hostile_files.py": (
        "archives with names that climb, links, devices, bombs",
        "refused before anything is unpacked, without the memory that they ask for",
    ),
    "test_hostile_names.py": (
        "folders, names and captions with signs of a shell, a path, a terminal or a formula",
        "they stay names: nothing of them runs or leaves its folder",
    ),
    "test_browser_escaping.py": ("labels, notes and captions that would be a part of the page", "shown as they were written; nothing of them runs"),
    "test_fuzzed_inputs.py": (FUZZED, "read, or refused with one line, soon and in little memory"),
    "test_privacy.py": (
        "secrets, home, user and host where something is written or a socket opened",
        "none is in a file; sockets stay on the machine, and only the processes of one training open any",
    ),
}
# Tests of the tests, which are no input.
CONTROLS = ("test_the_attacks_are_real", "would_have_been_seen", "test_all_kinds_of_files_were_searched")


class Counting:
    """A plugin of pytest that counts tests by row and outcome."""

    def __init__(self):
        self.found: Counter[tuple[str, str]] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = next((begins for begins in ROWS if f"/{begins}" in report.nodeid), None)
        if row and (report.when == "call" or report.failed) and not any(control in report.nodeid for control in CONTROLS):
            self.found[row, report.outcome] += 1


def rows_of(found: Counter[tuple[str, str]], fuzzed: int) -> list[dict[str, Any]]:
    """fuzzed: files that hypothesis made; of its tests each that failed lost one."""
    rows = []
    for begins, (fault, happens) in ROWS.items():
        lost = found[begins, "failed"]
        tried = fuzzed if fault == FUZZED else found[begins, "passed"] + lost
        rows.append({"fault": fault, "tried": tried, "survived": tried - lost, "lost": lost, "what happens": happens})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    os.environ["SRA_FUZZ_EXAMPLES"] = str(given.examples)
    counting = Counting()
    files = sorted({str(next(ROOT.glob(f"tests/*/{begins.partition('::')[0]}"))) for begins in ROWS})
    code = pytest.main(["-q", "--rootdir", str(ROOT), "-p", "no:cacheprovider", *files], [counting])
    from faults.fuzzing import TRIED  # as the tests imported it

    fuzzed = {kind: count for kind, count in TRIED.items() if not kind.endswith(", read")}
    command = f"python tests/faults/input_campaign.py --examples {given.examples}"
    receipt = {"command": command, "date": date.today().isoformat(), "commit": version_label(ROOT)}
    receipt |= {"rows": rows_of(counting.found, sum(fuzzed.values())), "fuzzed": fuzzed}
    receipt["fuzzed_read_all_the_same"] = {kind: TRIED[f"{kind}, read"] for kind in fuzzed}
    if given.output:
        write_json(given.output, receipt)
    print(json.dumps(receipt, indent=2, sort_keys=True))
    return code


if __name__ == "__main__":
    sys.exit(main())
