"""The base of every typed file: unknown keys are refused, values cannot change after loading."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Share = Annotated[float, Field(ge=0, le=1)]
# Of what there is a list somewhere: a few digits too many would take all memory before anybody could say so.
Layers = Annotated[int, Field(ge=1, le=1000)]
Steps = Annotated[int, Field(ge=1, le=100_000)]  # of one sampling or diffusion, not of training
MOST_JOBS = 100_000
Jobs = Annotated[int, Field(ge=1, le=MOST_JOBS)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Display(Strict):
    """What a report can show. paper: where the paper has it; `none` for what it does not have, which captions say in words."""

    title: str
    paper: str
    on_request: bool = Field(False, description="in the report only where a preset shows it by name; built when it is asked for")

    @field_validator("paper")
    @classmethod
    def _none_in_words(cls, paper: str) -> str:
        return "not in the paper" if paper.strip().lower() in ("", "none") else paper
