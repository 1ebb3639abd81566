"""The Fréchet distance of 2,048 dimensions from two full-rank covariances: ours, torch-fidelity's, scipy's matrix root, and clean-fid's if asked for.

Options: --dimensions, --count of features behind each covariance, --turns, and --clean-fid, which takes scipy's time again.
"""

import argparse
import sys
import warnings

import numpy as np
import scipy.linalg
import torch
from harness import report, take_turns
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

from sra.metrics.frechet import FeatureStatistics, frechet_distance

AGREEMENT = 1e-11  # of two values, as a share of the traces they are the difference of


def correlated(seed: int, count: int, dimensions: int) -> torch.Tensor:
    """(count, dimensions) float32, not negative, with a spectrum that falls as pooled Inception features' does. One mixing for all seeds."""
    mixing = torch.randn(dimensions, dimensions, generator=torch.Generator().manual_seed(99)) * torch.arange(1, dimensions + 1)[:, None] ** -0.5
    noise = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))
    return (noise @ mixing * (0.2 + 0.01 * seed)).relu()


def by_torch_fidelity(a: FeatureStatistics, b: FeatureStatistics) -> float:
    statistics = [{"mu": s.mean.numpy(), "sigma": s.covariance.numpy()} for s in (a, b)]
    return fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID]


def by_scipy(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """As the ADM suite does it."""
    root = scipy.linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy())
    return float((a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * np.trace(root).real)


def by_clean_fid(a: FeatureStatistics, b: FeatureStatistics) -> float:
    from cleanfid.fid import frechet_distance as theirs

    warnings.simplefilter("ignore", DeprecationWarning)  # scipy's, about an argument that clean-fid passes
    return float(theirs(a.mean.numpy(), a.covariance.numpy(), b.mean.numpy(), b.covariance.numpy()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--clean-fid", action="store_true")
    options, sys.argv[1:] = parser.parse_known_args()  # the harness reads the rest
    a, b = (FeatureStatistics.of(correlated(seed, options.count, options.dimensions)) for seed in (1, 2))
    functions = {"ours": frechet_distance, "torch-fidelity": by_torch_fidelity, "scipy sqrtm": by_scipy}
    if options.clean_fid:
        functions["clean-fid"] = by_clean_fid
    values = {}

    def candidate(name: str):
        return lambda: values.update({name: functions[name](a, b)})

    timings = take_turns({name: candidate(name) for name in functions}, options.turns)
    traces = float(a.covariance.trace() + b.covariance.trace())
    apart = max(abs(value - values["ours"]) for value in values.values()) / traces
    if apart > AGREEMENT:
        sys.exit(f"the values differ by {apart:.1e} of the traces: {values}")
    facts = {"dimensions": options.dimensions, "count": options.count, "fid": values["ours"], "traces": traces, "largest difference": f"{apart:.1e}"}
    report("Fréchet distance", timings, "ours", **facts)


if __name__ == "__main__":
    main()
