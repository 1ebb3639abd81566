"""What figures show of a model's inside: how well its blocks' features classify images (linear probes), and their principal components."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from sra.spec.base import Display, Share, Strict


class ProbeTraining(Strict):
    """How linear probes are trained (arXiv 2505.02831v5, appendix C): adaptive average pooling, batch norm, a linear layer; AdamW, cosine decay.

    held_out: images of the train split that the probe does not see and is scored on.
    """

    epochs: PositiveInt = 80
    batch: PositiveInt = 4096
    learning_rate: PositiveFloat = 1e-3
    held_out: PositiveInt = 50_000
    seed: int = 0


CLASSES_OF_IMAGENET = 1000


def class_here(image_class: int, classes: int) -> int:
    """The class that stands for one of ImageNet's in a data set of so many classes: counted round them, so 33 is 3 of ten."""
    return image_class % classes


class Inside(Strict):
    """A model to look into: a run at milestones of the paper.

    released: a run from released weights that stands here instead where its file fits the preset, at `released_milestone`.
    """

    run: str
    milestones: list[str] = Field(min_length=1)
    released: str | None = None
    released_milestone: str | None = None

    @model_validator(mode="after")
    def _a_released_run_has_its_milestone(self):
        if (self.released is None) != (self.released_milestone is None):
            raise ValueError("released and released_milestone go together; give both or neither")
        if self.released and len(self.milestones) > 1:
            raise ValueError("a released run stands for one milestone; give one")
        return self


class ProbeLine(Inside):
    """One line of a plot of probe accuracies. times: shares of the time range, in which noise grows.  blocks: of the paper's model, from 1.

    published: front part of the keys in report/published; the value on the x axis completes it (b20 for a block, t100 for time 0.1, m400k).
    """

    method: Literal["none", "sra", "repa"]
    label: str
    times: list[Annotated[Share, Field(lt=1)]] = Field(min_length=1)
    blocks: list[PositiveInt] = Field(min_length=1)
    published: str | None = None

    def places(self, x: str) -> list[int] | list[float] | list[str]:
        """Its values on the axis of blocks, times or milestones."""
        return {"block": self.blocks, "time": self.times, "milestone": self.milestones}[x]


class ProbesFigure(Display):
    """Probe accuracy against block, time or training. A line has one value of what is not on the x axis."""

    kind: Literal["probes"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    title: str
    paper: str
    caption: str
    x: Literal["block", "time", "milestone"]
    lines: list[ProbeLine] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value_off_the_axis(self):
        for line in self.lines:
            for name in {"block", "time", "milestone"} - {self.x}:
                if len(values := line.places(name)) > 1:
                    raise ValueError(f"line {line.label!r} has {len(values)} {name}s and the x axis is {self.x}; give one")
        return self


class TargetPoint(Strict):
    """One target block of SRA.

    run: aligned with it; None for a block that only the paper tried.  published: key of its accuracy and FID in report/published.
    """

    block: PositiveInt
    run: str | None = None
    published: str | None = None


class TargetsFigure(Display):
    """FID of runs that differ in the target block against the probe accuracy of that block in the baseline, at one time.

    baseline: run without alignment, whose FID stands beside theirs; baseline_published is the key of it.
    """

    kind: Literal["targets"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    title: str
    paper: str
    caption: str
    probed: ProbeLine
    milestone: str
    sampler: str
    samples: PositiveInt
    baseline: str
    baseline_published: str | None = None
    points: list[TargetPoint] = Field(min_length=2)

    @model_validator(mode="after")
    def _points_are_probed(self):
        if len(self.probed.times) > 1 or len(self.probed.milestones) > 1:
            raise ValueError("probed gives the accuracies of one model at one time; give one milestone and one time")
        if [point.block for point in self.points] != self.probed.blocks:
            raise ValueError("probed.blocks are the blocks of the points, in their order; make the two lists equal")
        return self


class FeaturesFigure(Display):
    """Three principal components of one image's tokens as colours, one picture for each block and time, one panel a model.

    image_class: the first image of this class; counted round the classes of a smaller data set.
    """

    kind: Literal["features"]
    id: str = Field(pattern=r"^figure_s?\d+[a-z]?$")
    title: str
    paper: str
    caption: str
    models: list[Inside] = Field(min_length=1)
    blocks: list[PositiveInt] = Field(min_length=1)
    times: list[Annotated[Share, Field(lt=1)]] = Field(min_length=1)
    image_class: int = Field(88, ge=0)
