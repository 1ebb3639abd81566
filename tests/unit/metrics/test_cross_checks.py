"""The scores beside the libraries that people use, on the same features."""

import numpy as np
import pytest
import scipy.linalg
import torch
from cleanfid import fid as cleanfid
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc

from sra.metrics import kernel_distance as kernel_module
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.inception_score import CHUNK, inception_score
from sra.metrics.kernel_distance import kernel_distance
from sra.metrics.precision_recall import precision_recall


def features(seed, count, d=48, shift=0.0):
    """(count, d) float32, correlated and not negative, as pooled Inception features are. One mixing for all seeds."""
    mixing = torch.randn(d, d, generator=torch.Generator().manual_seed(99)) / d**0.5
    return (torch.randn(count, d, generator=torch.Generator().manual_seed(seed)) @ mixing + 0.3 + shift).relu()


GENERATED, REAL = features(0, 900, shift=0.05), features(1, 700)


def test_fid_equals_the_adm_suites_arithmetic():
    """Float32 means, float64 covariances, scipy's matrix root."""
    means = [x.numpy().mean(0) for x in (GENERATED, REAL)]
    covariances = [np.cov(x.numpy(), rowvar=False) for x in (GENERATED, REAL)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.square(means[0] - means[1]).sum() + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(root).real
    # Float32 means cost more than all the rest together.
    assert frechet_distance(FeatureStatistics.of(GENERATED), FeatureStatistics.of(REAL)) == pytest.approx(expected, rel=1e-6)


def test_fid_equals_torch_fidelitys():
    statistics = [metric_fid.fid_features_to_statistics(x.double()) for x in (GENERATED, REAL)]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]
    assert frechet_distance(FeatureStatistics.of(GENERATED), FeatureStatistics.of(REAL)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_fid_equals_clean_fids():
    moments = [(x.mean(0), np.cov(x, rowvar=False)) for x in (GENERATED.double().numpy(), REAL.double().numpy())]
    expected = cleanfid.frechet_distance(*moments[0], *moments[1])
    assert frechet_distance(FeatureStatistics.of(GENERATED), FeatureStatistics.of(REAL)) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("chunks", [1, 3])
def test_inception_score_equals_torch_fidelitys_in_file_order(chunks):
    logits = 3 * torch.randn(chunks * CHUNK, 12, generator=torch.Generator().manual_seed(0))
    expected = metric_isc.isc_features_to_metric(logits, splits=chunks, shuffle=False)[metric_isc.KEY_METRIC_ISC_MEAN]
    assert 2 < expected < 11
    assert inception_score(logits) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("save_cpu_ram", [False, True], ids=["full", "part"])
@pytest.mark.parametrize("block", [None, 128])
def test_precision_and_recall_equal_torch_fidelitys_away_from_ties(save_cpu_ram, block):
    """Since its 0.4.0 the first input is the generated one; before, the two results had each other's name."""
    theirs = metric_prc.prc_features_to_metric(GENERATED, REAL, save_cpu_ram=save_cpu_ram, verbose=False)
    expected = theirs[metric_prc.KEY_METRIC_PRECISION], theirs[metric_prc.KEY_METRIC_RECALL]
    assert abs(expected[0] - expected[1]) > 0.02
    assert 0.1 < min(expected) < max(expected) < 0.95
    found = precision_recall(reference=REAL, samples=GENERATED, block=block)
    assert (found.precision, found.recall) == pytest.approx(expected, abs=1e-6)


def test_kid_of_each_subset_equals_torch_fidelitys_and_clean_fids(monkeypatch):
    compared, original = [], kernel_module.unbiased_discrepancy

    def beside_theirs(u, v):
        ours = original(u, v)
        u, v = u.double().numpy(), v.double().numpy()
        compared.append((ours, metric_kid.kernel_mmd(u, v), cleanfid.kernel_distance(u, v, num_subsets=1, max_subset_size=len(u))))
        return ours

    monkeypatch.setattr(kernel_module, "unbiased_discrepancy", beside_theirs)
    found = kernel_distance(REAL, GENERATED, seed=0, subsets=6, size=100)
    assert len(compared) == 6
    for ours, torch_fidelity, clean_fid in compared:
        assert ours == pytest.approx(torch_fidelity, rel=1e-9)
        assert ours == pytest.approx(clean_fid, rel=1e-9)
    assert found.mean == pytest.approx(np.mean([theirs for _, theirs, _ in compared]), rel=1e-9)
    assert found.sd == pytest.approx(np.std([theirs for _, theirs, _ in compared]), rel=1e-9)


def test_kid_equals_torch_fidelitys_when_the_whole_sets_are_the_subset():
    options = {"kid_subsets": 3, "kid_subset_size": 700, "rng_seed": 7, "verbose": False}
    theirs = metric_kid.kid_features_to_metric(GENERATED[:700].double(), REAL.double(), **options)
    found = kernel_distance(REAL, GENERATED[:700], seed=0, subsets=3, size=700)
    assert found.mean == pytest.approx(theirs[metric_kid.KEY_METRIC_KID_MEAN], rel=1e-9)
