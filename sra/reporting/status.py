"""What the runs of a preset have come to, as a document and as text: failures first, then what runs, then what was reached."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from sra.core.units import duration, grouped, several, text_table, three_digits
from sra.spec.base import Strict

State = Literal["failed", "running", "stopped", "waiting", "done"]
STATES: tuple[State, ...] = ("failed", "running", "stopped", "waiting", "done")


class RunStatus(Strict):
    """What one run has come to.

    milestone: the last one reached.  saved_age: seconds since the newest state was written.  rate: steps a second.  left: seconds.
    """

    run: str
    state: State
    milestone: str | None
    step: NonNegativeInt
    last_step: NonNegativeInt
    loss: float | None = None
    rate: NonNegativeFloat | None = None
    left: NonNegativeFloat | None = None
    saved_age: NonNegativeFloat | None = None
    scores: NonNegativeInt
    wanted_scores: NonNegativeInt


class ItemStatus(Strict):
    """A table or figure. missing: results that it waits for, of so many runs."""

    item: str
    done: bool
    missing: NonNegativeInt
    runs: NonNegativeInt


class Failure(Strict):
    rule: str
    log: str
    message: str


class StatusDocument(Strict):
    """What all runs, tables and figures have come to. newer_scores: written after the report; None without a report."""

    preset: str
    failures: list[Failure]
    runs: list[RunStatus]
    items: list[ItemStatus]
    report: str
    newer_scores: NonNegativeInt | None


def text_of(document: StatusDocument) -> str:
    count = {state: sum(run.state == state for run in document.runs) for state in STATES}
    heading = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    sections = [f"status  preset {document.preset}, {several(len(document.runs), 'run')}: {heading}"]
    sections += [f"failed  {failure.rule}\n  {failure.message}\n  log: {failure.log}" for failure in document.failures]
    sections += [_runs(state, [run for run in document.runs if run.state == state]) for state in STATES if count[state]]
    return "\n\n".join([*sections, _items(document.items), _report(document)])


def cut(text: str, lines: int) -> str:
    """The text in at most so many lines, of which the last says what is missing."""
    every = text.splitlines()
    if len(every) <= lines:
        return text
    return "\n".join([*every[: lines - 1], f"... {len(every) - lines + 1} more lines: without --watch it shows all"])


def _runs(state: State, runs: list[RunStatus]) -> str:
    """The runs of one state in at most 80 columns: what a run that is not under way cannot have is left out."""
    if state == "running":
        rows = [(run.run, _steps(run), _given(run.rate), _given(run.loss), _time(run.left), _time(run.saved_age)) for run in runs]
        return text_table(state, ("step", "steps/s", "loss", "time left", "state's age"), rows)
    rows = [(run.run, run.milestone or "-", _steps(run), _time(run.saved_age), f"{run.scores}/{run.wanted_scores}") for run in runs]
    return text_table(state, ("reached", "step", "state's age", "scores"), rows)


def _items(items: list[ItemStatus]) -> str:
    done = sum(item.done for item in items)
    lines = [f"tables and figures  {done} of {len(items)} done"]
    for item in items:
        if item.missing:
            lines.append(f"  {item.item} waits for {several(item.missing, 'result')} of {several(item.runs, 'run')}")
        elif not item.done:
            lines.append(f"  {item.item} can be rendered")
    return "\n".join(lines)


def _report(document: StatusDocument) -> str:
    if document.newer_scores is None:
        return "report  none yet"
    return f"report  {document.report}" + (f" (older than {several(document.newer_scores, 'score')}: make report)" if document.newer_scores else "")


def _steps(run: RunStatus) -> str:
    return f"{grouped(run.step)}/{grouped(run.last_step)}"


def _given(value: float | None) -> str:
    return "-" if value is None else three_digits(value)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)
