"""The suite as a whole: equal to its parts, independent of the batch, worse for worse samples, and honest about what it cannot say."""

import dataclasses

import numpy as np
import pytest
import torch

from sra.core.errors import InputError
from sra.metrics.frechet import FeatureStatistics, frechet_distance
from sra.metrics.inception_score import inception_score
from sra.metrics.precision_recall import precision_recall
from sra.metrics.reference import Reference
from sra.metrics.samples import SamplePack
from sra.metrics.suite import extract, score

LABELS = np.zeros(200, np.int64)


@pytest.fixture
def reference(make_images, patches):
    """Statistics over 400 images, of which 150 stand behind precision and recall."""
    images = make_images(0, 400)
    features = extract(images, patches, 64, "train split")
    return Reference(features.pooled_statistics, features.spatial_statistics, images[:150])


@pytest.fixture
def pack(make_images):
    return SamplePack(make_images(1, 200), LABELS)


def test_every_score_is_that_of_its_own_metric(pack, reference, patches):
    found = score(pack, 200, reference, patches)
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
    assert score(pack, 200, reference, patches, batch=batch).metrics() == pytest.approx(score(pack, 200, reference, patches).metrics(), rel=1e-6)


def test_worse_samples_get_worse_scores(pack, reference, patches):
    def spoiled(share):
        """Every image pulled towards middle grey: duller colours, less variety."""
        grey = pack.images + share * (128 - pack.images.astype(float))
        return score(SamplePack(grey.astype(np.uint8), LABELS), 200, reference, patches)

    good, poor, bad = spoiled(0), spoiled(0.4), spoiled(0.8)
    assert good.fid < poor.fid < bad.fid
    assert good.sfid < poor.sfid < bad.sfid
    assert good.inception_score > poor.inception_score > bad.inception_score
    assert good.recall > poor.recall > bad.recall
    dark = score(SamplePack(pack.images // 8, LABELS), 200, reference, patches)  # nowhere near the real images
    assert good.precision > 0.5 > 0.1 > dark.precision


def test_a_classifier_of_other_classes_gives_no_label_agreement(pack, reference, patches):
    class Foreign(type(patches)):
        def features(self, images):
            return dataclasses.replace(super().features(images), predicted=None)

    found = score(pack, 200, reference, Foreign())
    assert found.label_agreement is None
    assert "label_agreement" not in found.metrics()


def test_few_samples_copies_and_duplicates_are_warned_of(pack, reference, patches):
    few = score(SamplePack(pack.images[:12], LABELS[:12]), 12, reference, patches)
    assert [warning.split(":")[0] for warning in few.warnings] == ["FID"]  # 12 pooled dimensions, 4 spatial ones
    assert "12 samples for 12 feature dimensions" in few.warnings[0]

    images = pack.images.copy()
    images[1] = images[0]
    images[2] = reference.images[5]
    warnings = score(SamplePack(images, LABELS), 200, reference, patches).warnings
    assert [warning.split(";")[0] for warning in warnings] == [
        "1 of 200 samples repeat an earlier sample byte for byte",
        "1 of 200 samples are byte for byte images of the reference",
    ]


def test_features_that_are_not_finite_are_refused_by_index(pack, reference, patches):
    class Broken(type(patches)):
        def features(self, images):
            found = super().features(images)
            found.spatial[(images == pack.images[133]).all((1, 2, 3))] = torch.nan
            return found

    with pytest.raises(InputError, match="samples: image 133 gives features that are not finite"):
        score(pack, 200, reference, Broken(), batch=50)


def test_a_reference_of_another_extractor_is_refused(pack, reference, patches):
    other = dataclasses.replace(reference, spatial=reference.pooled)
    with pytest.raises(InputError, match="mu_s has 12 dimensions, extractor patches gives 4"):
        score(pack, 200, other, patches)


def test_a_reference_with_too_few_images_is_refused(pack, reference, patches):
    with pytest.raises(InputError, match="3 images in arr_0"):
        score(pack, 200, dataclasses.replace(reference, images=reference.images[:3]), patches)


def test_an_extractor_of_one_size_refuses_another(pack, reference, patches):
    patches.image_size = 32
    with pytest.raises(InputError, match=r"images are \(8, 8\) pixels; extractor patches takes 32 x 32"):
        score(pack, 200, reference, patches)
    with pytest.raises(InputError, match="takes 32 x 32"):
        extract(pack.images, patches, 64, "train split")
