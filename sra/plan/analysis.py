"""What the rules that look inside trained models ask."""

from typing import get_args

from sra.core.errors import InputError
from sra.plan.base import PlanBase
from sra.plan.inside import ComponentsFile, InsideFigure, ProbeFile, components_files, probe_files
from sra.plan.layout import Results, Shared


class AnalysisPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which three are the preset, the run and the milestone, or two the preset and the figure."""

    def probe_time(self, wildcards) -> str:
        return f"{int(wildcards.time) / 1000:g}"

    def probe_blocks(self, wildcards) -> list[str]:
        """Options for every block that some figure asks for; a new one is a changed parameter, so the probes are trained again."""
        asked = (wildcards.run, wildcards.milestone, int(wildcards.time))
        for file in probe_files(self._inside_figures(wildcards.preset), self.registry(wildcards.preset)):
            if (file.run, file.milestone, round(1000 * file.time)) == asked:
                return _options("--block", file.blocks)
        raise InputError(
            f"no figure probes run {wildcards.run} at {wildcards.milestone} and time {self.probe_time(wildcards)}; call sra probe yourself"
        )

    def probe_training(self, wildcards) -> str:
        return self.registry(wildcards.preset).preset.probe.model_dump_json()

    def component_options(self, wildcards) -> list[str]:
        for file in components_files(self._inside_figures(wildcards.preset), self.registry(wildcards.preset)):
            if (file.run, file.milestone) == (wildcards.run, wildcards.milestone):
                return [*_options("--time", file.times), *_options("--block", file.blocks), "--class", str(file.image_class)]
        raise InputError(f"no figure shows components of run {wildcards.run} at {wildcards.milestone}; call sra pca yourself")

    def index_of(self, wildcards) -> str:
        return Shared(self._preset_of(wildcards).dataset).index

    def probes_of_figure(self, wildcards) -> list[str]:
        return [self._probe(file, wildcards.preset) for file in probe_files(self._figures_named(wildcards), self.registry(wildcards.preset))]

    def components_of_figure(self, wildcards) -> list[str]:
        return [
            self._components(file, wildcards.preset) for file in components_files(self._figures_named(wildcards), self.registry(wildcards.preset))
        ]

    def _inside_figures(self, preset: str) -> list[InsideFigure]:
        return [figure for figure in self.registry(preset).figures.values() if isinstance(figure, get_args(InsideFigure))]

    def _figures_named(self, wildcards) -> list[InsideFigure]:
        """The one figure of the wildcards, where it looks inside a model."""
        return [figure for figure in self._inside_figures(wildcards.preset) if figure.id == wildcards.figure]

    def _probe(self, file: ProbeFile, preset: str) -> str:
        return Results(preset).probe(file.run, file.milestone, file.time)

    def _components(self, file: ComponentsFile, preset: str) -> str:
        return Results(preset).pca(file.run, file.milestone)


def _options(name: str, values: tuple[int | float, ...]) -> list[str]:
    return [word for value in values for word in (name, f"{value:g}")]
