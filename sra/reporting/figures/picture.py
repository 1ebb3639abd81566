"""What every figure says of itself, whatever it shows."""

from abc import abstractmethod
from dataclasses import dataclass, field

from sra.reporting.display import DisplayDocument
from sra.reporting.read.scores import Scores
from sra.spec.scale import Preset


class PictureDocument(DisplayDocument):
    """The head of every figure's document. `alt` says in one sentence what the picture shows."""

    caption: str
    remarks: list[str]
    alt: str


@dataclass(frozen=True)
class DataTable:
    """A figure's data as text, for whoever reads the page without its picture. numbers: which columns hold some.

    receipts: of each cell, the hash of the score that it was read from, where it was read from one; empty where no cell was.
    """

    caption: str
    columns: list[str]
    numbers: list[bool]
    rows: list[list[str]]
    receipts: list[list[str | None]] = field(default_factory=list)


class InspectionDocument(PictureDocument):
    """A figure that looks inside models. rule: how what is shown was made, in one sentence."""

    rule: str

    @abstractmethod
    def as_table(self) -> DataTable:
        """Everything that the picture shows."""

    @abstractmethod
    def statuses(self) -> list[str]:
        """The status of every number or image of ours that it shows."""

    def counts(self, scores: Scores, preset: Preset) -> tuple[int, int, int]:
        """Probes, components and scores are counted together; what is drawn at an earlier point, or is the paper's alone, is not counted."""
        found = self.statuses()
        done, beyond = found.count("ok"), found.count("beyond")
        return done, done + found.count("not run") + found.count("n/a"), beyond
