"""The reference file: what is written is read back exactly, and numbers that are no statistics are refused by key."""

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.core.npz import write_npz
from sra.metrics.frechet import FeatureStatistics
from sra.metrics.reference import Reference, chosen_images, read_reference


def statistics(seed, d, count=40):
    return FeatureStatistics.of(torch.randn(count, d, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def reference(make_images):
    return Reference(statistics(0, 6), statistics(1, 9), make_images(0, 10))


@pytest.fixture
def arrays(reference, tmp_path):
    reference.write(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as whole:
        return dict(whole)


def test_what_was_written_is_read_back_exactly(tmp_path, reference):
    reference.write(tmp_path / "reference.npz")
    found = read_reference(tmp_path / "reference.npz")
    for ours, theirs in ((reference.pooled, found.pooled), (reference.spatial, found.spatial)):
        assert torch.equal(ours.mean, theirs.mean)
        assert torch.equal(ours.covariance, theirs.covariance)
        assert ours.count == theirs.count
    np.testing.assert_array_equal(found.images[0:10], reference.images)


def test_equal_references_give_equal_bytes(tmp_path, reference):
    reference.write(tmp_path / "a.npz")
    reference.write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_published_file_without_a_count_and_in_float32_is_taken(tmp_path, arrays):
    """The ADM suite's own files: keys mu, sigma, mu_s, sigma_s, arr_0 and no more."""
    del arrays["statistics_count"]
    np.savez(tmp_path / "published.npz", **(arrays | {"mu": arrays["mu"].astype(np.float32)}))
    found = read_reference(tmp_path / "published.npz")
    assert found.pooled.count is None
    assert found.pooled.mean.dtype == torch.float64


def test_a_singular_covariance_is_taken(tmp_path, make_images):
    Reference(statistics(0, 30, count=5), statistics(1, 9), make_images(0, 10)).write(tmp_path / "reference.npz")
    assert read_reference(tmp_path / "reference.npz").pooled.count == 5


def asymmetric(sigma):
    return sigma + 1e-6 * sigma.max() * np.eye(len(sigma), k=1)


@pytest.mark.parametrize(("metric", "keys"), [("sfid", ("mu_s", "sigma_s")), ("precision_recall", ("arr_0",))])
def test_what_only_a_skipped_metric_needs_may_be_missing(tmp_path, arrays, metric, keys):
    write_npz(tmp_path / "reference.npz", {key: value for key, value in arrays.items() if key not in keys})
    found = read_reference(tmp_path / "reference.npz", skip=(metric,))
    assert (found.spatial is None, found.images is None) == (metric == "sfid", metric == "precision_recall")
    other = {"sfid": "precision_recall", "precision_recall": "sfid"}[metric]
    for skip in ((), (other,)):
        with pytest.raises(InputError, match=f"the key {keys[0]} is missing.* give --skip {metric}"):
            read_reference(tmp_path / "reference.npz", skip)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8"])
def test_statistics_of_any_float_type_become_float64(tmp_path, arrays, dtype):
    sigma = np.round(arrays["sigma"], 2)
    sigma = ((sigma + sigma.T) / 2).astype(dtype)
    write_npz(tmp_path / "reference.npz", arrays | {"sigma": sigma})
    found = read_reference(tmp_path / "reference.npz").pooled.covariance
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found.numpy(), sigma.astype(np.float64))


def test_a_covariance_that_rounding_made_asymmetric_is_mended_and_told(tmp_path, arrays):
    rounded = arrays["sigma"] + 3e-7 * arrays["sigma"].max() * np.eye(len(arrays["sigma"]), k=1)
    write_npz(tmp_path / "reference.npz", arrays | {"sigma": rounded})
    found = read_reference(tmp_path / "reference.npz")
    assert torch.equal(found.pooled.covariance, found.pooled.covariance.T)
    np.testing.assert_allclose(found.pooled.covariance, arrays["sigma"], atol=2e-7 * arrays["sigma"].max())
    assert found.notes == ("reference: sigma differed from its transpose by 3.0e-07 of its largest entry; the mean of both was taken",)


def test_the_images_of_a_reference_cannot_be_mistaken(tmp_path, arrays, make_images):
    images, others = arrays.pop("arr_0"), make_images(1, 10)
    write_npz(tmp_path / "reference.npz", arrays | {"real": images})
    found = read_reference(tmp_path / "reference.npz")
    assert found.key == "real"
    np.testing.assert_array_equal(found.images[0:10], images)
    write_npz(tmp_path / "reference.npz", arrays | {"real": images, "fake": others})
    with pytest.raises(InputError, match=r"several arrays can be the images: .*name one by --reference-key"):
        read_reference(tmp_path / "reference.npz")
    np.testing.assert_array_equal(read_reference(tmp_path / "reference.npz", key="fake").images[0:10], others)
    write_npz(tmp_path / "reference.npz", arrays | {"arr_0": images, "fake": others})
    assert read_reference(tmp_path / "reference.npz").notes == ("reference: arr_0 was taken; fake uint8 (10, 8, 8, 3) could be images too",)


@pytest.mark.parametrize("count", [5, None])
def test_few_images_are_told_by_the_rank_where_no_count_is_kept(tmp_path, arrays, count):
    features = np.random.default_rng(0).random((5, 6))
    arrays["sigma"] = np.cov(features, rowvar=False)
    del arrays["statistics_count"]
    write_npz(tmp_path / "reference.npz", arrays | ({} if count is None else {"statistics_count": np.int64(count)}))
    found = read_reference(tmp_path / "reference.npz").pooled
    assert (found.count, found.rank) == ((None, 4) if count is None else (5, None))


WRONG = {
    "missing mu": ("mu", None, "the key mu is missing"),
    "missing sigma_s": ("sigma_s", None, "the key sigma_s is missing"),
    "missing arr_0": ("arr_0", None, "the key arr_0 is missing"),
    "float images": ("arr_0", lambda images: images / 255, r"arr_0 is float64 \(10, 8, 8, 3\); expected uint8"),
    "channels first": ("arr_0", lambda images: images.transpose(0, 3, 1, 2), "expected uint8"),
    "wrong dimension": ("mu", lambda mu: mu[:-1], r"mu is \(5,\) and sigma \(6, 6\)"),
    "not square": ("sigma_s", lambda sigma: sigma[:-1], r"sigma_s \(8, 9\)"),
    "whole numbers": ("sigma", lambda sigma: sigma.astype(int), "sigma is int64"),
    "not finite": ("mu_s", lambda mu: np.full_like(mu, np.nan), "mu_s is float64 or not finite"),
    "asymmetric": ("sigma", asymmetric, "sigma differs from its transpose"),
    "zeros": ("sigma", lambda sigma: 0 * sigma, "sigma is all zeros, as of images that are all the same"),
    "of one image": ("statistics_count", lambda count: np.int64(1), "statistics_count is 1; a covariance takes at least 2 images"),
    "negative": (
        "sigma",
        lambda sigma: sigma - 1e-3 * np.trace(sigma) * np.eye(len(sigma)) - sigma.max() * np.eye(len(sigma)),
        "negative eigenvalue",
    ),
}


@pytest.mark.parametrize(("key", "change", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_reference_is_refused_by_key(tmp_path, arrays, key, change, message):
    if change is None:
        del arrays[key]
    else:
        arrays[key] = change(arrays[key])
    write_npz(tmp_path / "reference.npz", arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_reference(tmp_path / "reference.npz")
    assert str(caught.value).startswith(str(tmp_path / "reference.npz"))


def test_chosen_images_are_distinct_ascending_and_seeded():
    chosen = chosen_images(1000, 300, seed=0)
    assert len(set(chosen)) == 300
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, chosen_images(1000, 300, seed=0))
    assert set(chosen) != set(chosen_images(1000, 300, seed=1))
    # Asking for fewer takes from the same permutation.
    assert set(chosen_images(1000, 100, seed=0)) < set(chosen)
    assert list(chosen_images(5, 5, seed=0)) == [0, 1, 2, 3, 4]


def test_more_images_than_there_are_is_refused():
    with pytest.raises(InputError, match="asks for 11, the train split has 10"):
        chosen_images(10, 11, seed=0)
