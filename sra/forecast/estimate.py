"""What the tasks that are left come to on devices of a known speed: time, alone and on many at once, disk and energy."""

from collections import Counter
from dataclasses import dataclass

from sra.forecast.rates import SOURCES, Prices, Source, Work
from sra.forecast.tasks import STAGES, Chain, Stage, Task


@dataclass(frozen=True)
class RunLeft:
    """Training that is left of one run, until the last milestone that is asked for."""

    run: str
    steps: int
    until: str
    seconds: float  # of all its devices together


@dataclass(frozen=True)
class Estimate:
    """Of one table or figure, or of several together. Times are of one device unless they are `wall`; sizes are bytes."""

    name: str
    title: str
    runs: tuple[RunLeft, ...]
    images: int  # to sample
    sets: int  # to score
    seconds: dict[Stage, float]
    seconds_by_source: dict[Source, float]  # of the rates that they rest on
    shared_seconds: float  # of work that another table or figure needs as well
    wall_seconds: float
    kept: int
    temporary: int  # more than `kept`, at most, while it runs
    joules: float

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def steps(self) -> int:
        return sum(run.steps for run in self.runs)


def estimate(name: str, title: str, chains: list[Chain], prices: Prices, devices: int, shared: frozenset[Task] = frozenset()) -> Estimate:
    """On so many devices of one kind. Wall time is the longer of two: the work spread evenly, or the longest chain, whose tasks share devices."""
    tasks = list(dict.fromkeys(task for chain in chains for task in chain))
    by_source = {task: prices.seconds((*task.work, Work("start", task.jobs))) for task in tasks}
    seconds = {task: sum(by_source[task].values()) for task in tasks}
    longest = [sum(seconds[task] / min(task.at_once, devices) for task in chain) for chain in chains]
    total = sum(seconds.values())
    return Estimate(
        name=name,
        title=title,
        runs=_runs_left(tasks, seconds),
        images=sum(task.images for task in tasks),
        sets=sum(task.sets for task in tasks),
        seconds={stage: sum(seconds[task] for task in tasks if task.stage == stage) for stage in STAGES},
        seconds_by_source={source: sum(by_source[task][source] for task in tasks) for source in SOURCES},
        shared_seconds=sum(seconds[task] for task in tasks if task in shared),
        wall_seconds=max([total / devices, *longest]),
        kept=sum(task.kept for task in tasks),
        temporary=sum(sorted((task.temporary for task in tasks), reverse=True)[:devices]),
        joules=total * prices.watts(),
    )


def _runs_left(tasks: list[Task], seconds: dict[Task, float]) -> tuple[RunLeft, ...]:
    segments: dict[str, list[Task]] = {}
    for task in tasks:
        if task.steps:
            segments.setdefault(task.run, []).append(task)
    return tuple(
        RunLeft(run, sum(task.steps for task in parts), max(parts, key=lambda task: task.last_step).until, sum(seconds[task] for task in parts))
        for run, parts in segments.items()
    )


def shared_tasks(chains_of: dict[str, list[Chain]]) -> frozenset[Task]:
    """Tasks that more than one of the tables and figures need."""
    needed = Counter(task for chains in chains_of.values() for task in {task for chain in chains for task in chain})
    return frozenset(task for task, items in needed.items() if items > 1)
