"""What training steps took here: of one run, its cost receipt (`results/<preset>/costs/<run>.json`, by `sra measure`); of the runs of a study,
measured beside each other (by `sra measure-steps`). No torch.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sra.core.errors import unknown
from sra.core.files import read_json
from sra.spec.base import Share, Strict
from sra.spec.load import checked
from sra.spec.machine import Machine
from sra.spec.recipe import Views
from sra.spec.scale import Precision

HOUR = 3600
# What is measured unless somebody asks for more or less. Blocks are whole stretches between two entries of the training curve.
WARM_UP_STEPS, TIMED_BLOCKS, STEPS_PER_BLOCK = 3, 5, 10
# From where a time says more of what else ran than of the run: the spread of its blocks, and the share of the cores that others kept busy.
UNSTEADY, DISTURBING = 0.25, 0.1
LEAST_TURNS, TURNS = 5, 15  # whose median is taken; fewer say too little of a machine that others use too


class MeasuredSteps(Strict):
    """Seconds of one optimiser step, of each block of steps in the order in which they were timed."""

    seconds: list[PositiveFloat] = Field(min_length=1)
    median: PositiveFloat
    warm_up_steps: NonNegativeInt = Field(description="taken before, not timed")
    steps_per_block: PositiveInt
    other_work: Share | None = Field(
        None, description="of the time of all cores, what other processes took meanwhile; null on a GPU, of several processes, and where not known"
    )

    @property
    def spread(self) -> float:
        """The range from the fastest block to the slowest, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median

    @property
    def disturbed(self) -> str | None:
        """By what it shows that other work took time from these steps; None where nothing shows it."""
        if self.other_work is not None and self.other_work > DISTURBING:
            return f"other work kept {100 * self.other_work:.0f} % of the cores busy"
        return f"its blocks lie {100 * self.spread:.0f} % apart" if self.spread > UNSTEADY else None


class MeasuredMemory(Strict):
    """The most memory that the leading process had, in bytes.

    gpu: what torch allocated on its GPU (torch.cuda.max_memory_allocated), with weights, moments and activations.
    process: the resident set, less what was resident before stores were opened and models built: Python, torch and other libraries.
    """

    of: Literal["gpu", "process"]
    peak: PositiveInt
    before: NonNegativeInt = Field(description="0 on a GPU")

    @model_validator(mode="after")
    def _grew(self):
        if self.peak <= self.before:
            raise ValueError(f"peak {self.peak} is not above {self.before}, what was held before training; measure again")
        return self

    @property
    def of_training(self) -> int:
        return self.peak - self.before


class CountedParameters(Strict):
    """extra_forward: what runs forward besides the model: a teacher's embeddings and blocks up to its target, an encoder in each step."""

    model: PositiveInt
    heads: NonNegativeInt
    extra_forward: NonNegativeInt


class MeasuredCost(Strict):
    """Everything a number of cost needs beside it."""

    schema_version: Literal[1] = 1
    preset: str
    run: str
    fingerprint: str = Field(description="of the RunSpec")
    steps: MeasuredSteps
    batch: PositiveInt
    views: Views = Field(1, exclude_if=lambda views: views == 1, description="of each image of the batch; left out when it is 1")
    images: PositiveInt
    steps_per_epoch: PositiveInt
    memory: MeasuredMemory
    parameters: CountedParameters
    flops_per_step: PositiveInt = Field(description="of all processes together, by the closed formula")
    machine: Machine
    device_name: str = Field(description="the GPU's name, or the CPU's architecture")
    threads: PositiveInt = Field(description="of matrix products on a CPU, in each process")
    precision: Precision
    made_from: dict[str, str] = Field(description="SHA-256 of what the steps read, by role")
    versions: dict[str, str]

    @property
    def seconds_per_epoch(self) -> float:
        return self.steps.median * self.steps_per_epoch

    @property
    def hours_per_epoch(self) -> float:
        return self.seconds_per_epoch / HOUR

    @property
    def flops_per_second(self) -> float:
        """The rate of all processes together."""
        return self.flops_per_step / self.steps.median

    @property
    def words(self) -> str:
        """Where it was measured: `one CPU (x86_64), 1 thread, fp32, batch 32`, or `1 x NVIDIA A100, fp16, batch 256, compiled`."""
        machine, threads = self.machine, f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        one = f"each of {machine.nodes}" if machine.nodes > 1 else "one"
        processes = f"{machine.processes} processes on {one}" if machine.processes > 1 else one
        views = f" x {self.views} views" if self.views > 1 else ""
        device = f"{processes} CPU ({self.device_name}), {threads}" if machine.device == "cpu" else f"{machine.world} x {self.device_name}"
        return ", ".join([device, self.precision, f"batch {self.batch}{views}", *machine.extras])


def read_cost(path: Path) -> MeasuredCost:
    """The cost receipt at `path`. Raises InputError when it is not one."""
    return checked(read_json(path), MeasuredCost, str(path))


class TimedPhase(Strict):
    """A stretch of a run in which each step computes the same: all of it, or before and after a part of its method stops.

    Steps count from 0.  seconds: of one step, one a turn.  baseline_seconds: of one of the baseline's in the same turns.
    ratios: of the two, turn by turn: what slowed the machine in a turn slowed both.
    """

    first_step: NonNegativeInt
    end_step: PositiveInt | None = Field(description="the step from which it is another; None: it lasts")
    seconds: list[PositiveFloat] = Field(min_length=LEAST_TURNS)
    median: PositiveFloat = Field(description="of seconds")
    baseline_seconds: list[PositiveFloat]
    ratios: list[PositiveFloat]
    ratio: PositiveFloat = Field(description="the median of ratios")
    lowest_ratio: PositiveFloat
    highest_ratio: PositiveFloat

    @model_validator(mode="after")
    def _turns_are_paired(self):
        if not len(self.seconds) == len(self.baseline_seconds) == len(self.ratios):
            counts = f"{len(self.seconds)}, {len(self.baseline_seconds)} and {len(self.ratios)}"
            raise ValueError(f"seconds, baseline_seconds and ratios have {counts} turns; measure again")
        return self


class TimedRun(Strict):
    """One run.  phases: in the order of training, the first from step 0, each ending where the next begins.  made_from: what its steps read."""

    run: str
    fingerprint: str = Field(description="of the RunSpec")
    config_sha256: str
    phases: list[TimedPhase] = Field(min_length=1)
    made_from: dict[str, str] = Field(description="SHA-256 of what the steps read, by role")

    @model_validator(mode="after")
    def _phases_follow_each_other(self):
        firsts, ends = [phase.first_step for phase in self.phases], [phase.end_step for phase in self.phases]
        if [0, *ends[:-1]] != firsts or ends[-1] is not None:
            raise ValueError(f"phases begin at {firsts} and end at {ends}; expected one after the other from 0 on; measure again")
        return self

    def baseline_steps(self, steps: int) -> float:
        """How many steps of the baseline take as long as so many of this run, by the median ratio of each phase."""
        return sum(count * phase.ratio for count, phase in self._counted(steps))

    def ratio_range(self, steps: int) -> tuple[float, float]:
        """The least and the greatest time of so many steps over the baseline's, by the turns of each phase that say so."""
        shares = [(count / steps, phase) for count, phase in self._counted(steps)]  # 1 for a run of one phase, whose ends stay to the bit
        return sum(share * phase.lowest_ratio for share, phase in shares), sum(share * phase.highest_ratio for share, phase in shares)

    def _counted(self, steps: int) -> list[tuple[int, TimedPhase]]:
        """How many of the first steps are in each phase."""
        ends = (steps if phase.end_step is None else min(steps, phase.end_step) for phase in self.phases)
        return [(max(0, end - phase.first_step), phase) for phase, end in zip(self.phases, ends, strict=True)]


class StudySteps(Strict):
    """The step times of the runs of a study, all measured on one machine in alternating turns.  runs: the baseline first."""

    schema_version: Literal[1] = 1
    preset: str
    dataset: str
    baseline: str = Field(description="the run that all are compared with")
    runs: list[TimedRun] = Field(min_length=1)
    turns: PositiveInt = Field(description="of each run but the baseline, which takes them beside every few")
    steps_per_turn: PositiveInt
    lead_steps: NonNegativeInt = Field(description="before the timed ones of each turn")
    warm_up_steps: NonNegativeInt = Field(description="of each phase before the first turn")
    at_a_time: PositiveInt = Field(description="runs that took turns together beside the baseline")
    batch: PositiveInt
    precision: Precision
    machine: Machine
    device_name: str = Field(description="the GPU's name, or the model of the CPU")
    threads: PositiveInt = Field(description="of matrix products on a CPU")
    versions: dict[str, str]

    @model_validator(mode="after")
    def _each_once_and_the_baseline_first(self):
        names = [run.run for run in self.runs]
        if names[0] != self.baseline or len(set(names)) < len(names):
            raise ValueError(f"runs are {', '.join(names)}; expected each once, and the baseline {self.baseline} first")
        return self

    def of(self, run: str) -> TimedRun:
        """Raises InputError for a run that was not measured."""
        found = {one.run: one for one in self.runs}
        if run not in found:
            raise unknown("measured run", run, found)
        return found[run]

    @property
    def words(self) -> str:
        """Where it was measured: `Intel Xeon, 1 thread, fp32, batch 64`."""
        threads = f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.machine.device == "cpu" else ""
        return ", ".join([f"{self.device_name}{threads}", self.precision, f"batch {self.batch}", *self.machine.extras])

    def knots(self, run: str, last: int) -> list[tuple[int, float]]:
        """(steps taken, hours until then) from (0, 0) to `last`, with a knot where a part of its method stops on the way."""
        ends = [phase.end_step for phase in self.of(run).phases if phase.end_step is not None and phase.end_step < last]
        return [(end, self.hours(run, end) if end else 0.0) for end in (0, *ends, last)]

    def hours(self, run: str, steps: int) -> float:
        """Of so many steps of a run on this machine: the baseline's median step, times what the run's take of it."""
        return self.of(run).baseline_steps(steps) * self.of(self.baseline).phases[0].median / HOUR


def read_study_steps(path: Path) -> StudySteps:
    """The step times at `path`. Raises InputError when it is not such a file."""
    return checked(read_json(path), StudySteps, str(path))
