"""What the rules that look inside trained models ask."""

from collections.abc import Iterable

from sra.content.claims import load_claims, probed_by
from sra.content.figures import FigureSpec
from sra.content.inside import components_files, probe_files
from sra.core.errors import InputError
from sra.plan.base import PlanBase
from sra.spec.layout import Results, Shared


class AnalysisPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which three are the preset, the run and the milestone, or two the preset and the figure."""

    def probe_time(self, wildcards) -> str:
        return f"{int(wildcards.time) / 1000:g}"

    def probe_blocks(self, wildcards) -> list[str]:
        """Options for every block that some figure asks for; a new one is a changed parameter, so the probes are trained again."""
        asked = (wildcards.run, wildcards.milestone, int(wildcards.time))
        registry = self.registry(wildcards.preset)
        for file in probe_files(registry.figures.values(), registry):
            if (file.run, file.milestone, round(1000 * file.time)) == asked:
                return _options("--block", file.blocks)
        raise InputError(
            f"no figure probes run {wildcards.run} at {wildcards.milestone} and time {self.probe_time(wildcards)}; call sra probe yourself"
        )

    def probe_training(self, wildcards) -> str:
        return self.registry(wildcards.preset).preset.probe.model_dump_json()

    def component_options(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        for file in components_files(registry.figures.values(), registry):
            if (file.run, file.milestone) == (wildcards.run, wildcards.milestone):
                return [*_options("--time", file.times), *_options("--block", file.blocks), "--class", str(file.image_class)]
        raise InputError(f"no figure shows components of run {wildcards.run} at {wildcards.milestone}; call sra pca yourself")

    def index_of(self, wildcards) -> str:
        return Shared(self._preset_of(wildcards).dataset).index

    def probes_of_figure(self, wildcards) -> list[str]:
        return self._probes([self.registry(wildcards.preset).figures[wildcards.figure]], wildcards.preset)

    def probes_of_claims(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        return self._probes(probed_by(load_claims(registry), registry), wildcards.preset)

    def components_of_figure(self, wildcards) -> list[str]:
        registry, results = self.registry(wildcards.preset), Results(wildcards.preset)
        return [results.pca(file.run, file.milestone) for file in components_files([registry.figures[wildcards.figure]], registry)]

    def _probes(self, figures: Iterable[FigureSpec], preset: str) -> list[str]:
        return [Results(preset).probe(file.run, file.milestone, file.time) for file in probe_files(figures, self.registry(preset))]


def _options(name: str, values: tuple[int | float, ...]) -> list[str]:
    return [word for value in values for word in (name, f"{value:g}")]
