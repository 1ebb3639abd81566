"""Measuring things beside each other: the candidates take turns in one run, so that a busy machine slows all of them alike.

Each benchmark is a script with its peers in it, run by hand: `sra bench NAME`. What it finds are rows: ours, a peer, and the ratio of their
times, turn by turn. `--output FOLDER` writes them as a receipt, from which speed.py makes the page's table.
"""

import argparse
import gc
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from sra.core.files import write_json
from sra.core.origin import version_label
from sra.core.processor import processor_name
from sra.core.receipts import installed

ROOT = Path(__file__).parents[2]
MATRIX = 2048  # rows of the product that is taken for the ceiling
COPIED = 1 << 28  # bytes, more than any cache
PEERS = ("torch", "diffusers", "torch-fidelity", "torchmetrics", "clean-fid", "timm", "snakemake")


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate's turns, in their order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def over(self, other: "Timing") -> "Timing":
        """Ratios of the two, turn by turn: what slows a turn slows both."""
        return Timing(tuple(ours / theirs for ours, theirs in zip(self.seconds, other.seconds, strict=True)))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({min(self.seconds):.3g} to {max(self.seconds):.3g})"


@dataclass(frozen=True)
class Row:
    """What ours took of the time that a peer took for the same. share: of the machine's ceiling that ours reached, in FLOPs or bytes a second."""

    what: str
    ours: Timing
    peer: str
    theirs: Timing
    share: float | None = None
    remark: str = ""

    def line(self) -> str:
        share = f"; {self.share:.0%} of the ceiling" if self.share else ""
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.what}: {self.ours} s, {self.peer} {self.theirs} s, ratio {self.ours.over(self.theirs)}{share}{remark}"

    def facts(self) -> dict[str, Any]:
        """As a receipt has it, with no more digits than a repetition would confirm."""
        ratio = self.ours.over(self.theirs)
        return {
            "what": self.what,
            "peer": self.peer,
            "seconds": _rounded(self.ours.seconds),
            "peer_seconds": _rounded(self.theirs.seconds),
            "ratio": _digits(ratio.median),
            "ratios": _rounded(ratio.seconds),
            "share": self.share and _digits(self.share),
            "remark": self.remark,
        }


def take_turns(candidates: dict[str, Callable[[], object]], turns: int = 5, warm_up: int = 1) -> dict[str, Timing]:
    """Time each candidate `turns` times, one after the other in each turn, after `warm_up` turns that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(warm_up + turns):
        for name, candidate in candidates.items():
            gc.collect()
            start = time.perf_counter()
            candidate()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(times)) for name, times in seconds.items()}


def options_of(description: str, turns: int | None, **numbers: int) -> argparse.ArgumentParser:
    """A parser of what every benchmark takes, and of whole numbers with their defaults. turns: None where nothing takes any."""
    first, _, rest = description.partition("\n")
    name, layout = f"sra bench {benchmark()}", argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=name, description=first, epilog=rest, formatter_class=layout)
    if turns is not None:
        parser.add_argument("--turns", type=int, default=turns, help="of each candidate, after warming up; default %(default)s")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help="default %(default)s")
    parser.add_argument("--output", type=Path, help="folder for a receipt of everything that was measured, such as results/reference/speed")
    return parser


def benchmark() -> str:
    """The name of the script that runs."""
    return Path(sys.argv[0]).stem.removeprefix("bench_")


def publish(
    title: str, rows: Iterable[Row], options: argparse.Namespace, ceilings: dict[str, float] | None = None, variant: str = "", **facts: Any
) -> None:
    """Print what was found; with --output write it as FOLDER/NAME.json, the name followed by a variant and, of a GPU, by `cuda`."""
    rows, device = list(rows), getattr(options, "device", "cpu")
    print(f"{title}: {', '.join(f'{name} {value}' for name, value in facts.items())}")
    for name, value in (ceilings or {}).items():
        print(f"  ceiling: {name} {value / 1e9:.4g} G/s")
    for row in rows:
        print(f"  {row.line()}")
    if options.output:
        receipt = {
            "benchmark": benchmark(),
            "title": title,
            "command": shlex.join(["sra", "bench", benchmark(), *_without_output(sys.argv[1:])]),
            "date": date.today().isoformat(),
            "commit": version_label(ROOT),
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "versions": installed(PEERS),
            "ceilings": {name: _digits(value) for name, value in (ceilings or {}).items()},
            "facts": facts,
            "rows": [row.facts() for row in rows],
        }
        name = "_".join(filter(None, (benchmark(), variant, "cuda" if device == "cuda" else "")))
        write_json(options.output / f"{name}.json", receipt)


def ceiling_candidates(device: str = "cpu", precision: str = "fp32") -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """A large matrix product and a large copy, and what each does in a turn: FLOPs, and bytes read and written."""
    dtype, side = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision], MATRIX if device == "cpu" else 4 * MATRIX
    # Random: zeros are multiplied faster.
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    source, target = (torch.ones(COPIED // 4, device=device) for _ in range(2))
    repeats = 5
    candidates = {"matrix product": lambda: [torch.mm(a, b) for _ in range(repeats)], "copy": lambda: [target.copy_(source) for _ in range(repeats)]}
    return candidates, {"matrix product": repeats * 2.0 * side**3, "copy": repeats * 2.0 * COPIED}


def ceilings_of(times: dict[str, Timing], device: str = "cpu", precision: str = "fp32") -> dict[str, float]:
    """FLOPs and bytes a second of those candidates' fastest turns: what the machine can do."""
    return {name: amount / min(times[name].seconds) for name, amount in ceiling_candidates(device, precision)[1].items()}


def device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} cores of {processor_name()}"


def _without_output(words: list[str]) -> list[str]:
    """Where a receipt was put is nothing that it needs to say."""
    kept = [word for word in words if not word.startswith("--output=")]
    at = kept.index("--output") if "--output" in kept else len(kept)
    return kept[:at] + kept[at + 2 :]


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _rounded(values: Iterable[float]) -> list[float]:
    return [_digits(value) for value in values]
