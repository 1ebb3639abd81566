"""The user's own choices (`config/config.yaml` and `snakemake --config`)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from sra.spec.base import Strict
from sra.spec.machine import Machine
from sra.spec.seeds import Seeds, each_once

NULL = ("null", "~")  # as YAML has it; Snakemake hands on what follows --config as text


class CocoImages(Strict):
    train: PositiveInt
    val: PositiveInt


def _can_be_an_input(path: str) -> str:
    if {"{", "}"} & set(path) or not path.isprintable():
        raise ValueError("Snakemake takes braces for wildcards and no breaks of lines; rename the folder, or link to it under another name")
    return path


def _a_list(seeds: Any) -> Any:
    if not isinstance(seeds, (list, tuple)):
        raise ValueError("expected a list, such as '[0, 1, 2]' for three of them")
    return seeds


def _by_key(paths: Any) -> Any:
    if isinstance(paths, (str, int, float)):
        raise ValueError("expected folders by their keys, such as '{imagenet: FOLDER}'")
    return paths


Place = Annotated[str, AfterValidator(_can_be_an_input)]
SeedList = Annotated[list[NonNegativeInt], BeforeValidator(_a_list), AfterValidator(each_once)]


def typed(key: str, value: str = "FOLDER") -> str:
    """How a path of the user's is given on a command line: `--config paths='{imagenet: FOLDER}'`; in the file it stands under paths."""
    return f"--config paths='{{{key}: {value}}}'"


class Paths(Strict):
    """Where the user keeps what cannot be downloaded for them. Every other key is one that the column source of config/datasets.tsv names, such as
    `imagenet` by `paths.imagenet`: where those images lie, or the files that they are made from.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Place | None]

    expected_images: PositiveInt | None = Field(None, description="images of a subset of ImageNet; null: all that config/datasets.tsv says")
    expected_coco: CocoImages | None = Field(None, description="images of a subset of MS-COCO; null: all that config/datasets.tsv says")
    preprocessed: dict[str, Place] = Field(
        {},
        description="by data set of config/datasets.tsv, such as imagenet256, the folder that the preprocessing of REPA or SRA wrote: its vae-sd is "
        "taken over in place of an extraction of latents, and its images, where it has them, for the data set's",
    )
    downloads: Place = Field("downloads", description="folder of the files that config/weights.tsv lists, as they were fetched")

    @property
    def of_datasets(self) -> dict[str, str | None]:
        """By the key that config/datasets.tsv names."""
        return self.__pydantic_extra__


class UserConfig(Machine):
    preset: str = "digits"
    weights: Literal["trained", "released"] = Field(
        "trained", description="released: only released checkpoints are sampled and scored, nothing is trained"
    )
    seeds: SeedList | None = Field(
        None, description="training seeds of every run that a table or curve shows; null: the preset's, else each run's own"
    )
    sampling_seeds: SeedList | None = Field(None, description="seeds that samples of each are drawn from; null: each sampler's own")
    lease_gpus: bool | None = Field(
        None, description="each job takes GPUs of its machine that no other job has; null: where the preset's rules ask for GPUs"
    )
    hardware: str | None = Field(
        None, description="a device of config/throughput.tsv, whose rates say how long a job may take; null: a100, or cpu where the preset runs there"
    )
    gpus: PositiveInt = Field(1, description="how many work at a time; cores, where the device is a CPU. For `snakemake plan` alone")
    container: str | None = Field(
        None, description="the image that jobs run in with `--sdm apptainer`: a .sif file, or an address such as docker://..."
    )
    paths: Annotated[Paths, BeforeValidator(_by_key)] = Paths()

    @property
    def shown_seeds(self) -> Seeds:
        return Seeds(training=self.seeds, sampling=self.sampling_seeds)

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, given: Any) -> Any:
        """`--config seeds=null` means what it does in the file."""
        return _without_nulls(given)


def _without_nulls(given: Any) -> Any:
    if isinstance(given, dict):
        return {key: _without_nulls(value) for key, value in given.items()}
    return None if isinstance(given, str) and given in NULL else given
