"""What every table and figure says of itself, whatever it shows."""

from typing import Any, Literal

from sra.content.figures import FigureSpec
from sra.content.tables import TableSpec
from sra.reporting.read.evidence import Evidence
from sra.reporting.read.scores import Scores
from sra.spec.base import Strict
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset


class DisplayDocument(Strict):
    """The head of a document. band: the sentence that stands over everything a smaller preset shows."""

    schema_version: Literal[1] = 1
    id: str
    number: str
    title: str
    paper: str
    preset: str
    comparable: bool
    band: str | None

    def scores(self) -> list[tuple[str, ScoreOf]]:
        """Run and score of every number of ours that is read from a score, each once."""
        return []

    def counts(self, scores: Scores, preset: Preset) -> tuple[int, int, int]:
        """How many of its numbers exist, of how many that this preset can give, and how many lie beyond it."""
        asked = self.scores()
        reached = scores.reached(asked, preset)
        return sum(scores.complete(run, score) for run, score in reached), len(reached), len(asked) - len(reached)


def heading_of(shown: TableSpec | FigureSpec, evidence: Evidence) -> dict[str, Any]:
    """The fields of a `DisplayDocument`, from the file of the table or figure and the preset."""
    return {
        "id": shown.id,
        "number": number_of(shown.id),
        "title": shown.title,
        "paper": shown.paper,
        "preset": evidence.preset_id,
        "comparable": evidence.preset.comparable,
        "band": band_of(evidence.preset_id, evidence.preset),
    }


def band_of(preset_id: str, preset: Preset) -> str | None:
    """The sentence that stands over everything a smaller preset shows."""
    if preset.comparable:
        return None
    return f"Preset {preset_id}: same method, smaller scale. Numbers are not comparable with the paper and say nothing of it."


def number_of(identity: str) -> str:
    """table_6 -> Table 6, figure_7c -> Figure 7c, figure_10_25 -> Figures 10 to 25, table_b0 -> Table B0, figure_t2i -> Figure T2I."""
    kind, _, number = identity.partition("_")
    if "_" in number:
        return f"{kind.capitalize()}s {number.replace('_', ' to ')}"
    return f"{kind.capitalize()} {'T2I' if number == 't2i' else number[:1].upper() + number[1:]}"
