"""What the runs of a preset have come to, read from results/ alone while others write there. Starts nothing."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.content.inspected import components_files, probe_files
from sra.content.required import RequiredScore, required_by_all, training_points
from sra.core.locks import is_held
from sra.core.progress import STARTED
from sra.forecast.disk import is_there
from sra.plan.remaining import Remaining
from sra.plan.workflow import plan_of
from sra.reporting.status import Failure, ItemStatus, RunStatus, StatusDocument
from sra.spec.scratch import CURVE, LOCK, last_entry, scratch_folder, states_newest_first, tail

# Without a sign from it for so long, a run that nobody is seen to train counts as stopped. A lock held on another machine may not be seen.
UNSEEN_SECONDS = 60
INTERVALS = 3  # of rolling states, on a disk without locks
RATE = re.compile(r"^train \S+: \d+/\d+ steps  ([\d.]+)/s", re.MULTILINE)
BEGAN = re.compile(r"^train \S+: (\d+)/\d+ steps, starting", re.MULTILINE)
FAILED = re.compile(r"^Error in rule (\w+):\n(?:    .*\n)*?    jobid: (\d+)\n(?:    .*\n)*?    log: (\S+)", re.MULTILINE)


def status_of(registry: Catalogue, now: float | None = None) -> StatusDocument:
    """Of the runs, seeds and weights that the registry shows. now: seconds since 1970."""
    root, preset = registry.root, registry.preset_id
    remaining = Remaining(plan_of(registry))
    folder = root / remaining.results.folder
    failures = failures_of(root, preset)
    reader = _Reader(root, remaining, {failure.log for failure in failures}, time.time() if now is None else now)
    wanted: dict[str, list[RequiredScore]] = {}
    for item in required_by_all(remaining.registry):
        wanted.setdefault(item.run, []).append(item)
    figures = [remaining.registry.figures[name] for name in remaining.registry.shown_figures]
    inside: dict[str, set[str]] = {}
    for file in (*probe_files(figures, remaining.registry), *components_files(figures, remaining.registry)):
        inside.setdefault(file.run, set()).add(file.milestone)
    report = root / remaining.results.report
    written = [modified for path in folder.glob("scores/**/*.json") if (modified := _modified(path)) is not None]
    drawn = _modified(report)
    return StatusDocument(
        preset=preset,
        failures=failures,
        runs=[reader.run(run, wanted.get(run, []), inside.get(run, set())) for run in sorted({*wanted, *inside})],
        items=[_item(root, remaining, item) for item in remaining.items()],
        report=remaining.results.report,
        newer_scores=None if drawn is None else sum(modified > drawn for modified in written),
    )


def failures_of(root: Path, preset: str) -> list[Failure]:
    """Jobs of this preset or of shared data that the newest Snakemake log says failed and that did not end well later."""
    logs = sorted((root / ".snakemake" / "log").glob("*.snakemake.log"))
    if not logs:
        return []
    said = logs[-1].read_text(encoding="utf-8", errors="replace")
    found = {}
    for match in FAILED.finditer(said):
        rule, job, log = match.groups()
        if log.startswith((f"results/{preset}/", "results/shared/")) and f"Finished jobid: {job} " not in said[match.end() :]:
            lines = tail(root / log).split("\n")
            message = next((line for line in reversed(lines) if line.strip() and not line.startswith(STARTED)), "its log is empty")
            found[log] = Failure(rule=rule, log=log, message="".join(sign if sign.isprintable() else " " for sign in message))
    return list(found.values())


@dataclass(frozen=True)
class _Reader:
    """failed: logs of failed jobs."""

    root: Path
    remaining: Remaining
    failed: set[str]
    now: float

    def run(self, run: str, wanted: list[RequiredScore], inside: set[str]) -> RunStatus:
        """inside: milestones whose model is looked into."""
        registry, results = self.remaining.registry, self.remaining.results
        preset, spec = registry.preset_of(run), registry.spec(run)
        last = max(preset.milestones[name] for name in {*inside, *(item.score.milestone for item in wanted)})
        scores = sum(self.remaining.score(item) == () for item in wanted)
        of_run = {"fingerprint": spec.fingerprint}
        reached = [
            point
            for point in training_points(registry, run)
            if any(is_there(self.root / path(run, point.name), of_run) for path in (results.state, results.weights))
        ]
        scratch = scratch_folder(self.root / results.config(run), spec)
        curve, rolling = scratch / CURVE, states_newest_first(scratch)
        signs = [modified for path in (curve, *rolling) if (modified := _modified(path)) is not None]
        milestone = next((point.name for point in reversed(reached) if point.name in preset.milestones), None)
        step = max((point.step for point in reached), default=0)
        done = step >= last or (scores == len(wanted) and not inside)
        entry = last_entry(curve if signs else self.root / results.curve(run, milestone))
        step = max(step, int(entry.get("step", 0)) if signs else 0)
        state, rate = "done" if done else "waiting", None
        if any(log.startswith(f"{results.folder}/logs/train/{run}/") for log in self.failed):
            state = "failed"
        elif signs and not done:
            held = is_held(scratch.parents[1] / LOCK)
            patience = INTERVALS * 60 * preset.rolling_minutes if held is None else UNSEEN_SECONDS
            state = "running" if held or self.now - max(signs) < patience else "stopped"
            rate = self._rate(run, step, _modified(curve)) if state == "running" else None
        saved = rolling or [self.root / results.state(run, point.name) for point in reached[-1:]]
        saved_at = max((modified for path in saved if (modified := _modified(path)) is not None), default=None)
        return RunStatus(
            run=run,
            state=state,
            milestone=milestone,
            step=step,
            last_step=last,
            loss=entry.get("loss"),
            rate=rate,
            left=max(last - step, 0) / rate if rate else None,
            saved_age=None if saved_at is None else max(self.now - saved_at, 0),
            scores=scores,
            wanted_scores=len(wanted),
        )

    def _rate(self, run: str, step: int, curve_at: float | None) -> float | None:
        """Of the last line in the job's log; before there is one, by the time since its first line."""
        logs = list((self.root / self.remaining.results.folder / "logs" / "train" / run).glob("*.log"))
        newest = max(logs, key=lambda path: _modified(path) or 0, default=None)
        if newest is None:
            return None
        said = tail(newest)
        if rates := RATE.findall(said):
            return float(rates[-1]) or None
        began, began_at = BEGAN.findall(said), _modified(newest)
        if not began or curve_at is None or began_at is None or curve_at <= began_at:
            return None
        return max(step - int(began[-1]), 0) / (curve_at - began_at) or None


def _item(root: Path, remaining: Remaining, item: str) -> ItemStatus:
    results = remaining.results
    left = remaining.chains_of(item)
    path = (results.table if item in remaining.registry.tables else results.figure)(item)
    runs = {task.run for chain in left for task in chain if task.run}
    return ItemStatus(item=item, done=not left and (root / path).exists(), missing=len(left), runs=len(runs))


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
