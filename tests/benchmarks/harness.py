"""Measuring things beside each other: the candidates take turns in one run, so that a busy machine slows all of them alike.

Each benchmark is a script with its peers in it, run by hand: `.venv/bin/python tests/benchmarks/<name>.py`. Its last line is the ratio that
the README's table quotes; `--json FILE` writes everything it measured.
"""

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate: the median of its turns and the fastest and slowest of them."""

    median: float
    fastest: float
    slowest: float


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
    return {name: Timing(statistics.median(times), min(times), max(times)) for name, times in seconds.items()}


def report(title: str, timings: dict[str, Timing], ours: str, **facts: object) -> None:
    """Print every candidate with its ratio to ours, and write what `--json` asks for. facts: sizes and figures that belong to the result."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    wanted = parser.parse_args().json
    print(f"{title}: {', '.join(f'{name} {value}' for name, value in facts.items())}")
    for name, timing in timings.items():
        ratio = timing.median / timings[ours].median
        print(f"  {name:32s} {timing.median:8.3f} s ({timing.fastest:.3f} to {timing.slowest:.3f})  {ratio:6.2f} x ours")
    if wanted:
        machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
        content = {"title": title, "ours": ours, "facts": facts, "machine": machine, "seconds": {name: vars(t) for name, t in timings.items()}}
        wanted.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
