"""A published number beside the one measured here: the shape of every cell of a table and of every point of a figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from sra.reporting.read.published import PublishedNumber
from sra.reporting.read.spread import Repeated, Spread
from sra.reporting.write.numbers import number_text
from sra.spec.base import Strict

# Of our number.  beyond: the preset does not train so far.  same: it is drawn at an earlier point, which has the same block here.
# not asked: a point of the paper alone.  not in the paper: ours was measured and the paper prints none.
Status = Literal["ok", "not run", "n/a", "beyond", "same", "not asked", "not in the paper"]


@dataclass(frozen=True)
class Outcome:
    """What became of one number of ours: its value, the mean where there are several seeds, or why there is none.

    spread: None for one seed of each.  sha256s: of the files that it was looked for in, that of the run's own seed first.
    by_seed: the value of each training, the mean over its sample sets.
    """

    status: Status
    value: float | None = None
    reason: str | None = None
    spread: Spread | None = None
    sha256s: tuple[str, ...] = ()
    by_seed: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def measured(cls, found: Repeated, reason: str | None, sha256s: tuple[str, ...]) -> Self:
        return cls("ok", found.mean, reason, found.spread if found.spread.several else None, sha256s, found.by_seed)

    @property
    def sha256(self) -> str | None:
        return self.sha256s[0] if self.sha256s else None


class Comparison(Strict):
    """The paper's number as printed and in the metric's unit, with its source, and ours with its status; None is what one of them has not.

    by_seed: ours by training seed, each the mean over its sample sets.
    """

    published: str | None = None
    published_value: float | None = None
    source: str | None = None
    value: float | None
    spread: Spread | None = None
    by_seed: dict[int, float] = {}
    status: Status
    reason: str | None

    @classmethod
    def of(cls, number: PublishedNumber | None, ours: Outcome, **fields: Any) -> Self:
        """Put the two beside each other. fields: what a subclass has besides, or says in another way."""
        printed = {"published": number.text, "published_value": number.value, "source": number.credit} if number else {}
        known = {"value": ours.value, "spread": ours.spread, "by_seed": dict(ours.by_seed), "status": ours.status, "reason": ours.reason}
        return cls(**{**printed, **known, **cls.files_of(ours), **fields})

    @classmethod
    def files_of(cls, ours: Outcome) -> dict[str, Any]:
        """The fields that say which files our number was read from; none here."""
        return {}


class ScoreComparison(Comparison):
    """A comparison of a metric that is read from a score."""

    score_sha256: str | None = None

    @classmethod
    def files_of(cls, ours: Outcome) -> dict[str, Any]:
        return {"score_sha256": ours.sha256}

    @property
    def text(self) -> str:
        """Ours, or its status."""
        return self.status if self.value is None else number_text(self.value, ".2f")


class AccuracyComparison(Comparison):
    """A comparison of accuracies of a linear probe, as shares. seeds_sha256: of the probes of other training seeds."""

    probe_sha256: str | None = None
    seeds_sha256: list[str] = []

    @classmethod
    def files_of(cls, ours: Outcome) -> dict[str, Any]:
        return {"probe_sha256": ours.sha256, "seeds_sha256": list(ours.sha256s[1:])}

    @property
    def text(self) -> str:
        """Ours in percent, or its status."""
        if self.value is None:
            return self.status
        return number_text(self.value, ".1%") + (f" ± {number_text(self.spread.training_sd, '.1%')}" if self.spread else "")
