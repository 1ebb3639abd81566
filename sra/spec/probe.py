"""Probe files: how well each block's features told the classes apart at one time. Probing writes them, figures read `ProbeRecord`. No torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, NonNegativeInt, PositiveInt

from sra.core.files import read_json
from sra.spec.base import Share, Strict
from sra.spec.load import checked
from sra.spec.scale import ProbeTraining
from sra.spec.score import Sha256


class ProbeRecord(Strict):
    """Accuracies of linear probes on one run's blocks at one milestone and one time, and what they depend on.

    time: share of the time range, in which noise grows.  accuracy: of held-out images, by block of this preset's model, from 1.
    """

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = Field(1, alias="schema")
    preset: str
    run: str
    milestone: str
    step: NonNegativeInt
    fingerprint: Sha256 = Field(description="of the RunSpec")
    time: Annotated[Share, Field(lt=1)]
    accuracy: dict[PositiveInt, Share] = Field(min_length=1)
    train_images: PositiveInt
    held_out_images: PositiveInt
    training: ProbeTraining
    weights: Sha256
    latents: Sha256
    versions: dict[str, str]
    device: str = Field(description="where the features were computed and the probes trained")

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


def read_probe(path: Path) -> ProbeRecord:
    """The probe file at `path`. Raises InputError naming the file and the key that is wrong."""
    return checked(read_json(path), ProbeRecord, str(path))
