"""Scores and embeddings against transformers' own CLIPModel and CLIPProcessor on random weights, and their properties."""

import shutil

import numpy as np
import pytest
import torch
from random_clip import WORDS, save_random_clip
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from sra.core.errors import InputError
from sra.encoders.image_text import EXAMPLES, FED_AS, ImageTextModel, image_text_scores

CAPTIONS = [*WORDS, "", "red " * 100, "green"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_random_clip(tmp_path_factory.mktemp("clip"), text_width=16)


@pytest.fixture(scope="module")
def model(folder):
    return ImageTextModel.load(folder)


@pytest.fixture(scope="module")
def images():
    """Wider than high, so that the crop cuts; smooth, so that the resize is not all that matters."""
    coarse = np.random.default_rng(0).integers(0, 256, (len(CAPTIONS), 4, 5, 3), dtype=np.uint8)
    return coarse.repeat(12, 1).repeat(12, 2)


@pytest.fixture(scope="module")
def expected(folder, images):
    """transformers' own: the model's two outputs on what the processor makes of PIL images."""
    processor, network = CLIPProcessor.from_pretrained(folder, backend="pil"), CLIPModel.from_pretrained(folder).eval()
    inputs = processor(text=CAPTIONS, images=list(images), padding=True, truncation=True, max_length=77, return_tensors="pt")
    with torch.no_grad():
        return network(**inputs)


def test_features_are_transformers_own(model, images, expected):
    assert torch.allclose(model.image_features(images), expected.image_embeds, atol=1e-6)
    assert torch.allclose(model.text_features(CAPTIONS), expected.text_embeds, atol=1e-6)
    assert torch.allclose(model.image_features(images).norm(dim=1), torch.ones(len(images)))


def test_pick_score_is_the_logit_of_each_image_and_its_caption(model, images, expected):
    found = image_text_scores(model, images, CAPTIONS, "pick_score")
    assert found.shape == (len(images),)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected.logits_per_image.diagonal(), atol=1e-4)
    first = image_text_scores(model, images, CAPTIONS[:1] * len(images), "pick_score")
    assert torch.allclose(first, expected.logits_per_image[:, 0], atol=1e-4)
    assert (first < 0).any()


def test_clip_score_is_a_hundred_cosines_and_never_below_zero(model, images, expected):
    cosines = expected.image_embeds @ expected.text_embeds[0]
    found = image_text_scores(model, images, CAPTIONS[:1] * len(images))
    assert torch.allclose(found, 100 * cosines.clamp(min=0), atol=1e-4)
    assert (found == 0).any()
    assert (found > 0).any()


@pytest.mark.parametrize("batch", [1, 2, 64])
@pytest.mark.parametrize("score", ["clip_score", "pick_score"])
def test_batches_change_nothing(model, images, score, batch):
    assert torch.allclose(image_text_scores(model, images, CAPTIONS, score, batch), image_text_scores(model, images, CAPTIONS, score), atol=1e-4)


def test_no_images_have_no_scores(model, images):
    assert image_text_scores(model, images[:0], []).shape == (0,)


def test_the_processors_own_config_decides(folder, images, tmp_path):
    """Another mean, no resize: other features, and those that are worked out by hand."""
    other = shutil.copytree(folder, tmp_path / "clip")
    text = (other / "processor_config.json").read_text()
    assert '"do_resize": true' in text
    (other / "processor_config.json").write_text(text.replace('"do_resize": true', '"do_resize": false').replace("0.48145466", "0.1"))
    model = ImageTextModel.load(other)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)[:, :, 10:38, 16:44] / 255  # the centre, 28 of 48 x 60
    mean, std = torch.tensor([0.1, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    expected = model.network.get_image_features(pixel_values=(pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)).pooler_output
    assert torch.allclose(model.image_features(images), F.normalize(expected, dim=1), atol=1e-5)


def test_an_older_processors_file_is_read_too(folder, images, model, tmp_path):
    other = shutil.copytree(folder, tmp_path / "clip")
    (other / "processor_config.json").unlink()
    model.processor.save_pretrained(other)
    assert (other / "preprocessor_config.json").exists()
    assert torch.equal(ImageTextModel.load(other).image_features(images), model.image_features(images))


def test_cmmd_feeds_the_whole_image_resized_without_antialiasing(model, images):
    pixels = F.interpolate(torch.from_numpy(images).permute(0, 3, 1, 2) / 255, (28, 28), mode="bicubic")
    inputs = model.processor(list(pixels.permute(0, 2, 3, 1).numpy()), do_resize=False, do_center_crop=False, do_rescale=False,
                             input_data_format="channels_last", return_tensors="pt")  # fmt: skip
    expected = model.network.get_image_features(**inputs).pooler_output
    found = model.cmmd_features(images)
    assert torch.allclose(found, F.normalize(expected, dim=1), atol=1e-5)
    assert not torch.allclose(found, model.image_features(images), atol=1e-3)


def test_nothing_in_it_trains(model, images):
    assert not model.network.training
    for features in (model.image_features(images), model.cmmd_features(images), model.text_features(CAPTIONS)):
        assert not features.requires_grad
        assert features.dtype == torch.float32


def test_a_hash_names_the_weights(folder, model, tmp_path):
    assert ImageTextModel.load(folder).sha256() == model.sha256()
    assert ImageTextModel.load(save_random_clip(tmp_path, seed=1, text_width=16)).sha256() != model.sha256()


@pytest.mark.parametrize("features", ["image_features", "cmmd_features"])
def test_float_images_are_refused(model, images, features):
    with pytest.raises(ValueError, match="expected uint8 images"):
        getattr(model, features)(images / 255)


def test_what_does_not_fit_is_refused(model, images):
    with pytest.raises(ValueError, match="5 images and 4 captions"):
        image_text_scores(model, images, CAPTIONS[:4])
    with pytest.raises(ValueError, match="unknown score 'blip'; use clip_score or pick_score"):
        image_text_scores(model, images, CAPTIONS, "blip")


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"no such folder; fetch .* of yuvalkirstain/PickScore_v1 and put them in downloads/PickScore_v1$"):
        ImageTextModel.load(tmp_path / "none", example="yuvalkirstain/PickScore_v1")
    other = shutil.copytree(folder, tmp_path / "clip")
    (other / "processor_config.json").unlink()
    with pytest.raises(InputError, match=r"preprocessor_config\.json is missing; fetch"):
        ImageTextModel.load(other)


PICK_SCORE, LENDER = EXAMPLES["pick_score"], "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
TOKENIZER, PROCESSOR = ("tokenizer.json", "tokenizer_config.json"), ("processor_config.json",)


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    """hub(names of files) -> folder: PickScore on the hub and someone/tuned are a model without those files, the lender is whole."""
    bare = shutil.copytree(folder, tmp_path / "bare")
    known = {PICK_SCORE: bare, LENDER: folder, "someone/tuned": bare}
    for kind in (CLIPModel, CLIPTokenizer, CLIPImageProcessorPil):
        original = kind.from_pretrained
        monkeypatch.setattr(kind, "from_pretrained", lambda source, original=original, **named: original(known.get(source, source), **named))

    def without(*files):
        for file in files:
            (bare / file).unlink()
        return bare

    return without


@pytest.mark.parametrize("missing", [(), TOKENIZER, PROCESSOR, TOKENIZER + PROCESSOR], ids=["nothing", "tokenizer", "processor", "both"])
def test_pick_score_of_the_hub_borrows_what_it_comes_without(hub, model, images, missing):
    assert FED_AS == {PICK_SCORE: LENDER}
    hub(*missing)
    found = ImageTextModel.load(PICK_SCORE, example=PICK_SCORE)
    for score in EXAMPLES:
        assert torch.equal(image_text_scores(found, images, CAPTIONS, score), image_text_scores(model, images, CAPTIONS, score))


def test_its_own_processor_comes_first(hub, images, model):
    bare = hub()
    file = bare / "processor_config.json"
    file.write_text(file.read_text().replace("0.48145466", "0.1"))
    assert not torch.allclose(ImageTextModel.load(PICK_SCORE).image_features(images), model.image_features(images), atol=1e-4)


def test_no_other_model_borrows(hub):
    hub(*PROCESSOR)
    with pytest.raises(InputError, match="someone/tuned: cannot be loaded"):
        ImageTextModel.load("someone/tuned", example=PICK_SCORE)


@pytest.mark.parametrize(("missing", "named"), [(TOKENIZER, "tokenizer.json"), (PROCESSOR, "preprocessor_config.json")])
def test_a_folder_borrows_nothing_and_names_the_lender(hub, missing, named):
    bare = hub(*missing)
    with pytest.raises(InputError, match=rf"bare: {named} is missing; fetch .* those of {LENDER} ") as caught:
        ImageTextModel.load(bare, example=PICK_SCORE)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=f"bare: {named} is missing; fetch") as caught:
        ImageTextModel.load(bare)
    assert LENDER not in str(caught.value)
