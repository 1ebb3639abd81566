"""`ScoreRecord`: one score file, everything a number needs beside it. Scoring writes it, tables read it. No torch."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt

from sra.core.files import read_json
from sra.spec.base import Strict
from sra.spec.display import Metric
from sra.spec.load import checked
from sra.spec.method import Share

Sha256 = str


class SampleFacts(BaseModel):
    """What the receipt of a sample pack says of it. Further facts there do not concern a score."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    preset: str
    run: str
    milestone: str
    step: NonNegativeInt
    sampler_name: str
    sampler: dict[str, JsonValue]
    count: PositiveInt
    paper_count: PositiveInt
    label_policy: Literal["random", "balanced"]
    seed: int
    fingerprint: Sha256 = Field(description="of the RunSpec")
    device: str = Field(description="where the samples were drawn")


class ScoredExtractor(Strict):
    name: str
    sha256: Sha256
    held_out_accuracy: Share | None  # None for a network that was not trained here


class ScoredReference(Strict):
    sha256: Sha256
    images: PositiveInt = Field(description="real images behind precision and recall")
    statistics_count: PositiveInt | None = Field(description="real images behind FID and sFID; None when the file does not say")


class ScoredSamples(Strict):
    sha256: Sha256
    duplicates: NonNegativeInt


class ScoredWeights(Strict):
    sha256: Sha256


class ScoreSettings(Strict):
    precision_recall: Literal["fp32", "adm_fp16"]
    neighbours: PositiveInt
    is_chunk: PositiveInt
    dtype: Literal["float32"]
    tf32: Literal[False]
    batch: PositiveInt
    device: str = Field(description="where the features were computed")


class ScoreRecord(Strict, SampleFacts):
    """The facts of the sample pack, the metrics, and what measured them. `metrics` leaves out what is not defined for the extractor."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format: Literal[1] = Field(1, alias="schema")
    metrics: dict[Metric, float]
    extractor: ScoredExtractor
    reference: ScoredReference
    samples: ScoredSamples
    weights: ScoredWeights
    settings: ScoreSettings
    versions: dict[str, str]
    warnings: list[str]

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


def read_score(path: Path) -> ScoreRecord:
    """The score file at `path`. Raises InputError naming the file and the key that is wrong."""
    return checked(read_json(path), ScoreRecord, str(path))
