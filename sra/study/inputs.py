"""What a study is computed from: its plan, what each row costs, and a way to ask for the number of one training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sra.spec.metric import Metric, ScoreOf
from sra.spec.study import Study, StudyRow
from sra.study.curves import Cost
from sra.study.document import GuidanceChoice, Kind, Published, SeedValue, Sweep

# Of a run, with a training seed that its name does not say: the metric, or why there is none.
ReadValue = Callable[[str, int, ScoreOf, Metric], SeedValue]


@dataclass(frozen=True)
class RowInput:
    """One row of the study at a preset.

    run: of config/experiments, or a trial of it in a tuned row, without a seed.  flops, hours: of one training until a step; hours None where steps
    were not timed.  step_time_range: the least and the greatest seconds a step over the baseline's in any turn.
    flops_beside_stored: without an encoder whose features can be stored.  factor: of the weight, in a tuned row.
    The rest is as in `RowFound`.
    """

    row: StudyRow
    run: str
    kind: Kind
    flops: Cost
    hours: Cost | None = None
    step_time_range: tuple[float, float] | None = None
    flops_beside_stored: Cost | None = None
    factor: float | None = None
    encoder: str | None = None
    kept_parameters: int = 0
    changes_guidance: bool = False
    published: Published | None = None


@dataclass(frozen=True)
class StudyInput:
    """seeds, repeated: of training, the second of the negative control, matched to the first by their places.

    steps: of each milestone that the preset reaches, the longer one of the positive control included.  rows: the baseline first.
    guided: by run, the guided sampler that its trials chose.  machine: where hours were measured.
    """

    study: Study
    preset: str
    preset_title: str
    comparable: bool
    dataset: str
    samples: int
    seeds: list[int]
    repeated: list[int]
    steps: Mapping[str, int]
    rows: list[RowInput]
    read: ReadValue
    sweeps: list[Sweep] = field(default_factory=list)
    guidance: list[GuidanceChoice] = field(default_factory=list)
    machine: str | None = None

    @property
    def baseline(self) -> RowInput:
        return self.rows[0]

    @property
    def milestones(self) -> list[str]:
        """Of every row, in the order of their steps."""
        return [name for name in self.study.milestones if name in self.steps]

    @property
    def longer(self) -> str | None:
        """Of the baseline alone."""
        return self.study.longer if self.study.longer in self.steps else None

    def milestones_of(self, row: RowInput) -> list[str]:
        return [*self.milestones, *([self.longer] if self.longer and row is self.baseline else [])]
