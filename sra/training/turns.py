"""Training steps of several runs timed in turns on one machine: what slows it for a while slows all of them alike.

The steps are those of the training loop itself. Each turn has a block of every run, in one order and the next time in the other, so that what
drifts within a turn cancels.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil

from sra.core.errors import InputError
from sra.core.progress import Progress
from sra.spec.measured import TimedPhase
from sra.spec.run import RunSpec
from sra.training.loop import Trainer
from sra.training.timing import wait_for

WARM_UP_STEPS = 4  # of each phase, not timed: threads start, kernels are chosen, a CUDA graph is recorded at the third
LEAD = 1  # steps before each block, not timed: they find caches and prefetched batches as another run left them

Opened = Callable[[RunSpec], Trainer]


@dataclass
class Phase:
    """A stretch of a run's steps in which the same is computed at each: from `first` (counted from 0) to before `end`, None without one.

    at: the step that its next block begins with.  seconds: of one step, a block each.
    """

    first: int
    end: int | None
    at: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass
class Runner:
    """A run and its phases, which take turns."""

    trainer: Trainer
    phases: list[Phase]


def phases_of(spec: RunSpec) -> list[Phase]:
    """One; and one more for each step at which a part of the run's method stops."""
    stops = {ceil(part.stop_step / spec.training.paper_steps_per_step) for part in spec.alignment.parts if part.weight and part.stop_step}
    firsts = [0, *sorted(stops)]
    return [Phase(first, end, first) for first, end in zip(firsts, [*firsts[1:], None], strict=True)]


def check_phases(baseline: RunSpec, others: list[RunSpec], steps: int) -> None:
    """Raises InputError for a baseline that changes on the way, and for a phase too short for a block."""
    if len(phases_of(baseline)) > 1:
        raise InputError(f"run {baseline.run}: a part of its method stops, and a baseline takes the same at every step; name another as --baseline")
    for spec in others:
        for phase in phases_of(spec):
            if phase.end is not None and phase.end - phase.first < LEAD + steps:
                raise InputError(
                    f"run {spec.run}: computes the same from step {phase.first} to {phase.end} alone, a turn takes {LEAD + steps}; "
                    f"lower --steps to {phase.end - phase.first - LEAD}, or measure at a preset with more steps"
                )


def take_turns(baseline: RunSpec, others: list[RunSpec], opened: Opened, turns: int, steps: int) -> dict[str, list[TimedPhase]]:
    """Phases of the baseline and of each other run by name, timed beside each other.

    opened: builds the trainer of a run; all are built before the first turn. Raises StageError where a loss is no longer finite.
    """
    runners = {spec.run: Runner(opened(spec), phases_of(spec)) for spec in (baseline, *others)}
    blocks = [(runner.trainer, phase) for runner in runners.values() for phase in runner.phases]
    gc.collect()
    with Progress("measure steps", len(blocks) * (WARM_UP_STEPS + turns * (LEAD + steps)), "steps") as progress:
        for trainer, phase in blocks:
            for _ in range(WARM_UP_STEPS):
                _step(trainer, phase, 1)
                progress.advance()
        for turn in range(turns):
            for trainer, phase in blocks if turn % 2 == 0 else reversed(blocks):
                phase.seconds.append(_timed(trainer, phase, steps))
                progress.advance(LEAD + steps)
    for runner in runners.values():
        runner.trainer.check_finite()
    beside = runners[baseline.run].phases[0].seconds
    return {run: [_beside(phase, beside) for phase in runner.phases] for run, runner in runners.items()}


def rounds(baseline: RunSpec, others: list[RunSpec], at_a_time: int) -> Iterator[tuple[RunSpec, list[RunSpec]]]:
    """A few runs at a time beside the baseline, as many as there is memory for."""
    for start in range(0, len(others), at_a_time):
        yield baseline, others[start : start + at_a_time]


def joined(found: list[list[TimedPhase]]) -> list[TimedPhase]:
    """The phases of the baseline, which took part in every round, with the turns of all."""
    return [
        _timed_phase(
            parts[0].first_step, parts[0].end_step, [one for part in parts for one in part.seconds], [one for part in parts for one in part.seconds]
        )
        for parts in zip(*found, strict=True)
    ]


def _timed(trainer: Trainer, phase: Phase, steps: int) -> float:
    """Seconds of one step of a block."""
    if phase.end is not None and phase.at + LEAD + steps > phase.end:
        phase.at = phase.first
    _step(trainer, phase, LEAD)
    wait_for(trainer)
    start = time.perf_counter()
    _step(trainer, phase, steps)
    wait_for(trainer)
    return (time.perf_counter() - start) / steps


def _step(trainer: Trainer, phase: Phase, steps: int) -> None:
    """So many steps from where the phase is. What a step computes follows from its number, whatever was trained before."""
    if phase.end is not None and phase.at + steps > phase.end:
        phase.at = phase.first
    trainer.state.step = phase.at
    for _ in range(steps):
        trainer.step()
    phase.at = trainer.state.step


def _beside(phase: Phase, baseline: list[float]) -> TimedPhase:
    return _timed_phase(phase.first, phase.end, phase.seconds, baseline)


def _timed_phase(first: int, end: int | None, seconds: list[float], baseline: list[float]) -> TimedPhase:
    ratios = [ours / theirs for ours, theirs in zip(seconds, baseline, strict=True)]
    return TimedPhase(
        first_step=first,
        end_step=end,
        seconds=seconds,
        median=statistics.median(seconds),
        baseline_seconds=baseline,
        ratios=ratios,
        ratio=statistics.median(ratios),
        lowest_ratio=min(ratios),
        highest_ratio=max(ratios),
    )
