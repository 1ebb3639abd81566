"""Methods beside each other: which of two is told apart, over all pairs of some rows."""

from itertools import combinations

from sra.study.document import RowFound, StudyDocument
from sra.study.intervals import paired, scale_of
from sra.study.verdicts import ALPHA, holm


def told_apart(rows: list[RowFound], document: StudyDocument) -> tuple[list[str], int]:
    """Sentences `A beats B (× 0.97)` of the pairs that differ after Holm's correction, and how many pairs were compared."""
    found = {}
    for first, second in combinations(rows, 2):
        pair = paired(_last(first, document), _last(second, document), scale_of(document.metric))
        if pair is not None and pair.judged:
            found[first.label, second.label] = pair
    adjusted = holm({pair: compared.p_value for pair, compared in found.items()})
    sentences = []
    for (first, second), pair in found.items():
        if adjusted[first, second] <= ALPHA:
            ahead, behind = (first, second) if pair.mean < 0 else (second, first)
            sentences.append(f"{ahead} beats {behind} (× {pair.shown(-abs(pair.mean)):.3f})")
    return sentences, len(found)


def _last(row: RowFound, document: StudyDocument) -> dict[int, float]:
    return {value.seed: value.value for value in row.at(document.milestone).values if value.value is not None}
