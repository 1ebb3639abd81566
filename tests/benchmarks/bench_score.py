"""Scores from features: the Fréchet distance, precision and recall, beside torch-fidelity, torchmetrics, clean-fid and scipy.

    sra bench score --quick             1,024 dimensions and 4,000 features; a minute on two cores
    sra bench score                     2,048 dimensions, two full-rank covariances; precision and recall of 8,000 features
    sra bench score --count 20000       and of 20,000; torch-fidelity takes 6 GB for that

Every candidate is given the same features and must come to the same value, or the benchmark fails. Precision and recall first run alone
in a process each, which says how much memory they took beyond the features.
"""

import argparse
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from cleanfid.fid import frechet_distance as clean_fid
from harness import Row, options_of, publish, take_turns
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric
from torch_fidelity.metric_prc import calculate_precision_recall_full, calculate_precision_recall_part
from torchmetrics.image.fid import _compute_fid

from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.precision_recall import precision_recall

OURS = "ours"
AGREEMENT = 1e-8  # of two Fréchet distances, as a share of the traces they are the difference of
BEHIND_COVARIANCES = 20_000  # features, so that they have full rank


def by_torch_fidelity(a: FeatureStatistics, b: FeatureStatistics) -> float:
    statistics = [{"mu": s.mean.numpy(), "sigma": s.covariance.numpy()} for s in (a, b)]
    return fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]


def by_torchmetrics(a: FeatureStatistics, b: FeatureStatistics) -> float:
    return float(_compute_fid(a.mean, a.covariance, b.mean, b.covariance))


def by_scipy(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """As the ADM suite does it."""
    root = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy())
    return float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * np.trace(root).real)


def by_clean_fid(a: FeatureStatistics, b: FeatureStatistics) -> float:
    warnings.simplefilter("ignore", DeprecationWarning)  # scipy's, about an argument that clean-fid passes
    return float(clean_fid(a.mean.numpy(), a.covariance.numpy(), b.mean.numpy(), b.covariance.numpy()))


DISTANCES: dict[str, Callable[[FeatureStatistics, FeatureStatistics], float]] = {
    OURS: frechet_distance,
    "torch-fidelity": by_torch_fidelity,
    "torchmetrics": by_torchmetrics,
    "scipy sqrtm": by_scipy,
    "clean-fid": by_clean_fid,
}


def ours(generated: Tensor, real: Tensor) -> tuple[float, float]:
    found = precision_recall(real, generated)
    return found.precision, found.recall


NEIGHBOURS: dict[str, Callable[[Tensor, Tensor], tuple[float, float]]] = {
    OURS: ours,
    "torch-fidelity": calculate_precision_recall_full,
    "torch-fidelity, save_cpu_ram": calculate_precision_recall_part,
}


def correlated(seed: int, count: int, dimensions: int) -> Tensor:
    """(count, dimensions) float32, not negative, with a spectrum that falls as pooled Inception features' does. One mixing for all seeds."""
    mixing = torch.randn(dimensions, dimensions, generator=torch.Generator().manual_seed(99)) * torch.arange(1, dimensions + 1)[:, None] ** -0.5
    noise = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))
    return (noise @ mixing * (0.2 + 0.01 * seed)).relu()


def scattered(seed: int, count: int, dimensions: int) -> Tensor:
    """(count, dimensions) float32, not negative, on 64 directions and a little of all: precision and recall are then near neither 0 nor 1."""
    mixing = torch.randn(64, dimensions, generator=torch.Generator().manual_seed(99)) / 8
    generator = torch.Generator().manual_seed(seed)
    whole = torch.empty(count, dimensions)
    # Small parts: what making the features takes must not hide what reading them takes.
    for part in whole.split(500):
        noise = torch.randn(len(part), dimensions, generator=generator)
        torch.addmm(noise.mul_(0.2).add_(0.03 * seed), torch.randn(len(part), 64, generator=generator), mixing, out=part)
    return whole.relu_()


def distance_rows(dimensions: int, turns: int) -> list[Row]:
    a, b = (FeatureStatistics.of(correlated(seed, BEHIND_COVARIANCES, dimensions)) for seed in (1, 2))
    values: dict[str, float] = {}
    times = take_turns({name: lambda name=name, by=by: values.update({name: by(a, b)}) for name, by in DISTANCES.items()}, turns)
    traces = float(a.covariance.trace() + b.covariance.trace())
    apart = max(abs(value - values[OURS]) for value in values.values()) / traces
    if apart > AGREEMENT:
        sys.exit(f"Fréchet distances differ by {apart:.1e} of the traces: {values}")
    print(f"Fréchet distance {values[OURS]:.6f}; the others differ by at most {apart:.1e} of the traces")
    return [Row(f"Fréchet distance, {dimensions} dimensions", times[OURS], peer, times[peer]) for peer in DISTANCES if peer != OURS]


def neighbour_rows(count: int, dimensions: int, turns: int) -> list[Row]:
    memory = {name: _extra_memory(name, count, dimensions) for name in NEIGHBOURS}
    generated, real = (scattered(seed, count, dimensions) for seed in (1, 0))
    values: dict[str, tuple[float, float]] = {}
    times = take_turns({name: lambda name=name, by=by: values.update({name: by(generated, real)}) for name, by in NEIGHBOURS.items()}, turns, 0)
    for name, found in values.items():
        if max(abs(a - b) for a, b in zip(found, values[OURS], strict=True)) > 2 / count:  # a distance on the edge may fall on either side
            sys.exit(f"precision and recall differ: {name} {found}, ours {values[OURS]}")
    what = f"precision and recall of {count:,} features"
    return [
        Row(what, times[OURS], peer, times[peer], None, f"{memory[OURS]} MiB beyond the features, {memory[peer]} there")
        for peer in NEIGHBOURS
        if peer != OURS
    ]


def _extra_memory(name: str, count: int, dimensions: int) -> int:
    """MiB that the candidate takes beyond the features, at its peak."""
    command = [sys.executable, __file__, "--measure", name, "--count", str(count), "--dimensions", str(dimensions)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure(options: argparse.Namespace) -> None:
    """In the child process: print the growth of the peak of resident memory, in MiB."""
    generated, real = (scattered(seed, options.count, options.dimensions) for seed in (1, 0))
    few, by = slice(0, 64), NEIGHBOURS[options.measure]
    by(generated[few], real[few])  # libraries load and threads start outside of the measurement
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far, of imports, is forgotten
    before = _mebibytes("VmRSS")
    by(generated, real)
    print(_mebibytes("VmHWM") - before)


def _mebibytes(entry: str) -> int:
    """Of memory that this process holds now (VmRSS) or held at its peak (VmHWM)."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(f"{entry}:")) // 1024


def main() -> None:
    parser = options_of(__doc__, turns=3, dimensions=2048, count=8000)
    parser.add_argument("--quick", action="store_true", help="1,024 dimensions, 4,000 features, two turns")
    parser.add_argument("--measure", choices=NEIGHBOURS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.dimensions, options.count, options.turns = 1024, 4000, 2
    if options.measure:
        _measure(options)
        return
    rows = distance_rows(options.dimensions, options.turns) + neighbour_rows(options.count, options.dimensions, options.turns)
    publish("scores from features", rows, options, dimensions=options.dimensions, count=options.count)


if __name__ == "__main__":
    main()
