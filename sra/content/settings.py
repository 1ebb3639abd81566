"""A table of settings (`kind: settings`): each setting that the paper prints beside the one that our recipes give, model by model."""

from typing import Literal

from pydantic import Field

from sra.spec.base import Strict

SettingName = Literal[
    "input_dimension",
    "patch_size",
    "layers",
    "width",
    "heads",
    "blocks",
    "time_interval",
    "distance",
    "ema_decay",
    "projection_head",
    "batch_size",
    "optimizer",
    "learning_rate",
    "betas",
    "alpha_t",
    "sigma_t",
    "w_t",
    "timesteps",
    "prediction",
    "sampler",
    "sampling_steps",
    "guidance_scale",
]


class ComparedModel(Strict):
    """One column of the table: a run, and the samplers of samplers.yaml that it is drawn with.

    guided: None where the paper gives no guided samples.  published: key of its printed settings.
    """

    label: str
    run: str
    sampler: str
    guided: str | None = None
    published: str


class Difference(Strict):
    """Why ours is not what is printed. models: labels of the columns it speaks of; None for all of them."""

    why: str = Field(min_length=1)
    models: list[str] | None = Field(None, min_length=1)


class ComparedSetting(Strict):
    """One line of the table. printed: the name in the published numbers, where one of our settings is printed in two places."""

    label: str
    setting: SettingName
    printed: str | None = None
    group: str | None = None
    differences: list[Difference] = []

    @property
    def published(self) -> str:
        return self.printed or self.setting


class SettingsComparison(Strict):
    models: list[ComparedModel] = Field(min_length=1)
    lines: list[ComparedSetting] = Field(min_length=1)
