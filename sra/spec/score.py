"""Score files: everything a number needs beside it. Scoring writes them, tables read `ScoreRecord`. No torch."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt, ValidationInfo, field_validator

from sra.core.files import read_json
from sra.spec.base import Share, Strict
from sra.spec.load import checked
from sra.spec.metric import Metric
from sra.spec.scale import Precision, SecondaryMetric

Sha256 = str
PACKED = "samples"  # kind in the receipt of a run's sample set
DRAWN = "drawn samples"  # of a whole set of weights that belong to no run: complete as it is, and scored like samples from elsewhere


class SampleFacts(BaseModel):
    """What the receipt of a sample pack says of it. Further facts there do not concern a score.

    label_policy, caption_policy: how classes or captions were chosen; a set has the one or the other.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    preset: str
    run: str
    milestone: str
    step: NonNegativeInt
    sampler_name: str
    sampler: dict[str, JsonValue]
    count: PositiveInt
    paper_count: PositiveInt
    classes: PositiveInt | None = Field(None, description="of the run's data set; None for a model of captions, and in older receipts")
    label_policy: Literal["random", "balanced"] | None
    caption_policy: Literal["in_order", "random"] | None = Field(None, validate_default=True)
    seed: int
    fingerprint: Sha256 = Field(description="of the RunSpec")
    precision: Precision = Field(description="of the products while they were drawn")
    device: str = Field(description="where the samples were drawn")

    @field_validator("caption_policy")
    @classmethod
    def _beside_no_label_policy(cls, policy: str | None, info: ValidationInfo) -> str | None:
        if "label_policy" in info.data and (policy is None) == (info.data["label_policy"] is None):
            raise ValueError("samples are drawn from labels or from captions; expected either label_policy or caption_policy")
        return policy


class DrawnFacts(BaseModel):
    """What the receipt of a set that belongs to no run says of its drawing; nothing for a set of others."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    count: PositiveInt | None = None
    classes: PositiveInt | None = None
    sampler: dict[str, JsonValue] = {}


class ScoredExtractor(Strict):
    name: str
    sha256: Sha256
    held_out_accuracy: Share | None  # None for a network that was not trained here


class ScoredReference(Strict):
    sha256: Sha256
    images: NonNegativeInt = Field(description="real images behind precision and recall; 0 when the file has none")
    statistics_count: PositiveInt | None = Field(description="real images behind FID and sFID; None when the file does not say")
    features_sha256: Sha256 | None = Field(None, description="of the file of features, when they were not computed for this score")
    split: Literal["train", "val"] | None = Field(None, description="whose images; None when it was not made here")
    pytorch_sha256: Sha256 | None = Field(None, description="of the reference behind FID-pytorch")
    key: str | None = Field(None, description="of the images in the file; None for a folder and for a file without images")
    computed: bool = Field(False, description="whether statistics_count images were given without statistics, which were computed from them here")
    statistics_sha256: Sha256 | None = Field(None, description="of the file that statistics computed here are kept in")


class ScoredLabels(Strict):
    """policy: as claimed, None when nothing was.  classes: how many there are, None when nobody says.

    per_class: samples of each class from 0, None when the samples have no labels.
    """

    policy: Literal["random", "balanced"] | None
    classes: PositiveInt | None = None
    per_class: list[NonNegativeInt] | None


class ScoredCaptions(Strict):
    """policy: as the receipt says, None for samples without one. sha256: of the captions' own file, None when they lie beside the images."""

    policy: Literal["in_order", "random"] | None
    sha256: Sha256 | None = None


class ScoredSamples(Strict):
    sha256: Sha256 = Field(description="of the npz, or of the names and contents of a folder's images")
    name: str | None = Field(None, description="of the file or folder, without its path; None for a set made here, which has a receipt")
    count: PositiveInt | None = None
    duplicates: NonNegativeInt
    blank: NonNegativeInt = 0
    copied: NonNegativeInt | None = Field(None, description="samples equal to real images; None when the reference has none")
    max_duplicates: Share | None = Field(None, description="the share of duplicates and blanks that was declared")
    labels: ScoredLabels | None = None
    captions: ScoredCaptions | None = Field(None, description="None when the samples have none")
    uint8: Literal["floor", "round"] | None = Field(None, description="how the sampler made bytes, as claimed")
    key: str | None = Field(None, description="of the images in the npz; None for a folder")
    labels_key: str | None = Field(None, description="of the labels in the npz; None without labels")


class ScoredWeights(Strict):
    sha256: Sha256


class ScoreSettings(Strict):
    precision_recall: Literal["fp32", "adm_fp16"]
    neighbours: PositiveInt
    is_chunk: PositiveInt
    dtype: Literal["float32"]
    tf32: Literal[False]
    eps_fallback: Literal[False] = Field(False, description="whether 1e-6 was added to the covariances' diagonals, as the ADM suite may do")
    skipped: list[Literal["sfid", "precision_recall"]] = []
    batch: PositiveInt
    device: str = Field(description="where the features were computed")


class Measurement(Strict):
    """The metrics and what measured them. `metrics` leaves out what is not defined for the extractor or was skipped.

    names: of the metrics, with the number of samples.  about: what a metric depends on beside them (of FID and sFID: how much of it is
    negative eigenvalues set to zero, which is rounding; of IS the chunks in file order, and the score of all images as one; of FID-infinity
    its standard deviation over orders of the samples).
    """

    metrics: dict[Metric, float]
    names: dict[Metric, str] = {}
    about: dict[Metric, dict[str, JsonValue]] = {}
    extractor: ScoredExtractor
    reference: ScoredReference
    samples: ScoredSamples
    settings: ScoreSettings
    versions: dict[str, str]
    warnings: list[str]


class ScoreRecord(Measurement, SampleFacts):
    """The facts of a sample pack made here, and its measurement."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format: Literal[1] = Field(1, alias="schema")
    weights: ScoredWeights

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


class ForeignScore(Measurement):
    """The measurement of samples that came without a receipt."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = Field(1, alias="schema")

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


class Spread(Strict):
    """One metric over several sample sets. sd: with n - 1."""

    name: str
    mean: float
    sd: float


class SeedScores(Strict):
    """Several sample sets of one model, drawn with several seeds: each score, and the spread between them (never of a bootstrap)."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = Field(1, alias="schema")
    sets: list[ScoreRecord | ForeignScore] = Field(min_length=2)
    spread: dict[Metric, Spread]

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


# The options without which a score cannot be computed.
NEEDED_OPTIONS: dict[SecondaryMetric, tuple[str, ...]] = {
    "fd_selfsup": ("second_extractor", "second_reference"),
    "fid_pytorch": ("pytorch_reference",),
    "clip_score": ("clip_model",),
    "pick_score": ("pick_model",),
    "cmmd": ("cmmd_model",),
}


class ScoreOptions(Strict):
    """What `sra score` was asked for. Options that are None are taken from the samples' receipt where they have one.

    allow_count: score whatever number there is, under a name that says it.  classes: of the data set, where neither a receipt nor the
    extractor says.  encoder: of fd_dinov2, a timm name or a folder.
    clip_model, pick_model, cmmd_model: folder or owner/name on the hub.  captions: of samples that have none of their own, one a line.
    key, labels_key, reference_key: arrays of an npz.  recursive: of folders; None where nobody said it.  replace: a score of other samples.
    """

    extractor: Path | None = None
    extractor_name: str | None = Field(None, description="row of config/weights.tsv that the extractor's file must match")
    reference_name: str | None = Field(None, description="row of config/weights.tsv that the reference must match")
    reference_features: Path | None = None
    pytorch_reference: Path | None = None
    second_extractor: Path | None = Field(None, description="folder of a network that was trained without labels")
    second_reference: Path | None = Field(None, description="statistics of the same real images in its features")
    captions: Path | None = None
    count: PositiveInt | None = None
    allow_count: bool = False
    allow_jpeg: bool = False
    labels: Literal["random", "balanced"] | None = None
    classes: PositiveInt | None = Field(None, le=100_000)
    uint8: Literal["floor", "round"] | None = None
    max_duplicates: Share = 0.0
    skip: tuple[Literal["sfid", "precision_recall"], ...] = ()
    precision_recall: Literal["fp32", "adm_fp16"] = "fp32"
    encoder: str = "vit_large_patch14_dinov2.lvd142m"
    clip_model: str | None = None
    pick_model: str | None = None
    cmmd_model: str | None = None
    secondary: tuple[SecondaryMetric, ...] = ()  # after the options that its scores need
    batch: PositiveInt = 256
    device: str = "cpu"
    key: str | None = None
    labels_key: str | None = None
    reference_key: str | None = None
    recursive: bool | None = None
    replace: bool = False

    @field_validator("secondary")
    @classmethod
    def _with_what_they_need(cls, secondary: tuple[SecondaryMetric, ...], info: ValidationInfo) -> tuple[SecondaryMetric, ...]:
        for score, option in ((score, option) for score, options in NEEDED_OPTIONS.items() for option in options):
            if score in secondary and info.data.get(option) is None:
                raise ValueError(f"{score} needs --{option.replace('_', '-')}; give it, or leave out the score")
        return secondary


METRIC_TITLES: dict[Metric, str] = {
    "fid": "FID",
    "sfid": "sFID",
    "is": "IS",
    "precision": "Precision",
    "recall": "Recall",
    "label_agreement": "LabelAgreement",
    "kid": "KID",
    "fid_infinity": "FID-infinity",
    "fd_dinov2": "FD-DINOv2",
    "fd_selfsup": "FD-selfsup",
    "fid_pytorch": "FID-pytorch",
    "clip_score": "CLIP-score",
    "pick_score": "PickScore",
    "cmmd": "CMMD",
    "caption_accuracy": "CaptionAccuracy",
}


def metric_name(metric: Metric, count: int) -> str:
    """A metric's name with its number of samples, without which the value means little: `FID@50000`."""
    return f"{METRIC_TITLES[metric]}@{count}"


def read_score(path: Path) -> ScoreRecord:
    """The score file at `path`. Raises InputError naming the file and the key that is wrong."""
    return checked(read_json(path), ScoreRecord, str(path))
