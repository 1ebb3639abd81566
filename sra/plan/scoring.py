"""What the rules between weights and scores ask."""

import math
import re
from dataclasses import replace
from functools import lru_cache

from sra.content.wanted import Wanted
from sra.core.errors import InputError
from sra.forecast.disk import pack_bytes
from sra.plan.base import PlanBase
from sra.plan.resources import StageNeeds
from sra.spec.layout import Results, Shared
from sra.spec.metric import ScoreOf
from sra.spec.scale import Preset

MADE = re.compile(r"(train|val)_\d+(_pytorch)?")  # names of references made here: split, images kept, resize of pytorch-fid


class ScoringPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which two are the preset and the run, or the data set."""

    def sampler(self, wildcards) -> str:
        """The resolved sampler as JSON: a changed sampler is a changed parameter, so its samples are drawn again."""
        registry = self.registry(wildcards.preset)
        registry.refuse_unfit(wildcards.sampler, wildcards.run)
        return registry.sampler(wildcards.sampler).model_dump_json()

    def sample_count(self, wildcards) -> int:
        return self.registry(wildcards.preset).sample_count(int(wildcards.paper_count))

    def prompts_of(self, wildcards) -> dict[str, str | list[str]]:
        """What captions are drawn from and encoded by; empty lists for models of classes."""
        spec = self.registry(wildcards.preset).spec(wildcards.run)
        if spec.text_encoder is None:
            return {"captions": [], "text_encoder": []}
        return {"captions": Shared(spec.dataset).index, "text_encoder": self.fetched("clip")(wildcards)}

    def sampling_options(self, wildcards) -> list[str]:
        preset, captions = self._preset_of(wildcards), self.prompts_of(wildcards)["captions"]
        prompts = ["--captions", captions, "--text-encoder", self.model("clip")(wildcards)] if captions else []
        return ["--batch", str(preset.sampling_batch), "--precision", preset.sampling_precision, *prompts]

    def sample_shards(self, wildcards) -> list[str]:
        registry = self.registry(wildcards.preset)
        seeding = registry.sampler(wildcards.sampler).official_seeding
        count = registry.sample_count(int(wildcards.paper_count))
        shards = seeding.processes if seeding else math.ceil(count / registry.preset.shard_samples)
        return [
            Results(wildcards.preset).sample_shard(wildcards.run, wildcards.milestone, wildcards.sampler, int(wildcards.paper_count), shard, shards)
            for shard in range(shards)
        ]

    def sampling_needs(self) -> StageNeeds:
        """Of the rule that draws a shard."""
        needs = lru_cache(maxsize=None)(self._shard_needs)

        def of(wildcards) -> tuple[float | None, int]:
            score = ScoreOf(milestone=wildcards.milestone, sampler=wildcards.sampler, samples=int(wildcards.paper_count))
            return needs(wildcards.preset, Wanted(wildcards.run, score), int(wildcards.shards))

        return StageNeeds(self, "sample", seconds=lambda wildcards: of(wildcards)[0], size=lambda wildcards: of(wildcards)[1])

    def _shard_needs(self, preset: str, wanted: Wanted, shards: int) -> tuple[float | None, int]:
        """Seconds and bytes of one of so many."""
        registry = self.registry(preset)
        images = math.ceil(registry.sample_count(wanted.score.samples) / shards)
        works = tuple(replace(work, amount=work.amount / shards) for work in self.works(preset).sampling(wanted))
        return self.predicted_seconds(preset, "sample", works), pack_bytes(images, registry.spec(wanted.run).image_size)

    def refuse_impossible(self, wanted: list[Wanted]) -> None:
        """Raise InputError for scores that mean nothing, and for those of captioned runs that sampling or scoring would refuse after the training."""
        registry = self.registry(self.preset)
        for item in wanted:
            if registry.sampler(item.score.sampler).classes:
                raise InputError(
                    f"sampler {item.score.sampler}: draws some classes alone, scores compare with images of all; name another for run {item.run}"
                )
            if not registry.is_text_to_image(item.run):
                continue
            preset, sampler, count = registry.preset_of(item.run), registry.sampler(item.score.sampler), registry.sample_count(item.score.samples)
            dataset, subset = self._dataset(preset.dataset), self.user.paths.expected_coco
            validation = subset.val if subset and dataset.kind == "path" else dataset.validation
            if sampler.captions == "in_order" and count > validation:
                raise InputError(
                    f"sampler {item.score.sampler}: {count} samples take a caption of as many validation images in order, {preset.dataset} has "
                    f"{validation}; lower samples {item.score.samples} in the preset, or draw captions at random"
                )
            if sampler.official_seeding:
                raise InputError(f"sampler {item.score.sampler}: official_seeding draws classes, run {item.run} is told captions; leave it out")
            if "fid_pytorch" in preset.secondary and registry.weights_of(preset.extractor, "extractor").source == "trained":
                raise InputError(f"preset {self.preset}: extractor {preset.extractor} takes images as they are; leave fid_pytorch out of secondary")

    # References

    def reference_of(self, wildcards) -> str:
        """ADM's file or another that the user fetched, else the one made here."""
        return self._made_reference(wildcards) or self.model("reference")(wildcards)

    def reference_input(self, wildcards) -> list[str]:
        """The reference as a rule's input: a file not fetched yet is none, so that its stage can say what to fetch."""
        made = self._made_reference(wildcards)
        return [made] if made else self.fetched("reference")(wildcards)

    def reference_features_of(self, wildcards) -> str:
        preset = self._preset_of(wildcards)
        return Shared(preset.dataset).reference_features(preset.extractor, preset.reference or self._reference_made_for(wildcards))

    def pytorch_reference_of(self, wildcards) -> list[str]:
        """Statistics of the same images under pytorch-fid's resize, where they are compared with."""
        preset = self._preset_of(wildcards)
        if "fid_pytorch" not in preset.secondary:
            return []
        return [Shared(preset.dataset).reference(preset.extractor, f"{self._split(preset)}_0_pytorch")]  # no image of it is read

    def held_for_scores(self, wildcards) -> list[str]:
        """Options that have the extractor and the reference checked against weights.tsv, where the user fetched them."""
        return self.held("extractor")(wildcards) + ([] if self._made_reference(wildcards) else self.held("reference")(wildcards))

    # Scores

    def judges_of(self, wildcards) -> list[str]:
        """Files of the models that compare images with captions."""
        return [file for name in self._judges(wildcards).values() for file in self._assets(wildcards).inputs(name, "clip")]

    def score_options(self, wildcards) -> list[str]:
        """What is measured besides, by what, and what is let pass."""
        preset, judges = self._preset_of(wildcards), self._judges(wildcards)
        options = [("--secondary", metric) for metric in preset.secondary]
        options += [("--pytorch-reference", file) for file in self.pytorch_reference_of(wildcards)]
        options += [(f"--{score.partition('_')[0]}-model", self._assets(wildcards).source(name, "clip")) for score, name in judges.items()]
        return [word for option in (*options, ("--max-duplicates", str(preset.duplicates))) for word in option]

    def _judges(self, wildcards) -> dict[str, str]:
        """Names of the models by the score they give, of those that are asked for."""
        preset = self._preset_of(wildcards)
        part = preset.text_to_image if self.registry(wildcards.preset).is_text_to_image(wildcards.run) else None
        return {score: name for score, name in part.judges if score in preset.secondary} if part else {}

    def _made_reference(self, wildcards) -> str | None:
        """The reference that a rule makes; None where the user fetches one."""
        named = getattr(wildcards, "reference", None)
        if named:
            return Shared(wildcards.dataset).reference(wildcards.extractor, named) if MADE.fullmatch(named) else None
        preset = self._preset_of(wildcards)
        return None if preset.reference else Shared(preset.dataset).reference(preset.extractor, self._reference_made_for(wildcards))

    def _reference_made_for(self, wildcards) -> str:
        """Its name: images of ImageNet are compared with what was trained on, those of captions with the validation images."""
        preset = self._preset_of(wildcards)
        return f"{self._split(preset)}_{preset.reference_images}"

    def _split(self, preset: Preset) -> str:
        return "val" if self._dataset(preset.dataset).captioned else "train"
