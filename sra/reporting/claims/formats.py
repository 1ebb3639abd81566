"""The document of claims as CSV (one line a number, full precision) and as Markdown."""

from sra.reporting.claims.verdicts import VERDICTS, ClaimDocument, ClaimNumber, ClaimPart, ClaimsDocument, PrintedVerdict, Verdict
from sra.reporting.write.delimited import delimited, digits
from sra.reporting.write.numbers import ABSENT, one_line

SIGNS: dict[Verdict | PrintedVerdict, str] = {
    "supported": "✓",
    "contradicted": "✗",
    "equivalent": "=",
    "undecided": "?",
    "not judged": "–",
    "not run": "○",
    "inconclusive": "≈",
}
BY_PRINTED = "By the paper's printed numbers"


def to_csv(document: ClaimsDocument) -> str:
    """The claims as CSV. A number that is missing is empty. The verdicts of a part stand beside each of its numbers, and so does the comparison that
    decides: `compared` by which scale, `effect` (a ratio or a difference) with its interval, and `seeds`, those of training that it is over.
    """
    header = ["claim", "preset", "verdict", "paper_verdict", "targets", "part", "kind", "metric", "name", "run", "milestone", "sampler", "samples"]
    header += ["value", "published", "compared", "effect", "low", "high", "p_holm", "seeds", "part_verdict", "paper_part_verdict"]
    header += ["score_sha256", "source"]
    rows = [header]
    for claim in document.claims:
        of_claim = [claim.id, document.preset, claim.words, claim.paper_verdict or "", " ".join(claim.targets)]
        for place, part in enumerate(claim.parts, 1):
            of_part = [*_effect(part), part.reason or part.verdict, part.paper_verdict or ""]
            for number in part.numbers:
                score = [number.score.milestone, number.score.sampler, number.score.samples] if number.score else ["", "", ""]
                printed = "" if number.published_value is None else number.published
                files = " ".join(filter(None, (number.score_sha256, *(number.seeds_sha256 if number.score_sha256 else ()))))
                values = [digits(number.value), printed, *of_part, files, number.source or ""]
                rows.append([*of_claim, place, part.kind, part.metric, number.name, number.run or "", *score, *values])
    return delimited(rows)


def _effect(part: ClaimPart) -> list[str]:
    if (pair := part.decisive) is None:
        return [""] * 6
    return [pair.scale, *map(digits, (pair.value, pair.low, pair.high, pair.p_value)), " ".join(map(str, pair.seeds))]


def to_markdown(document: ClaimsDocument) -> str:
    """The claims as Markdown: counts or that nothing is judged, a GitHub table, and what is missing with the commands that fill it."""
    if not document.claims:
        return f"**Claims of the paper**\n\nNo claim stands on what preset {document.preset} shows.\n"
    counts = ", ".join(f"{SIGNS[verdict]} {document.counts[verdict]} {verdict}" for verdict in VERDICTS)
    if not document.judged:
        counts = f"Nothing is judged here. Three training seeds are: `{document.command}`"
    lines = ["**Claims of the paper**", "", f"> {_cell(document.scope)}", "", counts, ""]
    lines += [f"| Verdict | Claim | Numbers | {BY_PRINTED} | Source | Tested by |", "| --- | --- | --- | --- | --- | --- |"]
    lines += [_row(claim) for claim in document.claims]
    missing = [claim for claim in document.claims if claim.missing]
    if missing:
        lines += ["", "Not run:", ""]
        lines += [f"- {claim.id}: {_cell(missing_words(claim))}{f' (`{claim.command}`)' if claim.command else ''}" for claim in missing]
    return "\n".join(lines) + "\n"


def _row(claim: ClaimDocument) -> str:
    note = f" ({_cell(claim.note)})" if claim.note else ""
    cells = [f"{SIGNS[claim.verdict]} {claim.words}", _cell(claim.sentence) + note, "<br>".join(map(_numbers, claim.parts))]
    cells += [f"{SIGNS[claim.paper_verdict]} {claim.paper_verdict}" if claim.paper_verdict else ABSENT, _cell(claim.source), ", ".join(claim.targets)]
    return f"| {' | '.join(cells)} |"


def _numbers(part: ClaimPart) -> str:
    """The numbers that decide, and what lies between them; those that exist while some do not."""
    numbers = [f"{number.text} ({_cell(number.name)})" for number in telling_numbers(part)] or ["not run"]
    between = f"; {_cell(part.decisive.text)}" if part.decisive else ""
    return f"{part.header} {', '.join(numbers)}{between}"


def telling_numbers(part: ClaimPart) -> list[ClaimNumber]:
    """The numbers to show: of many that one is compared with, that which decides stands for all."""
    if part.decisive is None:
        return [number for number in part.numbers if number.value is not None]
    return part.numbers if part.kind == "alike" else [part.numbers[place] for place in part.decisive.places]


def paper_numbers(part: ClaimPart) -> list[ClaimNumber]:
    """The paper's own numbers, chosen in the same way; none unless it has all of them."""
    if part.paper_difference is None:
        return []
    return part.numbers if part.paper_against is None else [part.numbers[0], part.numbers[part.paper_against]]


def missing_words(claim: ClaimDocument) -> str:
    return "; ".join(f"{', '.join(item.numbers)}{f': {item.reason}' if item.reason else ''}" for item in claim.missing)


def _cell(text: str) -> str:
    """Literal text within one cell of a table."""
    return one_line(text).replace("|", r"\|").replace("<", "&lt;")
