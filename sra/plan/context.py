"""What the functions of this room are asked of: the folder, the user's choices, and the configuration at each preset."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import Signature, signature
from pathlib import Path
from typing import Any

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError, spelled_out
from sra.forecast.job_flops import planned_device
from sra.forecast.rates import Rates, read_rates
from sra.plan.typed import Typed
from sra.spec.config import UserConfig
from sra.spec.run import RunSpec
from sra.spec.scale import Preset


@contextmanager
def refusing() -> Iterator[None]:
    """A Snakefile has no other way to refuse bad input without a traceback: one line, and exit code 2."""
    try:
        yield
    except InputError as error:
        print(f"error: {spelled_out(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def _in_one_line(asked: Callable[..., Any], signed: Signature) -> Callable[..., Any]:
    def answered(*wildcards: Any, **asked_with: Any) -> Any:
        with refusing():
            return asked(*wildcards, **asked_with)

    answered.__signature__ = signed
    return answered


@dataclass(frozen=True)
class Context:
    """One per Snakemake process, so that every preset is read once though all rules ask for it.

    root: the folder of the Snakefile; paths in answers are relative to it.  user: config/config.yaml and what `--config` replaced in it.
    typed: the command line that this came from.
    catalogues, listed_rates: by preset, those that were asked for. A rule takes its preset from wildcards, and it need not be the user's.
    """

    root: Path
    user: UserConfig
    typed: Typed = Typed()
    catalogues: dict[str, Catalogue] = field(default_factory=dict)
    listed_rates: dict[str, Rates] = field(default_factory=dict)

    def ask(self, question: Callable[..., Any], **about: str) -> Callable[..., Any]:
        """A function of this room as Snakemake takes it, of wildcards alone: `ask(train.latents)`, `ask(assets.inputs, kind="vae")`.

        Its InputError ends Snakemake with one line: wildcards hold what a person typed as a file's name.
        """
        asked = partial(question, self, **about)
        return _in_one_line(asked, signature(asked))  # worked out once: Snakemake looks at it several times a job, a fifth of its time

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
