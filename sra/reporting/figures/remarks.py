"""What figures say below their pictures."""

from collections.abc import Iterable, Sequence

from sra.reporting.read.evidence import Evidence
from sra.reporting.write.commands import missing_remark
from sra.reporting.write.numbers import milestone_text

HOLLOW_MARKERS = "Hollow markers: the paper."


def comparison_remarks(printed: bool, comparable: bool, ours: str, hollow: str, apart: str) -> list[str]:
    """What ours look like and the paper's, which share axes where they are comparable. printed: whether the paper has any points."""
    if comparable:
        return [f"{ours} {hollow}" if printed else ours]
    return [ours, *([apart] if printed else [])]


def not_run_remarks(evidence: Evidence, figure: str, beyond: Iterable[str], asked: Sequence[bool]) -> list[str]:
    """Milestones that the preset does not reach, and how many points are missing, with the command for them. asked: of each, whether it is there."""
    names = ", ".join(map(milestone_text, dict.fromkeys(beyond)))
    remarks = [f"Not run at preset {evidence.preset_id}: {names}."] if names else []
    return remarks + missing_remark(len(asked) - sum(asked), len(asked), "points", figure, evidence.preset_id)


def block_text(block: int, here: int) -> str:
    """The paper's block, and the one here where they differ."""
    return str(block) if block == here else f"{block} ({here} here)"


def block_remarks(pairs: Iterable[tuple[int, int]]) -> list[str]:
    """How the paper's blocks map to the model here, and which of them share one. pairs: (block of the paper, block here)."""
    mapped = dict(sorted(pairs))
    if all(block == here for block, here in mapped.items()):
        return []
    several = len(mapped) > 1
    remarks = [f"The paper's block{'s' if several else ''} {_joined(mapped)} {'are' if several else 'is'} {_joined(mapped.values())} here."]
    sharing: dict[int, list[int]] = {}
    for block, here in mapped.items():
        sharing.setdefault(here, []).append(block)
    remarks += [
        f"Blocks {_joined(blocks)} are one block here, {here}, and shown once, as block {blocks[0]}."
        for here, blocks in sharing.items()
        if len(blocks) > 1
    ]
    return remarks


def _joined(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
