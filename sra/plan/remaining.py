"""What tables and figures still take: the files that are not there yet, and the work behind each.

A task is left when a file that is asked for cannot be had without it: as in Snakemake, a score that exists needs neither its samples nor its
weights.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sra.content.figures import FigureSpec
from sra.content.inspected import components_files, probe_files
from sra.content.names import ids_of
from sra.content.required import (
    Point,
    RequiredScore,
    measured_by_figure,
    measured_by_table,
    packs_of_figure,
    required_by_figure,
    required_by_table,
    training_points,
)
from sra.content.studies import diverged_before
from sra.core.errors import unknown
from sra.forecast import disk
from sra.forecast.flops import ENCODER_FLOPS, EXTRACTOR_FLOPS, forward_flops
from sra.forecast.job_flops import Works
from sra.forecast.rates import Work
from sra.forecast.tasks import Chain, Task
from sra.plan import assets, data, sample, score, study, train
from sra.plan.context import Context
from sra.spec.encoders import JUDGES
from sra.spec.layout import Shared
from sra.spec.measured import STEPS_PER_BLOCK, TIMED_BLOCKS, WARM_UP_STEPS
from sra.spec.run import RunSpec
from sra.spec.scale import ROLLING_STATES, Preset

STUDY = "study_"  # what names of studies and of their parts begin with, as targets do
CAPTIONS_AN_IMAGE = 5  # of MS-COCO, and of the scenes in its format


class Remaining:
    """The chains of tasks that are left for each table, figure and study of the user's preset. processes: devices that train one run together.

    from_nothing: as if no result were there.  assumed: what was taken for granted of the studies that were asked about, for people.
    """

    def __init__(self, context: Context, processes: int = 1, from_nothing: bool = False):
        self.context, self.processes, self.from_nothing = context, processes, from_nothing
        self.registry = context.catalogue()
        self.results = self.registry.results
        self.works = Works(self.registry)
        self.assumed: list[str] = []

    def items(self) -> list[str]:
        """Tables and figures of the report."""
        return [*self.registry.shown_tables, *self.registry.shown_figures]

    def named(self, item: str) -> list[str]:
        """The items that a person calls by one name. Raises InputError for an unknown table or figure; an unknown study is refused by its chains."""
        return [item.lower()] if item.lower().startswith(STUDY) else ids_of(item, self.registry)

    def title(self, item: str) -> str:
        if item.startswith(STUDY):
            return study.wanted_by(self.context, item).title
        return (self.registry.tables.get(item) or self.registry.figures.get(item)).title

    def chains_of(self, item: str) -> list[Chain]:
        """One for each score, sample set, probe, components file and cost receipt that is not there.

        Raises InputError for an unknown table, figure or study.
        """
        if item.startswith(STUDY):
            return self._of_study(item)
        if item not in (known := [*self.registry.tables, *self.registry.figures]):
            raise unknown("table or figure", item, known)
        if item in self.registry.tables:
            table = self.registry.tables[item]
            chains = [self.score(one) for one in required_by_table(table, self.registry)]
            chains += [self.measurement(run) for run in measured_by_table(table, self.registry)]
        else:
            figure = self.registry.figures[item]
            chains = [self.score(one) for one in required_by_figure(figure, self.registry)]
            chains += [self.pack(one) for one in packs_of_figure(figure, self.registry)]
            chains += [self.measurement(run) for run in measured_by_figure(figure, self.registry)]
            chains += self._inside(figure)
        return _whole(chains)

    def _of_study(self, item: str) -> list[Chain]:
        """Without trainings that diverged: they are not repeated."""
        found = study.wanted_by(self.context, item)
        self.assumed += [line for line in found.assumed if line not in self.assumed]
        left = [one for one in found.scores if self.from_nothing or diverged_before(one, self.registry) is None]
        return _whole([self.score(one) for one in left])

    # From a score back to its images

    def score(self, wanted: RequiredScore) -> Chain:
        """Features of its samples and of the reference, and what is computed from them."""
        if self._exists(self.results.score(wanted.run, wanted.score), self._drawn(wanted)):
            return ()
        count = self.registry.sample_count(wanted.score.samples)
        preset = self.registry.preset_of(wanted.run)
        passes = 2 if "fid_pytorch" in preset.secondary else 1
        work = [
            self.works.by_network("inception", EXTRACTOR_FLOPS.get(preset.extractor), passes * count, preset.extractor),
            Work("score", count),
        ]
        if "fd_selfsup" in preset.secondary:
            work.append(self.works.by_network("inception", EXTRACTOR_FLOPS.get(preset.second_extractor), count, preset.second_extractor))
        for judge in score.judge_names(self.context, self._wildcards(wanted.run)).values():
            tower, patches = JUDGES.get(judge, (None, 0))
            work.append(self.works.by_network("vision", tower and tower.flops(patches), count, judge))
        name = f"score of {_words(wanted)}"
        return (*self.pack(wanted), *self._references(wanted.run), Task("scoring", name, tuple(filter(None, work)), sets=1))

    def pack(self, wanted: RequiredScore) -> Chain:
        """Samples of one run, in one pack."""
        if self.is_drawn(wanted):
            return ()
        spec = self.registry.spec(wanted.run)
        count, shards = self.registry.sample_count(wanted.score.samples), self.shards(wanted)
        size = disk.pack_bytes(count, spec.image_size)
        task = Task("sampling", f"samples of {_words(wanted)}", self.works.sampling(wanted), shards, shards, size, size, images=count)
        models = (*self._standin("vae", spec.vae, spec), *self._standin("clip", spec.text_encoder, spec))
        return (*models, *self.weights(wanted.run, wanted.score.milestone), task)

    def is_drawn(self, wanted: RequiredScore) -> bool:
        return self._exists(self.results.samples(wanted.run, wanted.score), self._drawn(wanted))

    def shards(self, wanted: RequiredScore) -> int:
        return len(sample.shards(self.context, self._wildcards(wanted.run, wanted)))

    def _drawn(self, wanted: RequiredScore) -> dict[str, Any]:
        """What a score or pack says of itself when it is the one that is wanted."""
        sampler = self.registry.sampler(wanted.score.sampler).model_dump(mode="json")
        count = self.registry.sample_count(wanted.score.samples)
        return {"fingerprint": self.registry.spec(wanted.run).fingerprint, "sampler": sampler, "count": count}

    def weights(self, run: str, milestone: str) -> Chain:
        """Those of a milestone, exported from training or imported from a released file."""
        spec = self.registry.spec(run)
        if self._exists(self.results.weights(run, milestone), {"fingerprint": spec.fingerprint}):
            return ()
        task = Task("training", f"weights of {run} at {milestone}", kept=disk.weights_bytes(spec.model))
        return (*(() if spec.weights else self._training(spec, milestone)), task)

    def _training(self, spec: RunSpec, milestone: str) -> Chain:
        """The segments to a milestone from the newest state before it, and what they read."""
        left: list[Task] = []
        points = training_points(self.registry, spec.run)
        upto = points[: [point.name for point in points].index(milestone) + 1]
        for before, point in reversed(list(zip([Point("", 0), *upto], upto, strict=False))):
            if self._exists(self.results.state(spec.run, point.name), {"fingerprint": spec.fingerprint, "step": point.step}):
                break
            left.insert(0, self.segment(spec, before.step, point))
        return (*self._start(spec), *self._latents(spec), *self._targets(spec), *self._captions(spec), *left) if left else ()

    def _start(self, spec: RunSpec) -> Chain:
        """The weights that it trains on."""
        if spec.start is None or self._exists(self.results.start(spec.run), {"fingerprint": spec.fingerprint}):
            return ()
        return (Task("training", f"weights that {spec.run} trains on", kept=disk.weights_bytes(spec.model)),)

    def segment(self, spec: RunSpec, first_step: int, point: Point) -> Task:
        """Training from a step to a point."""
        state = self.works.state_bytes(spec)
        is_kept = point.name in self.registry.preset_of(spec.run).milestones
        return Task(
            "training",
            f"train {spec.run} to {point.name}",
            (self.works.training(spec, first_step, point.step),),
            at_once=self.processes,
            kept=state if is_kept else 0,
            temporary=(ROLLING_STATES + (not is_kept)) * state,
            run=spec.run,
            first_step=first_step,
            last_step=point.step,
            until=point.name,
        )

    def measurement(self, run: str) -> Chain:
        """A few steps of a run's training, for its cost receipt."""
        spec = self.registry.spec(run)
        if self._exists(self.results.cost(run), {"fingerprint": spec.fingerprint}):
            return ()
        work = self.works.training(spec, 0, WARM_UP_STEPS + TIMED_BLOCKS * STEPS_PER_BLOCK)
        task = Task("training", f"measured steps of {run}", (work,), at_once=self.processes)
        return (*self._latents(spec), *self._targets(spec), *self._captions(spec), task)

    # What training reads

    def _latents(self, spec: RunSpec) -> Chain:
        if self._exists(train.latents(self.context, self._wildcards(spec.run))):
            return ()
        preset, images = self.registry.preset_of(spec.run), self._images(spec.dataset)
        work = self.works.by_network("encode", ENCODER_FLOPS.get(spec.vae, {}).get(spec.image_size), images, spec.vae)
        kept = disk.latents_bytes(images, spec.model.latent, preset.latents_dtype)
        return (*self._standin("vae", spec.vae, spec), *self._index(spec.dataset), self._store(preset, "latents", spec.dataset, spec.vae, work, kept))

    def _targets(self, spec: RunSpec) -> Chain:
        """Of REPA: features, or the images that the encoder sees in each step."""
        if spec.encoder is None:
            return ()
        preset, images, needed = self.registry.preset_of(spec.run), self._images(spec.dataset), train.targets(self.context, self._wildcards(spec.run))
        made = self._standin("encoder", spec.encoder, spec)
        if needed["pixels"]:
            if self._exists(needed["pixels"]):
                return made
            return (
                *made,
                *self._index(spec.dataset),
                self._store(preset, "pixels", spec.dataset, "", None, disk.pixels_bytes(images, spec.image_size)),
            )
        if self._exists(needed["features"]):
            return ()
        tower, tokens = self.works.encoder(spec), spec.model.tokens
        kept = disk.features_bytes(images, tokens, tower.width, preset.features_dtype)
        work = self.works.by_network("vision", tower.flops(tokens), images, spec.encoder)
        return (*made, *self._index(spec.dataset), self._store(preset, "features", spec.dataset, spec.encoder, work, kept))

    def _captions(self, spec: RunSpec) -> Chain:
        if spec.text_encoder is None:
            return ()
        preset, needed = self.registry.preset_of(spec.run), train.captions(self.context, self._wildcards(spec.run))
        made = (*self._standin("clip", spec.text_encoder, spec), *self._index(spec.dataset))
        if needed["captions"]:
            return made
        if self._exists(needed["text"]):
            return ()
        captions = CAPTIONS_AN_IMAGE * self._images(spec.dataset)
        kept = disk.text_bytes(captions, spec.model.text, preset.text_to_image.text_dtype)
        return (*made, self._store(preset, "text", spec.dataset, spec.text_encoder, self.works.captions(spec, captions), kept))

    def _store(self, preset: Preset, kind: str, dataset: str, by: str, work: Work | None, kept: int) -> Task:
        name = f"{kind} of {dataset}" + (f" by {by}" if by else "")
        return Task("data", name, (work,) if work else (), preset.data_shards, preset.data_shards, kept)

    def _index(self, dataset: str) -> Chain:
        entry = self.registry.datasets[dataset]
        if self._exists(Shared(dataset).index):
            return ()
        return (Task("data", f"index of {dataset}", kept=disk.INDEX_LINE * (self._images(dataset) + (entry.validation or 0))),)

    def _standin(self, kind: str, name: str | None, spec: RunSpec) -> Chain:
        """The training of a small model that stands for a downloaded one."""
        if name is None or name.startswith("timm/") or self.registry.weights_of(name, kind).source != "trained":
            return ()
        if all(self._exists(file) for file in assets.inputs_named(self.context, self.registry, name, kind)):
            return ()
        return (*self._index(self.registry.weights_of(name, kind).place), Task("data", f"{kind} {name}", (Work("standin", 1, name),)))

    # What scores compare with

    def _references(self, run: str) -> Chain:
        spec, preset, wildcards = self.registry.spec(run), self.registry.preset_of(run), self._wildcards(run)
        entry = self.registry.datasets[preset.dataset]
        made = {} if preset.reference else {score.reference(self.context, wildcards): preset.reference_images}
        made |= dict.fromkeys(score.pytorch_reference(self.context, wildcards), 0)  # statistics alone
        whole = entry.validation or self._images(preset.dataset)
        tasks = [
            self._extraction(spec, f"reference {Path(path).stem}", whole, disk.pixels_bytes(images, spec.image_size), preset.extractor)
            for path, images in made.items()
            if not self._exists(path)
        ]
        if not self._exists(score.reference_features(self.context, wildcards)):
            tasks.append(self._extraction(spec, "features of the reference", preset.reference_images, 0, preset.extractor))
        second, network = score.second_inputs(self.context, wildcards), preset.second_extractor
        tasks += [self._extraction(spec, f"reference {Path(path).stem}", whole, 0, network) for path in second[-1:] if not self._exists(path)]
        index = self._index(preset.dataset) if (made or second) and tasks else ()
        trained = self._standin("extractor", network, spec) if second else ()
        return (*self._standin("extractor", preset.extractor, spec), *trained, *index, *tasks)

    def _extraction(self, spec: RunSpec, name: str, images: int, kept: int, extractor: str) -> Task:
        work = self.works.by_network("inception", EXTRACTOR_FLOPS.get(extractor), images, extractor)
        return Task("scoring", f"{name} of {spec.dataset} by {extractor}", (work,) if work else (), kept=kept)

    # Inside models

    def _inside(self, figure: FigureSpec) -> list[Chain]:
        """Of the probes and components behind it; none for a figure of another kind."""
        chains = []
        for probe in probe_files([figure], self.registry):
            if not self._exists(self.results.probe(probe.run, probe.milestone, probe.time)):
                spec = self.registry.spec(probe.run)
                flops = self._images(spec.dataset) * forward_flops(spec.model, max(probe.blocks))
                work = Work("sample", flops, spec.model.name, precision="fp32")
                task = Task("scoring", f"probes of {probe.run} at {probe.milestone}, time {probe.time:g}", (work,))
                chains.append((*self.weights(probe.run, probe.milestone), *self._latents(spec), task))
        for components in components_files([figure], self.registry):
            if not self._exists(self.results.pca(components.run, components.milestone)):
                task = Task("scoring", f"components of {components.run} at {components.milestone}")
                chains.append((*self.weights(components.run, components.milestone), *self._latents(self.registry.spec(components.run)), task))
        return chains

    # Small answers

    def _images(self, dataset: str) -> int:
        return data.images_of(self.context, dataset)

    def _wildcards(self, run: str, wanted: RequiredScore | None = None) -> SimpleNamespace:
        """What Snakemake would ask with."""
        wildcards = SimpleNamespace(preset=self.context.preset, run=run)
        if wanted:
            wildcards.milestone, wildcards.sampler, wildcards.paper_count = wanted.score.milestone, wanted.score.sampler, str(wanted.score.samples)
        return wildcards

    def _exists(self, path: str, facts: dict[str, Any] | None = None) -> bool:
        return not self.from_nothing and disk.is_there(self.context.root / path, facts)


def _whole(chains: list[Chain]) -> list[Chain]:
    """Those with tasks, each task once: a stand-in may be asked for twice in one chain, by the latents and by the samples."""
    return [tuple(dict.fromkeys(chain)) for chain in chains if chain]


def _words(wanted: RequiredScore) -> str:
    return f"{wanted.run} at {wanted.score.milestone} by {wanted.score.sampler}, {wanted.score.samples}"
