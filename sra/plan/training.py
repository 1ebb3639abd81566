"""What the rules between a run's configuration and its weights ask."""

from functools import lru_cache
from pathlib import Path

from sra.content.wanted import point_before, point_named
from sra.plan.base import PlanBase
from sra.plan.resources import StageNeeds
from sra.spec.layout import Results, Shared
from sra.spec.registry import CheckpointSource
from sra.spec.scale import ROLLING_STATES


class TrainingPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which two are the preset and the run."""

    def training_needs(self) -> StageNeeds:
        """Of the rule that trains to a point."""
        seconds = lru_cache(maxsize=None)(self._segment_seconds)
        return StageNeeds(
            self,
            "train",
            seconds=lambda wildcards: seconds(wildcards.preset, wildcards.run, wildcards.point),
            size=lambda wildcards: self._segment_bytes(wildcards.preset, wildcards.run),
        )

    def _segment_seconds(self, preset: str, run: str, name: str) -> float | None:
        registry = self.registry(preset)
        before = point_before(registry, run, name)
        work = self.works(preset).training(registry.spec(run), point_named(registry, run, name).step - (before.step if before else 0))
        return self.predicted_seconds(preset, "train", (work,), self.user.world)

    def _segment_bytes(self, preset: str, run: str) -> int:
        """Its own state and the rolling ones."""
        return (ROLLING_STATES + 1) * self.works(preset).state_bytes(self.registry(preset).spec(run))

    def fingerprint(self, wildcards) -> str:
        return self.registry(wildcards.preset).spec(wildcards.run).fingerprint

    def latents_of(self, wildcards) -> str:
        spec = self.registry(wildcards.preset).spec(wildcards.run)
        return Shared(spec.dataset).latents(spec.vae)

    def targets_of(self, wildcards) -> dict[str, str | list[str]]:
        """What REPA's targets are made from: stored features, or the images and the encoder; empty lists for the other methods."""
        spec, online = self.registry(wildcards.preset).spec(wildcards.run), self._preset_of(wildcards).encoder_features == "online"
        needed = {"features": [], "pixels": [], "encoder": []}
        if spec.encoder and online:
            needed |= {"pixels": Shared(spec.dataset).pixels, "encoder": self.fetched("encoder")(wildcards)}
        elif spec.encoder:
            needed["features"] = Shared(spec.dataset).features(spec.encoder)
        return needed

    def captions_of(self, wildcards) -> dict[str, str | list[str]]:
        """What captions are read from: stored text, or the index and the text encoder; empty lists for models of classes."""
        spec, part = self.registry(wildcards.preset).spec(wildcards.run), self._preset_of(wildcards).text_to_image
        needed = {"text": [], "captions": [], "text_encoder": []}
        if spec.text_encoder and part.text_features == "online":
            needed |= {"captions": Shared(spec.dataset).index, "text_encoder": self.fetched("clip")(wildcards)}
        elif spec.text_encoder:
            needed["text"] = Shared(spec.dataset).text(spec.text_encoder)
        return needed

    def training_options(self, wildcards) -> list[str]:
        """Both for the command line."""
        targets, captions = self.targets_of(wildcards), self.captions_of(wildcards)
        options = {name: files for name, files in {**targets, **captions}.items() if files and name not in ("encoder", "text_encoder")}
        if targets["pixels"]:
            options["encoder"] = self.model("encoder")(wildcards)
        if captions["captions"]:
            options["text-encoder"] = self.model("clip")(wildcards)
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def previous_state(self, wildcards) -> list[str]:
        before = point_before(self.registry(wildcards.preset), wildcards.run, wildcards.point)
        return [Results(wildcards.preset).state(wildcards.run, before.name)] if before else []

    def start_of(self, wildcards) -> list[str]:
        """The weights that the run trains on, which every segment names; nothing for a run that starts from its seed."""
        return [Results(wildcards.preset).start(wildcards.run)] if self.registry(wildcards.preset).start(wildcards.run) else []

    def step(self, wildcards) -> int:
        return point_named(self.registry(wildcards.preset), wildcards.run, wildcards.point).step

    def rolling_minutes(self, wildcards) -> float:
        return self.registry(wildcards.preset).preset.rolling_minutes

    # Inputs of the rules that read released weights

    def released_file(self, wildcards) -> list[str]:
        """The checkpoint, when it is where the user keeps them; the stage says what to fetch when it is not."""
        path = Path(self.released_path(wildcards))
        return [str(path)] if path.exists() else []

    def released_path(self, wildcards) -> str:
        """In the folder of what the user fetched, which defaults to `downloads`."""
        checkpoint = self._released(wildcards)
        folder = "" if checkpoint.entry is None else self.user.paths.downloads
        return str(Path(folder) / checkpoint.file)

    def released_options(self, wildcards) -> list[str]:
        """Whose file it is, and the step it was trained to where it is sampled as it is."""
        checkpoint = self._released(wildcards)
        name = ["--name", checkpoint.entry.name] if checkpoint.entry else []
        step = [] if checkpoint.step is None else ["--step", str(checkpoint.step)]
        return ["--from", checkpoint.family, *step, *name, *(["--weights", checkpoint.take] if checkpoint.take != "ema" else [])]

    def _released(self, wildcards) -> CheckpointSource:
        registry = self.registry(wildcards.preset)
        return registry.checkpoint(wildcards.run) or registry.start(wildcards.run)
