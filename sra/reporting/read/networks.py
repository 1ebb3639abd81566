"""The networks and references that distances are measured by: those that stand side by side have the same."""

from collections.abc import Callable, Iterable

from sra.core.errors import InputError
from sra.reporting.read.scores import what_it_scores
from sra.spec.layout import Results
from sra.spec.score import ScoreRecord

COMPARED_BY: dict[str, Callable[[ScoreRecord], str | None]] = {
    "feature network": lambda record: record.extractor.sha256,
    "reference": lambda record: record.reference.sha256,
    "second feature network": lambda record: record.about.get("fd_selfsup", {}).get("extractor_sha256"),
    "second reference": lambda record: record.about.get("fd_selfsup", {}).get("reference_sha256"),
}


def refuse_other_networks(records: Iterable[ScoreRecord], results: Results) -> None:
    """Distances by two feature networks, or to two references, are on two scales: their ratio says nothing of a method.

    Networks that are trained here differ between kinds of processors, so results of two machines may meet in one folder.
    records: of one data set.  results: where they lie, for the message.
    """
    records = list(records)
    for what, digest_of in COMPARED_BY.items():
        by_digest: dict[str, list[ScoreRecord]] = {}
        for record in records:
            if digest := digest_of(record):
                by_digest.setdefault(digest, []).append(record)
        if len(by_digest) > 1:
            usual, *_, other = sorted(by_digest, key=lambda digest: -len(by_digest[digest]))
            named, beside = (results.score(one.run, what_it_scores(one)) for one in (by_digest[other][0], by_digest[usual][0]))
            raise InputError(
                f"{named}: its {what} is {other[:8]}, expected {usual[:8]} as in {len(by_digest[usual])} scores, {beside} among them: only "
                "distances by one stand side by side; score all of them with one, or keep the results of two machines in two folders"
            )
