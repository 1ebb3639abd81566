"""What the rules of data sets ask: the images, and the stores that training reads. Of the wildcards, one is the data set."""

from pathlib import Path, PurePosixPath

import sra
from sra.core.errors import InputError, unknown
from sra.core.receipts import receipt_of, receipt_path
from sra.plan.context import Context
from sra.spec.assets import DatasetEntry, dataset_named
from sra.spec.config import Paths
from sra.spec.layout import Shared
from sra.spec.scale import Preset, StandIn

ANNOTATIONS = ("annotations/captions_train2014.json", "annotations/captions_val2014.json")
IMAGENET = 1_281_167  # images
NONE = "(?!)"  # the pattern that no name fits
SCENES = (*ANNOTATIONS, "train2014.zip", "val2014.zip")  # what `sra make-scenes` writes
STORES = {
    "latents": lambda wildcards: Shared(wildcards.dataset).latents(wildcards.vae),
    "features": lambda wildcards: Shared(wildcards.dataset).features(wildcards.encoder),
    "text": lambda wildcards: Shared(wildcards.dataset).text(wildcards.clip),
    "pixels": lambda wildcards: Shared(wildcards.dataset).pixels,
}


def entry(context: Context, name: str) -> DatasetEntry:
    """The row of config/datasets.tsv. Raises InputError for a data set that it does not have."""
    return dataset_named(context.catalogue().datasets, name)


def refuse_unknown(context: Context) -> None:
    """Raise InputError for a data set without a row, a row without the file that makes it, and a path of the user's that no row asks for."""
    datasets, paths = context.catalogue().datasets, context.user.paths
    for name in context.catalogue().preset.datasets:
        entry(context, name)
    for dataset in datasets.values():
        file = f"sra/data/{dataset.made_by}.py"
        if dataset.made_by and not (Path(sra.__file__).parents[1] / file).exists():
            raise InputError(f"config/datasets.tsv: {dataset.name} is made by {file}: no such file; write it, or correct made_by")
    asked = {dataset.path_key for dataset in datasets.values()} - {None}
    for key in paths.of_datasets:
        if key not in asked:
            place = context.typed.place_of(("paths", key))
            raise unknown("key", key, asked | Paths.model_fields.keys(), where=f"{place}: paths.{key}")
    preprocessed(context)


def preset_on(context: Context, dataset: str) -> Preset:
    """The preset, or its part on captions or at another resolution, whose data set this is: the user's, else the first that uses it."""
    ids = [context.preset, *sorted(path.stem for path in (context.root / "config" / "presets").glob("*.yaml"))]
    for preset in (context.catalogue(name).preset for name in ids):
        captions = [preset.for_captions()] if preset.text_to_image else []
        for part in (preset, *captions, *map(preset.at_resolution, preset.resolutions)):
            if part.dataset == dataset:
                return part
    raise InputError(f"no preset uses data set {dataset!r}; name one in config/presets")


def images_of(context: Context, dataset: str) -> int:
    """Images to train on: as config/datasets.tsv says or, of a user's own, as their index does; as many as ImageNet has until there is one."""
    listed, index = entry(context, dataset).images, context.root / Shared(dataset).index
    if listed is not None:
        return listed
    return receipt_of(index)["facts"]["splits"]["train"] if receipt_path(index).exists() else IMAGENET


# Images


def captioned(context: Context) -> str:
    """The captioned data sets as the pattern of a wildcard."""
    return "|".join(name for name, dataset in context.catalogue().datasets.items() if dataset.captioned)


def makers(context: Context) -> list[str]:
    """The files of sra/data that make images with classes."""
    datasets = context.catalogue().datasets.values()
    return list(dict.fromkeys(dataset.made_by for dataset in datasets if dataset.made_by and not dataset.captioned))


def made_by(context: Context, maker: str) -> str:
    """The data sets that such a file makes, as the pattern of a wildcard."""
    return "|".join(name for name, dataset in context.catalogue().datasets.items() if dataset.made_by == maker)


def row(context: Context, wildcards) -> str:
    """What is made, as JSON: a changed count is a changed parameter, so the images are made again."""
    return entry(context, wildcards.dataset).model_dump_json(include={"made_by", "images", "classes"})


def making_options(context: Context, wildcards) -> list[str]:
    """Where the files lie that the images are made from, or where they are downloaded to, of a data set that asks for some."""
    key, paths = entry(context, wildcards.dataset).path_key, context.user.paths
    if key is None:
        return []
    return ["--source", paths.of_datasets[key]] if paths.of_datasets.get(key) else ["--downloads", paths.downloads]


def source_files(context: Context, wildcards) -> list[str]:
    """The images as a rule's input: made by the workflow, or the user's own; empty when they are not there (the stage then says so).

    Of the user's captioned images only the annotations, which name the rest.
    """
    place, dataset = source(context, wildcards), entry(context, wildcards.dataset)
    files = [f"{place}/{file}" for file in (SCENES if dataset.made_by else ANNOTATIONS)] if dataset.captioned else [place]
    return [file for file in files if dataset.made_by or (context.root / file).exists()]


def source(context: Context, wildcards) -> str:
    """Where the images lie; the name of the setting when the user has not said where, for Snakemake quotes nothing of an empty text."""
    dataset, paths = entry(context, wildcards.dataset), context.user.paths
    if dataset.made_by:
        return Shared(dataset.name).coco if dataset.captioned else Shared(dataset.name).images
    if below := paths.preprocessed.get(dataset.name):
        for name in ("images", "images.zip"):
            if (context.root / below / name).exists():
                return f"{below}/{name}"
    return paths.of_datasets.get(dataset.path_key) or dataset.source


def expected_images(context: Context, wildcards) -> str:
    """Options of `sra index` and `sra index-captions`: what config/datasets.tsv says of the data set. A subset of the user's has its own
    numbers, and any classes.
    """
    dataset, paths = entry(context, wildcards.dataset), context.user.paths
    if dataset.captioned:
        subset = None if dataset.made_by else paths.expected_coco
        train, val = (subset.train, subset.val) if subset else (dataset.images, dataset.validation)
        return f"--expected-train {train} --expected-val {val}"
    if dataset.source == "paths.imagenet" and paths.expected_images is not None:
        return f"--expected-images {paths.expected_images}"
    if dataset.classes is None:
        preset = preset_on(context, dataset.name)
        return f"--expected-classes {preset.classes} --least-images {0 if preset.reference else preset.reference_images}"
    return f"--expected-images {dataset.images} --expected-classes {dataset.classes}"


def image_size(context: Context, wildcards) -> int:
    """Pixels on a side."""
    return preset_on(context, wildcards.dataset).image_size


# Stores


def preprocessed(context: Context) -> str:
    """The data sets whose latents are taken over, as the pattern of a wildcard. Raises InputError for one that has none to take over."""
    possible = [name for name, dataset in context.catalogue().datasets.items() if not (dataset.made_by or dataset.captioned)]
    for name in context.user.paths.preprocessed:
        if name not in possible:
            where = f"{context.typed.place_of(('paths', 'preprocessed', name))}: paths.preprocessed"
            raise unknown("data set", name, possible, where=where)
    return "|".join(context.user.paths.preprocessed) or NONE


def extracted(context: Context) -> str:
    """The data sets whose latents are extracted here, as such a pattern."""
    return f"(?!(?:{preprocessed(context)})/)[a-z0-9_]+"


def moments(context: Context, wildcards) -> str:
    """The folder or zip of the latents that are taken over."""
    below = context.user.paths.preprocessed[wildcards.dataset]
    packed = f"{below}/vae-sd.zip"
    return packed if (context.root / packed).exists() else f"{below}/vae-sd"


def shards(context: Context, wildcards, kind: str) -> list[str]:
    """The parts of a store of that kind in `STORES`."""
    store, of = PurePosixPath(STORES[kind](wildcards)), preset_on(context, wildcards.dataset).data_shards
    return [str(store.with_name(f"{kind}_{shard:03d}_of_{of:03d}.npy")) for shard in range(of)]


def dtype(context: Context, wildcards, kind: str) -> str:
    """What latents, features or text are stored as."""
    preset = preset_on(context, wildcards.dataset)
    return preset.text_to_image.text_dtype if kind == "text" else getattr(preset, f"{kind}_dtype")


def token_grid(context: Context, wildcards) -> int:
    """Tokens on a side of the models that train on this data set: patch 2 (Table 5)."""
    return preset_on(context, wildcards.dataset).latent.size // 2


def encoding_batch(context: Context, wildcards) -> int:
    """Images that the autoencoder sees at a time: 64 of 256 x 256 pixels, fewer of larger ones, so that they need no more memory."""
    return min(64, 64 * 256**2 // image_size(context, wildcards) ** 2)


def extractor_options(context: Context, wildcards) -> list[str]:
    """How an extractor is trained, and for which task where it learns without labels."""
    task = context.catalogue().weights_of(wildcards.extractor, "extractor").task
    if task is None:
        return standin_options(context, wildcards, "extractor")
    return ["--task", task, *standin_options(context, wildcards, "second_extractor")]


def standin_options(context: Context, wildcards, kind: str) -> list[str]:
    """How the small network of that kind is trained, where the preset on the data set says so."""
    given = preset_on(context, wildcards.dataset).standins.get(kind, StandIn()).model_dump(exclude_none=True)
    return [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", f"{value:g}")]
