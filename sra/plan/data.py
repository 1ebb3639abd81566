"""What the rules of data sets ask: the images, and the stores that training reads."""

from collections.abc import Callable
from pathlib import PurePosixPath

from sra.core.errors import unknown
from sra.plan.base import PlanBase
from sra.spec.layout import Shared
from sra.spec.scale import StandIn

ANNOTATIONS = ("annotations/captions_train2014.json", "annotations/captions_val2014.json")
NONE = "(?!)"  # the pattern that no name fits
SCENES = (*ANNOTATIONS, "train2014.zip", "val2014.zip")  # what `sra make-scenes` writes


class DataPlan(PlanBase):
    """Each method takes Snakemake's wildcards, of which one is the data set."""

    @property
    def captioned(self) -> str:
        """The captioned data sets as the pattern of a wildcard."""
        return "|".join(name for name, dataset in self.registry(self.preset).datasets.items() if dataset.captioned)

    def made_from(self, library: str) -> str:
        """The data sets with classes that the workflow makes of what a library has, likewise."""
        datasets = self.registry(self.preset).datasets.values()
        return "|".join(dataset.name for dataset in datasets if dataset.source.startswith(f"{library} ") and not dataset.captioned)

    def images_here(self, wildcards) -> int:
        """How many images config/datasets.tsv says a data set has."""
        return self._dataset(wildcards.dataset).images

    def fashion_options(self, wildcards) -> list[str]:
        """Where the files of Fashion-MNIST lie, or go to."""
        paths = self.user.paths
        return ["--source", paths.fashion] if paths.fashion else ["--downloads", f"{paths.downloads}/fashion_mnist"]

    def source_images(self, wildcards) -> list[str]:
        """The images as a rule's input: made by the workflow, or the user's own; empty when they are not there (the stage then says so).

        Of the user's captioned images only the annotations, which name the rest.
        """
        source, dataset = self.images_source(wildcards), self._dataset(wildcards.dataset)
        files = [f"{source}/{file}" for file in (SCENES if dataset.kind == "made" else ANNOTATIONS)] if dataset.captioned else [source]
        return [file for file in files if dataset.kind == "made" or (self.root / file).exists()]

    def images_source(self, wildcards) -> str:
        """Where they lie; the name of the setting when the user has not said where, for Snakemake quotes nothing of an empty text."""
        dataset = self._dataset(wildcards.dataset)
        if dataset.kind == "made":
            return Shared(dataset.name).coco if dataset.captioned else Shared(dataset.name).images
        below = self.user.paths.preprocessed.get(dataset.name)
        images = next((f"{below}/{name}" for name in ("images", "images.zip") if (self.root / below / name).exists()), None) if below else None
        return images or getattr(self.user.paths, dataset.source.removeprefix("paths.")) or dataset.source

    @property
    def preprocessed(self) -> str:
        """The data sets whose latents are taken over, as the pattern of a wildcard. Raises InputError for one that has none to take over."""
        datasets = self.registry(self.preset).datasets
        possible = [name for name, dataset in datasets.items() if dataset.kind == "path" and not dataset.captioned]
        for name in self.user.paths.preprocessed:
            if name not in possible:
                raise unknown("data set", name, possible, where="paths.preprocessed")
        return "|".join(self.user.paths.preprocessed) or NONE

    @property
    def extracted(self) -> str:
        """The data sets whose latents are extracted here, likewise."""
        return f"(?!(?:{self.preprocessed})/)[a-z0-9_]+"

    def moments(self, wildcards) -> str:
        """The folder or zip of the latents that are taken over."""
        below = self.user.paths.preprocessed[wildcards.dataset]
        packed = f"{below}/vae-sd.zip"
        return packed if (self.root / packed).exists() else f"{below}/vae-sd"

    def expected_images(self, wildcards) -> str:
        """Options of `sra index` and `sra index-captions`: what config/datasets.tsv says of the data set. A subset of the user's has its own
        numbers, and any classes.
        """
        dataset, paths = self._dataset(wildcards.dataset), self.user.paths
        yours = dataset.kind == "path"
        if dataset.captioned:
            subset = paths.expected_coco if yours else None
            train, val = (subset.train, subset.val) if subset else (dataset.images, dataset.validation)
            return f"--expected-train {train} --expected-val {val}"
        if dataset.source == "paths.imagenet" and paths.expected_images is not None:
            return f"--expected-images {paths.expected_images}"
        if dataset.classes is None:
            preset = self._preset_on(dataset.name)
            return f"--expected-classes {preset.classes} --least-images {0 if preset.reference else preset.reference_images}"
        return f"--expected-images {dataset.images} --expected-classes {dataset.classes}"

    def dtype(self, kind: str) -> Callable[..., str]:
        """What latents, features or text are stored as."""

        def stored(wildcards) -> str:
            preset = self._preset_on(wildcards.dataset)
            return preset.text_to_image.text_dtype if kind == "text" else getattr(preset, f"{kind}_dtype")

        return stored

    def shards(self, kind: str) -> Callable[..., list[str]]:
        """The parts of a store of latents, features, text or pixels."""

        store = {
            "latents": lambda wildcards: Shared(wildcards.dataset).latents(wildcards.vae),
            "features": lambda wildcards: Shared(wildcards.dataset).features(wildcards.encoder),
            "text": lambda wildcards: Shared(wildcards.dataset).text(wildcards.clip),
            "pixels": lambda wildcards: Shared(wildcards.dataset).pixels,
        }[kind]

        def parts(wildcards) -> list[str]:
            of = self._preset_on(wildcards.dataset).data_shards
            return [str(PurePosixPath(store(wildcards)).with_name(f"{kind}_{shard:03d}_of_{of:03d}.npy")) for shard in range(of)]

        return parts

    def token_grid(self, wildcards) -> int:
        """Tokens on a side of the models that train on this data set: patch 2 (Table 5)."""
        return self._preset_on(wildcards.dataset).latent.size // 2

    def encoding_batch(self, wildcards) -> int:
        """Images that the autoencoder sees at a time: 64 of 256 x 256 pixels, fewer of larger ones, so that they need no more memory."""
        return min(64, 64 * 256**2 // self.image_size(wildcards) ** 2)

    def standin_options(self, kind: str) -> Callable[..., list[str]]:
        """How the small network of that kind is trained, where the preset on the data set says so."""

        def options(wildcards) -> list[str]:
            settings = self._preset_on(wildcards.dataset).standins.get(kind, StandIn())
            given = settings.model_dump(exclude_none=True)
            return [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", f"{value:g}")]

        return options

    def image_size(self, wildcards) -> int:
        return self._preset_on(wildcards.dataset).image_size
