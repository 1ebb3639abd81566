"""Names of the metrics, and which score of a run a number is."""

from typing import Literal

from pydantic import PositiveInt

from sra.spec.base import Strict

Metric = Literal[
    "fid",
    "sfid",
    "is",
    "precision",
    "recall",
    "label_agreement",
    "kid",
    "fid_infinity",
    "fd_dinov2",
    "fd_selfsup",
    "fid_pytorch",
    "clip_score",
    "pick_score",
    "cmmd",
    "caption_accuracy",
]


class ScoreOf(Strict):
    """Which score a cell reads: milestone, sampler name and the paper's number of samples."""

    milestone: str
    sampler: str
    samples: PositiveInt
