"""The networks besides the extractor that the secondary scores of a stage ask: opened first, put to work when everything else is known to fit."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sra.encoders.global_features import GlobalFeatures
from sra.encoders.image_text import CMMD_EXAMPLE, EXAMPLES, ImageTextModel, image_text_scores
from sra.metrics.judges import CaptionJudge, EmbeddingJudge, GlobalJudge, Judges, SecondExtractor, embeddings, global_statistics
from sra.metrics.reference import Reference
from sra.metrics.samples import Images
from sra.metrics.score_inputs import OpenedSecond
from sra.spec.scale import SecondaryMetric
from sra.spec.score import NEEDED_OPTIONS, ScoreOptions


@dataclass(frozen=True)
class OpenedModel:
    """name: the hub's, or a folder's without its path, since records hold none.  sha256: of the weights as they were loaded."""

    name: str
    sha256: str
    network: GlobalFeatures | ImageTextModel


Models = dict[SecondaryMetric, OpenedModel]


def open_models(options: ScoreOptions) -> Models:
    """By the score that asks it, each source loaded once. Nothing is imported or loaded that no score asks."""
    opened: Models = {}
    if "fd_dinov2" in options.secondary:
        network = GlobalFeatures.load(options.encoder, options.device)
        opened["fd_dinov2"] = OpenedModel(_without_path(options.encoder), network.sha256, network)
    loaded: dict[str, OpenedModel] = {}
    for score, example in (*EXAMPLES.items(), ("cmmd", CMMD_EXAMPLE)):
        if score in options.secondary:
            (option,) = NEEDED_OPTIONS[score]
            source = getattr(options, option)
            if source not in loaded:
                network = ImageTextModel.load(source, options.device, example)
                loaded[source] = OpenedModel(_without_path(source), network.sha256(), network)
            opened[score] = loaded[source]
    return opened


def judges_of(models: Models, real: Images | None, pytorch: Reference | None, second: OpenedSecond | None, batch: int) -> Judges:
    """The same, having seen the reference's images where a score compares with them.  pytorch: the reference of FID-pytorch."""
    judges = {"fid_pytorch": pytorch and pytorch.pooled, "fd_selfsup": second and _second(second)}
    for score, model in models.items():
        named, seen = (model.name, model.sha256), f"the reference by {model.name}"
        if score == "fd_dinov2":
            judges[score] = GlobalJudge(*named, model.network.features, global_statistics(real, model.network.features, batch, seen))
        elif score == "cmmd":
            judges[score] = EmbeddingJudge(*named, model.network.cmmd_features, embeddings(real, model.network.cmmd_features, batch, seen))
        else:
            judges[score] = CaptionJudge(*named, partial(image_text_scores, model.network, score=score))
    return Judges(**judges)


def _second(opened: OpenedSecond) -> SecondExtractor:
    network, found = opened.extractor.extractor, opened.extractor
    return SecondExtractor(
        network.name,
        found.sha256,
        lambda images: network.features(images).pooled,
        opened.reference.reference.pooled,
        network.task,
        found.held_out_accuracy,
        opened.reference.sha256,
    )


def _without_path(source: str) -> str:
    return Path(source).resolve().name if Path(source).exists() else source
