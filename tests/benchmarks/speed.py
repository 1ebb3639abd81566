"""The table of results/reference/README.md on speed: `python tests/benchmarks/speed.py` prints it from the receipts in results/reference/speed."""

import json
from pathlib import Path
from typing import Any

RECEIPTS = Path(__file__).parents[2] / "results" / "reference" / "speed"
COLUMNS = ("what", "beside", "time, ours over theirs", "ours", "of the ceiling")
BEGIN, END = "<!-- speed: python tests/benchmarks/speed.py -->", "<!-- end of speed -->"


def block(receipts: list[dict[str, Any]]) -> str:
    """The page's lines between its markers: one table of all receipts, and of each the command, the day and the machine."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(_cells(row))} |" for receipt in receipts for row in receipt["rows"]]
    return "\n".join([*lines, "", *map(_origin, receipts)])


def _cells(row: dict[str, Any]) -> list[str]:
    ratios, seconds = sorted(row["ratios"]), sorted(row["seconds"])
    share = f"{row['share']:.0%}" if row["share"] else ""
    spread = f"{row['ratio']:.2g}" if len(ratios) == 1 else f"{row['ratio']:.3g} ({ratios[0]:.3g} to {ratios[-1]:.3g})"
    remark = f"; {row['remark']}" if row["remark"] else ""
    return [row["what"] + remark, row["peer"], spread, _duration(seconds[len(seconds) // 2]), share]


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _origin(receipt: dict[str, Any]) -> str:
    ceilings = ", ".join(f"{name} {value / 1e9:.3g} G{'FLOP' if 'product' in name else 'B'}/s" for name, value in receipt["ceilings"].items())
    alone = "" if receipt["rows"] else f"; {receipt['title']}: {', '.join(f'{name} {value}' for name, value in receipt['facts'].items())}"
    where = f"{receipt['date']}, commit {receipt['commit']}, {receipt['device']}"
    return f"- `{receipt['command']}`, {where}{'; ' + ceilings if ceilings else ''}{alone}"


def read_receipts(folder: Path = RECEIPTS) -> list[dict[str, Any]]:
    """In the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


if __name__ == "__main__":
    print(block(read_receipts()))
