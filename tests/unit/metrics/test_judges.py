"""Other networks' scores against their closed forms, whatever the batch, and what they may not say."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sra.core.errors import InputError
from sra.metrics.judges import CaptionJudge, EmbeddingJudge, Judges, embeddings, global_statistics, mean_match
from sra.metrics.maximum_mean_discrepancy import maximum_mean_discrepancy
from sra.metrics.reference import Reference
from sra.metrics.samples import SampleSet
from sra.metrics.suite import Settings, extract, score

WORDS = ("dark", "bright")
CAPTIONS = [WORDS[number % 2] for number in range(200)]


def match(images, captions):
    """The mean level for "bright", what is left of 255 for "dark"."""
    levels = torch.from_numpy(images).float().mean((1, 2, 3))
    return torch.where(torch.tensor([caption == "bright" for caption in captions]), levels, 255 - levels)


def direction(images):
    return F.normalize(torch.from_numpy(images).float().mean((1, 2)), dim=1)


@pytest.fixture
def images(make_images):
    return make_images(1, 200)


@pytest.fixture
def reference(make_images, patches):
    real = make_images(0, 300)
    features = extract(real, patches, 64, "real")
    return Reference(features.pooled_statistics, features.spatial_statistics, real[:90])


def judge(**changes):
    return CaptionJudge(**{"name": "levels", "sha256": "0" * 64, "match": match, **changes})


@pytest.mark.parametrize("batch", [1, 37, 200, 1000])
def test_the_mean_and_its_error_are_those_of_all_scores(images, batch):
    found, expected = mean_match(images, CAPTIONS, judge(), batch), match(images, CAPTIONS).double().numpy()
    assert found.mean == pytest.approx(expected.mean())
    assert found.standard_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(200))


def test_captions_of_other_images_match_worse(images):
    images = images.copy()
    images[::2] //= 3
    images[1::2] = 255 - images[1::2] // 3
    own, other = (mean_match(images, captions, judge(), 64).mean for captions in (CAPTIONS, CAPTIONS[1:] + CAPTIONS[:1]))
    assert own > 200 > 100 > other


def test_every_score_of_a_judge_is_that_of_its_parts(images, reference, patches):
    seen = embeddings(reference.images, direction, 50, "real")
    assert torch.equal(seen, direction(reference.images))
    judges = Judges(
        clip_score=judge(name="clip"),
        pick_score=judge(name="pick", match=lambda images, captions: -match(images, captions)),
        cmmd=EmbeddingJudge("embedder", "1" * 64, direction, seen),
    )
    settings = Settings(200, secondary=("cmmd", "clip_score", "pick_score"), batch=37)
    found = score(SampleSet(images, captions=CAPTIONS), reference, patches, settings, judges=judges)
    expected = mean_match(images, CAPTIONS, judge(), 200)
    assert found.metrics()["clip_score"] == pytest.approx(expected.mean)
    assert found.metrics()["pick_score"] == pytest.approx(-expected.mean)
    assert found.metrics()["cmmd"] == pytest.approx(maximum_mean_discrepancy(direction(reference.images), direction(images)))
    error = pytest.approx(expected.standard_error)
    assert found.secondary["clip_score"].about == {"standard_error": error, "model": "clip", "model_sha256": "0" * 64}
    assert found.secondary["pick_score"].about == {"standard_error": error, "model": "pick", "model_sha256": "0" * 64}
    assert found.secondary["cmmd"].about == {"real_images": 90, "estimator": "biased", "model": "embedder", "model_sha256": "1" * 64}


def test_what_is_not_finite_is_refused_by_its_place(images):
    def broken(part):
        return torch.where(torch.from_numpy(part == images[133]).all(3).all(2).all(1)[:, None], torch.nan, direction(part))

    for run in (embeddings, global_statistics):
        with pytest.raises(InputError, match="samples by x: image 133 gives features that are not finite in float32"):
            run(images, broken, 50, "samples by x")
    with pytest.raises(InputError, match="samples and captions: image 133 gives"):
        mean_match(images, CAPTIONS, judge(match=lambda part, captions: broken(part)[:, 0]), 50)


def test_tf32_is_off_while_a_judge_looks(images, monkeypatch):
    seen = set()

    def watching(part, captions=None):
        seen.add((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
        return direction(part)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    embeddings(images, watching, 50, "samples")
    global_statistics(images, watching, 50, "samples")
    mean_match(images, CAPTIONS, judge(match=lambda part, captions: watching(part)[:, 0]), 50)
    assert seen == {(False, False)}


def test_captions_and_real_images_are_asked_for_before_any_feature(images, reference, patches):
    class Unused(type(patches)):
        def features(self, images):
            assert len(images) == 1, "computed features of many images"
            return super().features(images)

    for name in ("clip_score", "pick_score", "caption_accuracy"):
        with pytest.raises(InputError, match=f"--secondary {name}: needs the captions that the samples were drawn from; give --captions"):
            score(SampleSet(images), reference, Unused(), Settings(200, secondary=(name,)))
    for nothing in (None, reference.images[:0]):
        without = dataclasses.replace(reference, images=nothing)
        with pytest.raises(InputError, match="--secondary cmmd: compares with the reference's images, and the reference has none"):
            score(SampleSet(images[:, :8, :8]), without, Unused(), Settings(200, skip=("precision_recall",), secondary=("cmmd",)))
