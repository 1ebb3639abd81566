"""The suite as a whole: equal to its parts, independent of the batch, worse for worse samples, and honest about what it cannot say."""

import dataclasses

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.frechet_infinity import extrapolated, frechet_at_infinity
from sra.metrics.inception_score import inception_score, inception_scores
from sra.metrics.judges import EmbeddingJudge, GlobalJudge, Judges, global_statistics
from sra.metrics.kernel_distance import kernel_distance
from sra.metrics.precision_recall import precision_recall
from sra.metrics.reference import Reference
from sra.metrics.samples import SampleSet
from sra.metrics.suite import RealFeatures, Settings, extract, extract_batches, real_features, score

LABELS = np.zeros(200, np.int64)


def settings(count=200, **changes):
    return Settings(count, **({"few": True} | changes))


@pytest.fixture
def reference(make_images, patches):
    """Statistics over 400 images, of which 150 stand behind precision and recall."""
    images = make_images(0, 400)
    features = extract(images, patches, 64, "train split")
    return Reference(features.pooled_statistics, features.spatial_statistics, images[:150])


@pytest.fixture
def pack(make_images):
    return SampleSet(make_images(1, 200), LABELS)


def test_every_score_is_that_of_its_own_metric(pack, reference, patches):
    found = score(pack, reference, patches, settings())
    generated, real = patches.features(pack.images), patches.features(reference.images)
    shares = precision_recall(real.pooled, generated.pooled)
    assert found.metrics() == pytest.approx(
        {
            "fid": frechet_distance(FeatureStatistics.of(generated.pooled), reference.pooled),
            "sfid": frechet_distance(FeatureStatistics.of(generated.spatial), reference.spatial),
            "is": inception_score(generated.logits),
            "precision": shares.precision,
            "recall": shares.recall,
            "label_agreement": float((generated.predicted == 0).double().mean()),
        },
        rel=1e-9,
    )
    assert 0 < found.label_agreement < 1
    assert found.warnings == ()


@pytest.mark.parametrize("batch", [1, 7, 200, 1000])
def test_the_batch_changes_nothing(pack, reference, patches, batch):
    assert score(pack, reference, patches, settings(batch=batch)).metrics() == pytest.approx(
        score(pack, reference, patches, settings()).metrics(), rel=1e-6
    )


def test_worse_samples_get_worse_scores(pack, reference, patches):
    def spoiled(share):
        """Every image pulled towards middle grey: duller colours, less variety."""
        grey = pack.images + share * (128 - pack.images.astype(float))
        return score(SampleSet(grey.astype(np.uint8), LABELS), reference, patches, settings())

    good, poor, bad = spoiled(0), spoiled(0.4), spoiled(0.8)
    assert good.fid < poor.fid < bad.fid
    assert good.sfid < poor.sfid < bad.sfid
    assert good.inception_score > poor.inception_score > bad.inception_score
    assert good.recall > poor.recall > bad.recall
    dark = score(SampleSet(pack.images // 8, LABELS), reference, patches, settings())  # nowhere near the real images
    assert good.precision > 0.5 > 0.1 > dark.precision


def test_a_classifier_of_other_classes_gives_no_label_agreement(pack, reference, patches):
    class Foreign(type(patches)):
        def features(self, images):
            return dataclasses.replace(super().features(images), predicted=None)

    found = score(pack, reference, Foreign(), settings())
    assert found.label_agreement is None
    assert "label_agreement" not in found.metrics()


def test_few_samples_copies_and_duplicates_are_warned_of(pack, reference, patches):
    few = score(SampleSet(pack.images[:12], LABELS[:12]), reference, patches, settings(12))
    assert [warning.split(";")[0] for warning in few.warnings] == [  # 12 pooled dimensions, 4 spatial ones
        "FID: 12 samples for 12 feature dimensions",
        "Precision and recall: 12 samples for 12 feature dimensions",
    ]

    images = pack.images.copy()
    images[1] = images[0]
    images[2] = reference.images[5]
    warnings = score(SampleSet(images, LABELS), reference, patches, settings(max_duplicates=0.01)).warnings
    assert [warning.split(";")[0] for warning in warnings] == [
        "1 of 200 samples repeat an earlier sample byte for byte",
        "1 of 200 samples are byte for byte images of the reference",
    ]


SIDES = {
    "a known count": (12, None, "12 reference images for 12 feature dimensions"),
    "a rank": (None, 11, "the covariance of the reference images has rank 11 in 12 feature dimensions, as of 12 images"),
}


@pytest.mark.parametrize(("count", "rank", "message"), SIDES.values(), ids=SIDES.keys())
def test_few_reference_images_are_warned_of_in_every_distance(pack, reference, patches, count, rank, message):
    def of(statistics):
        return dataclasses.replace(statistics, count=count, rank=rank)

    def judged(images):
        return patches.features(images).pooled

    few = dataclasses.replace(reference, pooled=of(reference.pooled), spatial=reference.spatial, images=reference.images[:12])
    judges = Judges(
        fd_dinov2=GlobalJudge("judge", "0" * 64, judged, of(reference.pooled)),
        fid_pytorch=of(reference.pooled),
        cmmd=EmbeddingJudge("judge", "0" * 64, judged, judged(few.images)),
    )
    patches.resized_by = lambda resize: patches
    samples = SampleSet(np.concatenate([pack.images] * 50))
    asked = settings(10_000, max_duplicates=1.0, secondary=("kid", "fid_infinity", "fd_dinov2", "fid_pytorch", "cmmd"))
    found = score(samples, few, patches, asked, judges=judges).warnings
    by_metric = {warning.split(":")[0]: warning for warning in found if "reference images" in warning}
    assert set(by_metric) == {"FID", "Precision and recall", "KID", "FID-infinity", "FD-DINOv2", "FID-pytorch", "CMMD"}
    assert all(message in by_metric[metric] for metric in ("FID", "FID-infinity", "FD-DINOv2", "FID-pytorch"))
    assert all("12 reference images for 12 feature" in by_metric[metric] for metric in ("Precision and recall", "KID", "CMMD"))
    whole = score(pack, reference, patches, settings(secondary=("kid",)))
    assert not any("reference images" in warning for warning in whole.warnings)


def test_few_samples_are_warned_of_by_the_judges_too(pack, reference, patches):
    def judged(images):
        return patches.features(images).pooled

    patches.resized_by = lambda resize: patches
    judges = Judges(
        fd_dinov2=GlobalJudge("judge", "0" * 64, judged, reference.pooled),
        fid_pytorch=reference.pooled,
        cmmd=EmbeddingJudge("judge", "0" * 64, judged, judged(reference.images)),
    )
    asked = settings(12, secondary=("kid", "fd_dinov2", "fid_pytorch", "cmmd"))
    found = score(SampleSet(pack.images[:12]), reference, patches, asked, judges=judges).warnings
    warned = {warning.split(":")[0] for warning in found if "12 samples for 12 feature dimensions" in warning}
    assert warned == {"FID", "Precision and recall", "KID", "FD-DINOv2", "FID-pytorch", "CMMD"}


def test_subsets_that_are_the_whole_have_no_spread(pack, reference, patches):
    found = score(
        pack, dataclasses.replace(reference, images=np.concatenate([reference.images, pack.images[:50]])), patches, settings(secondary=("kid",))
    )
    assert "KID: all 100 subsets are the whole of both sets, 200 images" in found.warnings[-1]


def test_equal_features_of_all_samples_are_warned_of(reference, patches):
    flat = np.full((20, 8, 8, 3), 90, np.uint8)
    flat[:, 0, 0] += np.arange(20, dtype=np.uint8)[:, None] % 2  # two kinds of bytes
    blind = type("Blind", (type(patches),), {"features": lambda self, images: patches.features(images * 0 + 90)})()
    found = score(SampleSet(flat), reference, blind, settings(20, max_duplicates=1.0)).warnings
    assert "FID: the features of all samples are equal; the value is the distance of one image" in found


def test_chunks_stand_beside_the_inception_score(pack, reference, patches):
    found = score(pack, reference, patches, settings())
    expected = inception_scores(patches.features(pack.images).logits)
    assert found.inception["chunks"] == [{"images": 200, "score": pytest.approx(found.inception_score)}]
    assert found.inception["one_split"] == pytest.approx(expected.one_split)


def test_labels_are_held_against_the_classes_before_the_long_pass(pack, reference, patches):
    patches.classes = 10
    huge = np.zeros(200, np.int64)
    huge[7] = 2**40
    for labels, message in ((huge, "label 1099511627776 at index 7; there are 10 classes"), (LABELS + 10, "label 10 at index 0; there are 10")):
        with pytest.raises(InputError, match=message):
            score(SampleSet(pack.images, labels), reference, patches, settings())
    for policy, message in (("balanced", "class 0 has 200 images and class 1 0"), ("random", "chance does not do that")):
        with pytest.raises(InputError, match=message):
            score(pack, reference, patches, settings(labels=policy))
    with pytest.raises(InputError, match="tells 10 classes apart, the samples are of 5"):
        score(pack, reference, patches, settings(classes=5))


def test_features_that_are_not_finite_are_refused_by_index(pack, reference, patches):
    class Broken(type(patches)):
        def features(self, images):
            found = super().features(images)
            found.spatial[(images == pack.images[133]).all((1, 2, 3))] = torch.nan
            return found

    with pytest.raises(InputError, match="samples: image 133 gives features that are not finite"):
        score(pack, reference, Broken(), settings(batch=50))


def test_a_reference_of_another_extractor_is_refused(pack, reference, patches):
    other = dataclasses.replace(reference, spatial=reference.pooled)
    with pytest.raises(InputError, match="mu_s has 12 dimensions, extractor patches gives 4"):
        score(pack, other, patches, settings())


def test_a_reference_with_too_few_images_is_refused(pack, reference, patches):
    with pytest.raises(InputError, match="3 images in arr_0"):
        score(pack, dataclasses.replace(reference, images=reference.images[:3]), patches, settings())


def test_an_extractor_of_one_size_refuses_another(pack, reference, patches):
    patches.image_size = 32
    with pytest.raises(InputError, match=r"images are \(8, 8\) pixels; extractor patches takes 32 x 32"):
        score(pack, reference, patches, settings())
    with pytest.raises(InputError, match="takes 32 x 32"):
        extract(pack.images, patches, 64, "train split")
    patches.image_size = 4
    assert score(pack, reference, patches, settings()).fid > 0  # whole multiples are an extractor's to average
    patches.image_size = 3
    with pytest.raises(InputError, match="takes 3 x 3, or squares of whole multiples"):
        score(pack, reference, patches, settings())


def test_too_few_samples_for_a_covariance_are_refused_unless_meant(pack, reference, patches):
    few = SampleSet(pack.images[:12], LABELS[:12])
    with pytest.raises(InputError, match="12 images for 12 feature dimensions leave the covariance singular"):
        score(few, reference, patches, settings(12, few=False))
    assert score(SampleSet(pack.images[:13]), reference, patches, settings(13, few=False)).fid > 0


def test_the_features_are_refused_before_the_long_pass(pack, reference, patches):
    """Whatever one image shows is not found after fifty thousand."""
    seen = []

    class Counting(type(patches)):
        def features(self, images):
            seen.append(len(images))
            return super().features(images)

    with pytest.raises(InputError, match="mu_s has 12 dimensions"):
        score(pack, dataclasses.replace(reference, spatial=reference.pooled), Counting(), settings())
    with pytest.raises(InputError, match="covariance singular"):
        score(SampleSet(pack.images[:12]), reference, Counting(), settings(12, few=False))
    repeated = pack.images.copy()
    repeated[10:] = repeated[0]
    real = real_features(reference.images, patches, 256)
    with pytest.raises(InputError, match="190 of 200 images repeat"):
        score(SampleSet(repeated), reference, Counting(), settings(), real)
    assert seen == [1, 1, 1]


def test_skipped_metrics_are_left_out_and_the_others_stay(pack, reference, patches):
    whole = score(pack, reference, patches, settings()).metrics()
    without_spatial = score(pack, dataclasses.replace(reference, spatial=None), patches, settings(skip=("sfid",)))
    assert without_spatial.metrics() == {name: value for name, value in whole.items() if name != "sfid"}
    without_images = score(pack, dataclasses.replace(reference, images=None), patches, settings(skip=("precision_recall",)))
    assert without_images.metrics() == {name: value for name, value in whole.items() if name not in ("precision", "recall")}
    assert "the reference holds no images" in without_images.warnings[0]
    assert without_images.repeats.copied is None


def test_features_computed_before_give_the_same_scores(pack, reference, patches):
    before = real_features(reference.images, patches, 256)
    assert score(pack, reference, patches, settings(), before) == score(pack, reference, patches, settings())
    # They are what is compared with, not the images.
    shifted = RealFeatures(before.pooled + 10, before.digests)
    assert score(pack, reference, patches, settings(), shifted).precision == 0


def test_a_network_in_training_mode_or_under_autocast_is_refused(pack, reference, patches):
    patches.network = torch.nn.Sequential(torch.nn.BatchNorm2d(3)).eval()
    score(pack, reference, patches, settings())
    with torch.autocast("cpu"), pytest.raises(InputError, match="autocast is on"):
        score(pack, reference, patches, settings())
    patches.network[0].train()
    with pytest.raises(InputError, match="its network is in training mode"):
        score(pack, reference, patches, settings())


def test_features_are_computed_without_tf32(pack, patches):
    seen = set()

    class Watching(type(patches)):
        def features(self, images):
            seen.add((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            return super().features(images)

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    try:
        extract(pack.images, Watching(), 64, "samples")
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert seen == {(False, False)}


def test_images_may_come_as_a_stream(pack, patches):
    whole = extract(pack.images, patches, 64, "samples")
    streamed = extract_batches(iter(np.split(pack.images, [64, 128, 192])), 200, patches, "samples")
    assert torch.equal(whole.pooled, streamed.pooled)
    assert torch.equal(whole.pooled_statistics.covariance, streamed.pooled_statistics.covariance)
    with pytest.raises(InputError, match="200 images came, 201 were announced"):
        extract_batches(iter([pack.images]), 201, patches, "samples")


def test_kernel_distance_and_the_judges_distance_are_those_of_their_parts(pack, reference, patches):
    def judged(images):
        return torch.from_numpy(images).float().mean((1, 2))

    judge = GlobalJudge("mean colour", "0" * 64, judged, global_statistics(reference.images, judged, 64, "reference"))
    found = score(pack, reference, patches, settings(secondary=("kid", "fd_dinov2"), batch=37), judges=Judges(judge))
    real, generated = patches.features(reference.images).pooled, patches.features(pack.images).pooled
    expected = kernel_distance(real, generated, 0, size=150)
    assert found.secondary["kid"].value == pytest.approx(expected.mean)
    assert found.secondary["kid"].about == {
        **{"sd": pytest.approx(expected.sd), "real_images": 150, "subsets": 100, "subset_size": 150, "seed": 0},
    }
    distance = frechet_distance(FeatureStatistics.of(judged(pack.images)), FeatureStatistics.of(judged(reference.images)))
    assert found.metrics()["fd_dinov2"] == pytest.approx(distance)
    assert found.secondary["fd_dinov2"].about == {"real_images": 150, "encoder": "mean colour", "encoder_sha256": "0" * 64}


def test_secondary_scores_that_cannot_be_had_are_refused_first(pack, reference, patches):
    imageless = dataclasses.replace(reference, images=None)
    for name in ("kid", "fd_dinov2"):
        with pytest.raises(InputError, match=f"--secondary {name}: compares with the reference's images"):
            score(pack, imageless, patches, settings(skip=("precision_recall",), secondary=(name,)))
    for count in (200, 9_999):
        samples = SampleSet(pack.images.repeat(50, 0)[:count])
        with pytest.raises(InputError, match=f"fid_infinity: needs at least 10000 samples, there are {count}"):
            score(samples, reference, patches, settings(count, secondary=("fid_infinity",)))


def test_the_extrapolated_distance_is_that_of_its_metric(make_images, reference, patches):
    samples = SampleSet(make_images(1, 10_000))
    found = score(samples, dataclasses.replace(reference, images=reference.images[:20]), patches, settings(10_000, secondary=("fid_infinity",)))
    pooled = patches.features(samples.images).pooled
    assert found.metrics()["fid_infinity"] == pytest.approx(frechet_at_infinity(pooled, reference.pooled, seed=0), rel=1e-6)
    assert found.secondary["fid_infinity"].about == {
        **{"real_images": 400, "points": 15, "smallest": 5000, "seed": 0, "orders": 4},
        "sd_over_orders": extrapolated(pooled, reference.pooled, seed=0).sd,
    }
