"""Precision and recall of 20,000 generated against 20,000 real features of 2,048 dimensions: ours in both modes beside torch-fidelity's two variants.

Each candidate first runs alone in a process of its own, which reports how much memory it took beyond the features; then they take turns
for the time. Options: --count of either set (default 8,000, which takes about two minutes; torch-fidelity's full variant needs
12 bytes for each pair), --dimensions, --turns, --no-half (leave the ADM suite's half precision out).
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable

import torch
from harness import report, take_turns
from torch import Tensor
from torch_fidelity.metric_prc import calculate_precision_recall_full, calculate_precision_recall_part

from sra.metrics.precision_recall import precision_recall


def ours(generated: Tensor, real: Tensor) -> tuple[float, float]:
    found = precision_recall(real, generated)
    return found.precision, found.recall


def ours_in_half_precision(generated: Tensor, real: Tensor) -> tuple[float, float]:
    found = precision_recall(real, generated, mode="adm_fp16")
    return found.precision, found.recall


CANDIDATES: dict[str, Callable[[Tensor, Tensor], tuple[float, float]]] = {
    "ours": ours,
    "ours, adm_fp16": ours_in_half_precision,
    "torch-fidelity": calculate_precision_recall_full,
    "torch-fidelity, save_cpu_ram": calculate_precision_recall_part,
}


def features(seed: int, count: int, dimensions: int) -> Tensor:
    """(count, dimensions) float32, not negative, on 64 directions and a little of all: neither share is then near 0 or 1."""
    mixing = torch.randn(64, dimensions, generator=torch.Generator().manual_seed(99)) / 8
    generator = torch.Generator().manual_seed(seed)
    whole = torch.empty(count, dimensions)
    # Small parts: what making the features takes must not hide what reading them takes.
    for part in whole.split(500):
        noise = torch.randn(len(part), dimensions, generator=generator)
        torch.addmm(noise.mul_(0.2).add_(0.03 * seed), torch.randn(len(part), 64, generator=generator), mixing, out=part)
    return whole.relu_()


def extra_memory(name: str, count: int, dimensions: int) -> int:
    """MiB that the candidate takes beyond the features, at its peak."""
    command = [sys.executable, __file__, "--measure", name, "--count", str(count), "--dimensions", str(dimensions)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(name: str, generated: Tensor, real: Tensor) -> None:
    """In the child process: print the growth of the peak of resident memory, in MiB."""
    few = slice(0, 64)
    CANDIDATES[name](generated[few], real[few])  # libraries load and threads start outside of the measurement
    before = resident()
    CANDIDATES[name](generated, real)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - before)


def resident() -> int:
    """MiB of memory that this process holds now. (Its peak so far may be higher, and would hide what comes.)"""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--no-half", action="store_true")
    parser.add_argument("--measure", choices=CANDIDATES, help="used by the benchmark itself")
    options, sys.argv[1:] = parser.parse_known_args()  # the harness reads the rest
    generated, real = (features(seed, options.count, options.dimensions) for seed in (1, 0))
    if options.measure:
        measure(options.measure, generated, real)
        return
    names = [name for name in CANDIDATES if not (options.no_half and "fp16" in name)]
    memory = {name: extra_memory(name, options.count, options.dimensions) for name in names}
    values = {}

    def candidate(name: str):
        return lambda: values.update({name: CANDIDATES[name](generated, real)})

    timings = take_turns({name: candidate(name) for name in names}, options.turns, warm_up=0)
    for name in names:
        precision, recall = values[name]
        print(f"{name}: precision {precision:.5f}, recall {recall:.5f}, {memory[name]} MiB beyond the features")
    facts = {f"MiB of {name}": value for name, value in memory.items()}
    report("precision and recall", timings, "ours", count=options.count, dimensions=options.dimensions, **facts)


if __name__ == "__main__":
    main()
