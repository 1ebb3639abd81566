"""What the functions of this room are asked of: the folder, the user's choices, and the configuration at each preset."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from sra.content.catalogue import Catalogue
from sra.forecast.job_flops import planned_device
from sra.forecast.rates import Rates, read_rates
from sra.spec.config import UserConfig
from sra.spec.run import RunSpec
from sra.spec.scale import Preset


@dataclass(frozen=True)
class Context:
    """One per Snakemake process, so that every preset is read once though all rules ask for it.

    root: the folder of the Snakefile; paths in answers are relative to it.  user: config/config.yaml and what `--config` replaced in it.
    catalogues, listed_rates: by preset, those that were asked for. A rule takes its preset from wildcards, and it need not be the user's.
    """

    root: Path
    user: UserConfig
    catalogues: dict[str, Catalogue] = field(default_factory=dict)
    listed_rates: dict[str, Rates] = field(default_factory=dict)

    def ask(self, question: Callable[..., Any], **about: str) -> Callable[..., Any]:
        """A function of this room as Snakemake takes it, of wildcards alone: `ask(train.latents)`, `ask(assets.inputs, kind="vae")`."""
        asked = partial(question, self, **about)
        asked.__signature__ = signature(asked)  # worked out once: Snakemake looks at it several times a job, a fifth of its time
        return asked

    @property
    def preset(self) -> str:
        """The user's."""
        return self.user.preset

    def catalogue(self, preset: str | None = None) -> Catalogue:
        """Of the user's preset where none is named."""
        name = preset or self.preset
        if name not in self.catalogues:
            self.catalogues[name] = Catalogue(self.root, name, self.user.weights == "released", self.user.shown_seeds)
        return self.catalogues[name]

    def rates(self, preset: str) -> Rates:
        """How fast the device is that the user names, or that the preset is planned for. Raises InputError for one that is not listed."""
        if preset not in self.listed_rates:
            self.listed_rates[preset] = read_rates(self.root, self.user.hardware or planned_device(self.catalogue(preset)))
        return self.listed_rates[preset]

    def spec(self, wildcards) -> RunSpec:
        """The run that preset and run of the wildcards name."""
        return self.catalogue(wildcards.preset).spec(wildcards.run)

    def preset_of(self, wildcards) -> Preset:
        """The preset as that run sees it."""
        return self.catalogue(wildcards.preset).preset_of(wildcards.run)
