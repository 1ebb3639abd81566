"""The registry together with what the report shows of it: every table and figure, and those that a preset shows."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from sra.content.figures import FigureSpec, GridFigure
from sra.content.tables import TableSpec
from sra.core.errors import InputError, unknown
from sra.spec.layout import RESULTS
from sra.spec.load import checked, load
from sra.spec.registry import Registry
from sra.spec.seeds import Seeds


@dataclass(frozen=True)
class Catalogue(Registry):
    """A registry with its tables and figures, from `report` beside `config`."""

    @cached_property
    def tables(self) -> dict[str, TableSpec]:
        tables = _by_id(self.root / "report" / "tables", TableSpec)
        return {name: _with_released_runs(table) for name, table in tables.items()} if self.released else tables

    @cached_property
    def figures(self) -> dict[str, FigureSpec]:
        return _by_id(self.root / "report" / "figures", FigureSpec)

    @cached_property
    def shown_tables(self) -> list[str]:
        """The tables of the preset's report; the others can be built by name. Raises InputError when the preset shows what there is not."""
        return [name for name in self.tables if name in self._shown]

    @cached_property
    def shown_figures(self) -> list[str]:
        """The figures of the preset's report, with the same refusal."""
        return [name for name in self.figures if name in self._shown]

    @cached_property
    def _shown(self) -> set[str]:
        displays = {**self.tables, **self.figures}
        if self.preset.shows is None:
            plates = [figure for figure in self.figures.values() if isinstance(figure, GridFigure) and figure.in_place_of]
            several, as_one = {name for plate in plates for name in plate.in_place_of}, {plate.id for plate in plates}
            left_out = as_one if self.preset.comparable else several
            return {name for name, display in displays.items() if not display.on_request} - left_out
        for name in self.preset.shows:
            if name not in displays:
                raise unknown("table or figure", name, displays, where=f"config/presets/{self.preset_id}.yaml: shows")
        return set(self.preset.shows)


def shown_catalogue(
    preset: str, weights: str = "trained", seeds: str | None = None, sampling_seeds: str | None = None, results: PurePosixPath = RESULTS
) -> Catalogue:
    """Of the working folder, as a person's options would have it shown. Raises InputError for an unknown preset.

    weights: trained, or released: only runs from released checkpoints are shown.  seeds, sampling_seeds: such as "0,1,2"; None for each one's own.
    results: folder of all results, from the working folder.
    """
    if weights not in ("trained", "released"):
        raise unknown("weights", weights, ("trained", "released"))
    given = {"training": _listed(seeds, "--seeds"), "sampling": _listed(sampling_seeds, "--sampling-seeds")}
    catalogue = Catalogue(Path.cwd(), preset, weights == "released", checked(given, Seeds, "--seeds and --sampling-seeds"), results)
    _ = catalogue.preset
    return catalogue


def _listed(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    if not all(part.strip().isascii() and part.strip().isdigit() for part in text.split(",")):
        raise InputError(f"{option} {text!r}: expected whole numbers with commas between them, such as 0,1,2")
    return [int(part) for part in text.split(",")]


def _with_released_runs(table: TableSpec) -> TableSpec:
    return table.model_copy(update={"rows": [row.model_copy(update={"run": row.released or row.run}) for row in table.rows]})


def _by_id(folder: Path, model) -> dict:
    """The typed files of a folder by their id, which must be the file's name: `snakemake table_1` builds `table_1.yaml`."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        spec = load(path, model)
        if spec.id != path.stem:
            raise InputError(f"{path}: id is {spec.id}; give it the file's name, {path.stem}")
        found[spec.id] = spec
    return found
