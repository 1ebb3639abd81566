"""Trainings that are finished and that Snakemake would do again for the times of files alone, as it would after a copy.

It goes by times as Snakemake does: a result older than what it was made from is made again, and then all that follows from it. What is finished is
told by the receipts, so that a run whose configuration changed is not among them.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

from sra.content.inspected import components_files, figure_at_preset, probe_files
from sra.content.required import packs_of_figure, required_by_all, training_points
from sra.core.errors import InputError
from sra.core.units import several
from sra.forecast.disk import is_there
from sra.plan import assets, data, train
from sra.plan.context import Context
from sra.spec.layout import Results, Shared


class Clocks:
    """The times of the results of the user's preset. older: files that are older than what they were made from, as they are found."""

    def __init__(self, context: Context):
        self.context, self.catalogue = context, context.catalogue()
        self.results = Results(context.preset)
        self.older: list[tuple[str, str]] = []
        self._times: dict[str, int | None] = {}
        self._outdated: dict[str, bool] = {}

    @cached_property
    def again(self) -> list[tuple[str, str]]:
        """Run and point of each finished training that would be done again."""
        return [(run, point) for run, wanted in self._wanted().items() for point in self._of_run(run, wanted)]

    def _wanted(self) -> dict[str, dict[str, list[str]]]:
        """By run and milestone, what the report has made from the weights."""
        catalogue, results, found = self.catalogue, self.results, {}
        figures = [figure_at_preset(catalogue.figures[name], catalogue) for name in catalogue.shown_figures]
        packs = (pack for figure in figures for pack in packs_of_figure(figure, catalogue))
        made = [
            (one.run, one.score.milestone, [results.samples(one.run, one.score), results.score(one.run, one.score)])
            for one in (*required_by_all(catalogue), *packs)
        ]
        made += [(one.run, one.milestone, [results.probe(one.run, one.milestone, one.time)]) for one in probe_files(figures, catalogue)]
        made += [(one.run, one.milestone, [results.pca(one.run, one.milestone)]) for one in components_files(figures, catalogue)]
        for run, milestone, files in made:
            if catalogue.checkpoint(run) is None:
                found.setdefault(run, {}).setdefault(milestone, []).extend(files)
        return found

    def _of_run(self, run: str, wanted: dict[str, list[str]]) -> Iterator[str]:
        """Its finished points up to the last that is wanted; from the first that is outdated on, all of them."""
        wildcards = SimpleNamespace(preset=self.context.preset, run=run)
        inputs = [self.results.config(run), *_files(train.latents(self.context, wildcards), *train.targets(self.context, wildcards).values())]
        inputs += [*_files(*train.captions(self.context, wildcards).values()), *train.start(self.context, wildcards)]
        outdated = False
        for point, left in self._finished(run, wanted):
            state = self.results.state(run, point)
            outdated = outdated or (bool(left) and self._is_newer(inputs, min(left), state))
            if outdated:
                yield point
            inputs = [*inputs, state]

    def _finished(self, run: str, wanted: dict[str, list[str]]) -> list[tuple[str, list[int]]]:
        """Points that need no training, in order, with the times of what each left: of its own files, else of what was made from it later."""
        fingerprint, found, after = self.catalogue.spec(run).fingerprint, [], []
        for point in reversed(training_points(self.catalogue, run)):
            state, products = self.context.root / self.results.state(run, point.name), wanted.get(point.name, [])
            if not products and not found:
                continue  # nobody asks for it
            if state.exists():
                finished = is_there(state, {"fingerprint": fingerprint, "step": point.step})
            else:
                tell = (self.context.root / file for file in products if file.endswith(".json"))
                finished = bool(found) or any(is_there(file, {"fingerprint": fingerprint}) for file in tell)
            if not finished:
                found, after = [], []  # what was trained on from it is trained again for more than its time
                continue
            own = (self.results.state(run, point.name), self.results.curve(run, point.name), self._took(run, point.name))
            times = self._times_of(own) or self._times_of([self.results.weights(run, point.name), *products]) or after
            found, after = [(point.name, times), *found], times
        return found

    def _times_of(self, files: Iterable[str]) -> list[int]:
        return [time for time in map(self._time, files) if time is not None]

    def _took(self, run: str, point: str) -> str:
        """The time of the job, which Snakemake counts among its outputs."""
        return str(self.results.folder / "benchmarks" / "train" / run / f"{point}.tsv")

    # Files that were made from others

    def _is_newer(self, inputs: Iterable[str], limit: int, of: str) -> bool:
        """Whether one of the inputs, or what it would be made from again, is newer than that."""
        for file in inputs:
            time = self._time(file)
            if time is not None and time > limit:
                self.older.append((of, file))
                return True
            if self._is_outdated(file, limit if time is None else time):
                return True
        return False

    def _is_outdated(self, file: str, limit: int) -> bool:
        if file not in self._outdated:
            self._outdated[file] = self._is_newer(self._made_from(file), limit, file)
        return self._outdated[file]

    def _made_from(self, file: str) -> list[str]:
        """What the workflow makes a file of a data set from; nothing for any other."""
        parts = PurePosixPath(file).parts
        if parts[:2] != ("results", "shared") or len(parts) < 4:
            return []
        shared, kind, by = Shared(parts[2]), parts[3], PurePosixPath(file).parent.name
        wildcards = SimpleNamespace(dataset=parts[2], vae=by, encoder=by, clip=by)
        if file == shared.index:
            return _files(data.source_files(self.context, wildcards))
        if kind in data.STORES and PurePosixPath(file).name == "store.json":
            return [shared.index, *data.shards(self.context, wildcards, kind)]
        if kind in data.STORES:
            network = {"latents": "vae", "features": "encoder", "text": "clip"}.get(kind)
            return [shared.index, *(assets.inputs(self.context, wildcards, network) if network else ())]
        return [shared.index] if kind in ("vae", "encoder", "clip") else []

    def _time(self, file: str) -> int | None:
        if file not in self._times:
            try:
                self._times[file] = Path(self.context.root / file).stat().st_mtime_ns
            except OSError:
                self._times[file] = None
        return self._times[file]


def again_for_times(context: Context) -> str:
    """One line on the finished trainings that Snakemake would do again for files' times alone; empty where there is none."""
    clocks = Clocks(context)
    try:
        again = clocks.again
    except InputError:  # a damaged receipt, which whoever reads it names
        return ""
    if not again:
        return ""
    made, of = clocks.older[0]
    return (
        f"{several(len(again), 'finished training')} would be done again for the times of files alone, as after a copy ({made} is older than {of}); "
        "make adopt checks the receipts and puts the times in order"
    )


def _files(*given: str | list[str]) -> list[str]:
    return [file for one in given for file in ([one] if isinstance(one, str) else one)]
