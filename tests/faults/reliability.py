"""The table of results/reference/README.md on what is survived: `python tests/faults/reliability.py` prints it from the receipts of the campaigns.

Each campaign writes one JSON in results/reference/reliability: `rows` of a fault, how often it was tried, survived and lost, and what happens
in words; and the command, the day and the commit at which it was run.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECEIPTS = ROOT / "results" / "reference" / "reliability"
COLUMNS = ("fault", "tried", "survived", "lost", "what happens")
BEGIN, END = "<!-- reliability: python tests/faults/reliability.py -->", "<!-- end of reliability -->"


def block(receipts: list[dict[str, Any]]) -> str:
    """The page's lines between its markers: one table of all campaigns, and the command of each."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    rows = [row for receipt in receipts for row in receipt["rows"]]
    lines += [f"| {' | '.join(str(row[column]) for column in COLUMNS)} |" for row in rows]
    totals = (sum(row[column] for row in rows) for column in COLUMNS[1:4])
    lines.append(f"| all together | {' | '.join(map(str, totals))} | |")
    commands = [f"- `{receipt['command']}`, {receipt['date']}, commit {receipt['commit']}" for receipt in receipts]
    return "\n".join([*lines, "", *commands])


def read_receipts(folder: Path = RECEIPTS) -> list[dict[str, Any]]:
    """In the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


if __name__ == "__main__":
    print(block(read_receipts()))
