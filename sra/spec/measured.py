"""Cost receipts (`results/<preset>/costs/<run>.json`): what one training step of a run took here. `sra measure` writes them. No torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sra.core.files import read_json
from sra.spec.base import Strict
from sra.spec.load import checked
from sra.spec.machine import Machine
from sra.spec.recipe import Views
from sra.spec.scale import Precision

HOUR = 3600
# What is measured unless somebody asks for more or less. Blocks are whole stretches between two entries of the training curve.
WARM_UP_STEPS, TIMED_BLOCKS, STEPS_PER_BLOCK = 3, 5, 10


class MeasuredSteps(Strict):
    """Seconds of one optimiser step, of each block of steps in the order in which they were timed."""

    seconds: list[PositiveFloat] = Field(min_length=1)
    median: PositiveFloat
    warm_up_steps: NonNegativeInt = Field(description="taken before, not timed")
    steps_per_block: PositiveInt

    @property
    def spread(self) -> float:
        """The range from the fastest block to the slowest, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


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
