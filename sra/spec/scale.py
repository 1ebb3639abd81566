"""The scale side: what a preset may vary and an experiment may not, and the functions that carry a method to another scale.

The paper's experiments are fixed in units of its own training (block 8 of 12, decay 0.9999 over 400K steps, learning rate 1e-4 at
width 768). Each function here maps one such unit; the `paper` preset maps every one of them to itself. The learning rate needs no function:
narrow models on short runs want a higher one, and the preset names one factor for all of its runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sra.core.errors import InputError, unknown
from sra.spec.base import MOST_JOBS, Jobs, Layers, Share, Steps, Strict

Size = Literal["S", "B", "L", "XL", "MMDiT"]

# Of ImageNet in the paper's units; its systems are compared at both (Tables 3 and 4).
Resolution = Literal[256, 512]
USUAL_RESOLUTION: Resolution = 256

# Of the matrix products. tf32: fp32 with TF32 products on GPUs that have them. bf16 and fp16: autocast with fp32 weights, norms and
# losses, TF32 for what stays fp32 (section 4.1 and released train.py: fp16, TF32 on); fp16 scales its loss.
Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS = get_args(Precision)


# Of what extraction leaves on disk; training reads both as fp32.
StoredDtype = Literal["fp32", "fp16"]

# Kept inside a segment of training: the newest, and one to fall back to.
ROLLING_STATES = 2

# fd_selfsup: Fréchet distance in the features of the preset's second extractor. fid_pytorch: FID with pytorch-fid's resize. The last four are
# measured on captioned data alone.
SecondaryMetric = Literal["kid", "fid_infinity", "fd_dinov2", "fd_selfsup", "fid_pytorch", "clip_score", "pick_score", "cmmd", "caption_accuracy"]


OF_CAPTIONS: tuple[SecondaryMetric, ...] = ("clip_score", "pick_score", "cmmd", "caption_accuracy")


CLASSES_OF_IMAGENET = 1000


class ProbeTraining(Strict):
    """How linear probes are trained (arXiv 2505.02831v5, appendix C): adaptive average pooling, batch norm, a linear layer; AdamW, cosine decay.

    held_out: images of the train split that the probe does not see and is scored on.
    """

    epochs: PositiveInt = 80
    batch: PositiveInt = 4096
    learning_rate: PositiveFloat = 1e-3
    held_out: PositiveInt = 50_000
    seed: int = 0


class Width(Strict):
    """Depth, width and heads of one transformer size. MLP ratio is 4 throughout."""

    depth: Layers
    width: PositiveInt
    heads: PositiveInt

    @model_validator(mode="after")
    def _is_shared_evenly_by_its_heads(self):
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared by {self.heads} heads; give a multiple")
        return self


# DiT paper (arXiv 2212.09748), Table 1; the same in SiT, REPA and SRA (Table 5).
PAPER_SIZES: dict[str, Width] = {
    "S": Width(depth=12, width=384, heads=6),
    "B": Width(depth=12, width=768, heads=12),
    "L": Width(depth=24, width=1024, heads=16),
    "XL": Width(depth=28, width=1152, heads=16),
}
# REPA's text-to-image experiment (arXiv 2410.06940, released train_t2i.py): one size, which the family's name stands for.
TEXT_TO_IMAGE_SIZES: dict[str, Width] = {"MMDiT": Width(depth=24, width=768, heads=24)}


class Latent(Strict):
    """Shape of one latent: channels x size x size."""

    channels: PositiveInt
    size: PositiveInt


class Text(Strict):
    """Shape of an encoded caption: tokens x width."""

    tokens: PositiveInt
    width: PositiveInt


class Judges(Strict):
    """Models of weights.tsv that compare images with captions, by the score they give."""

    clip_score: str
    pick_score: str
    cmmd: str


class TextToImage(Strict):
    """What runs on captions have in place of the preset's own values of the same names; the rest they share."""

    dataset: str
    vae: str
    encoders: dict[str, str]
    paper_steps_per_step: PositiveFloat
    learning_rate_factor: PositiveFloat | None = Field(None, description="None: the preset's")
    reference: str | None = None
    reference_images: PositiveInt
    secondary: list[SecondaryMetric] = []
    duplicates: Share | None = Field(None, description="None: the preset's")
    # From here on what the preset itself has not.
    text_encoder: str
    text: Text
    text_dtype: StoredDtype = "fp32"
    text_features: Literal["cached", "online"] = Field(
        "cached", description="cached: every caption's tokens on disk (77 x 768 take 0.12 MB a caption in fp16); online: computed in each step"
    )
    judges: Judges


class AtResolution(Strict):
    """What runs at another resolution than 256 have in place of the preset's own values of the same names; the rest they share."""

    dataset: str
    image_size: PositiveInt
    latent: Latent
    reference: str | None = Field(None, description="as in the preset; statistics belong to one resolution")
    # None: the preset's.
    vae: str | None = None
    extractor: str | None = None
    encoders: dict[str, str] | None = None
    models: dict[Size, Width] | None = None
    milestones: dict[str, PositiveInt] | None = None
    paper_steps_per_step: PositiveFloat | None = None
    learning_rate_factor: PositiveFloat | None = None
    sampling_batch: PositiveInt | None = None


class StandIn(Strict):
    """How a small network is trained that stands for a downloaded one. None: as suits the digits.

    width: what it counts is said where the network is defined (`sra/encoders/vae.py`, `vision_training.py`, `sra/metrics/small_extractor.py`,
    `rotation_extractor.py`).
    """

    width: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch: PositiveInt | None = None
    learning_rate: PositiveFloat | None = None


class Needs(Strict):
    """What a job of one stage asks of the machine."""

    gpu: NonNegativeInt = 0
    threads: PositiveInt = 1
    mem_mb: PositiveInt = 2000
    runtime: PositiveInt = Field(60, description="minutes")


class Preset(Strict):
    """A scale at which every experiment can run (`config/presets/*.yaml`)."""

    title: str
    comparable: bool = Field(description="whether its numbers may be compared with the paper's; true for the paper preset alone")
    shows: list[str] | None = Field(
        None, description="tables and figures of the report, and what is built without a target; null: all that are not made on request alone"
    )
    seeds: list[NonNegativeInt] | None = Field(None, description="training seeds where the user names none; null: each run's own")
    studies: list[str] = Field([], description="of config/studies: their rows also stop at their milestones, and `snakemake study_NAME` runs them")
    dataset: str
    image_size: PositiveInt
    classes: PositiveInt
    class_names: list[str] | None = Field(None, description="what is in each class, for captions; null: class 0 and so on")
    latent: Latent
    vae: str
    extractor: str
    second_extractor: str | None = Field(None, description="trained on the same images without labels; what fd_selfsup compares features of")
    encoders: dict[str, str] = Field(description="the encoder that stands for each encoder named by a method")
    models: dict[Size, Width] = {}
    batch: PositiveInt
    milestones: dict[str, PositiveInt] = Field(description="step of each milestone of the paper; milestones left out are not run")
    paper_steps_per_step: PositiveFloat
    learning_rate_factor: PositiveFloat = Field(1.0, description="times the recipe's learning rate, for every run alike")
    segment_steps: PositiveInt | None = Field(None, description="longest training job; None trains from milestone to milestone")
    rolling_minutes: PositiveFloat = 10.0
    precision: Precision = "fp32"
    samples: dict[PositiveInt, PositiveInt] = Field(description="images drawn where the paper draws so many")
    evaluations: dict[PositiveInt, Steps] = Field({}, description="network evaluations where the paper uses so many")
    reference: str | None = Field(None, description="reference of weights.tsv; None makes one of the train split")
    reference_images: PositiveInt = Field(description="real images behind precision and recall, where the reference is made here")
    secondary: list[SecondaryMetric] = Field([], description="scored beside the five")
    cmmd_model: str | None = Field(None, description="CLIP of weights.tsv behind cmmd of images of classes; captioned images have judges")
    duplicates: Share = Field(0.0, description="largest share of byte-equal or blank images that a sample set may hold")
    shard_samples: PositiveInt = 50_000
    sampling_batch: PositiveInt = 64
    sampling_precision: Precision = "fp32"
    data_shards: Jobs = Field(1, description="jobs that share the extraction of latents, features or pixels")
    latents_dtype: StoredDtype = "fp32"
    features_dtype: StoredDtype = "fp32"
    encoder_features: Literal["cached", "online"] = Field(
        "cached", description="cached: every image's tokens on disk (0.2 MB an image and token grid of 16); online: computed in each step"
    )
    standins: dict[Literal["vae", "encoder", "extractor", "second_extractor"], StandIn] = Field(
        {}, description="training of the small networks on the preset's own data set, not on those of its parts"
    )
    probe: ProbeTraining = ProbeTraining()
    text_to_image: TextToImage | None = Field(None, description="the part on captioned images; None leaves it out")
    resolutions: dict[Literal[512], AtResolution] = Field({}, description="runs at resolutions of the paper other than 256; left out without a part")
    needs: dict[Literal["data", "standin", "train", "measure", "sample", "score", "report"], Needs] = {}

    @property
    def uses_gpus(self) -> bool:
        return any(needs.gpu for needs in self.needs.values())

    @property
    def datasets(self) -> list[str]:
        """The data sets of the preset and of its parts, each once."""
        parts = [*([self.text_to_image] if self.text_to_image else []), *self.resolutions.values()]
        return list(dict.fromkeys([self.dataset, *(part.dataset for part in parts)]))

    def class_name(self, label: int) -> str:
        return f"class {label}" if self.class_names is None else self.class_names[label]

    def for_captions(self) -> "Preset":
        """The same preset as runs on captions see it. Raises InputError when it has no such part."""
        if self.text_to_image is None:
            raise InputError(f"preset {self.title!r} has no text_to_image; add it, or choose a preset that has")
        inherits = ("learning_rate_factor", "duplicates")
        own = {name: value for name, value in self.text_to_image if name in type(self).model_fields}
        update = {name: value for name, value in own.items() if value is not None or name not in inherits}
        return self.model_copy(update=update | {"standins": {}})

    def at_resolution(self, resolution: Resolution) -> "Preset":
        """The same preset as runs at that resolution of the paper see it. Raises InputError when it has no such part."""
        if resolution == USUAL_RESOLUTION:
            return self
        if resolution not in self.resolutions:
            raise InputError(f"preset {self.title!r} has no resolution {resolution}; add it to resolutions, or choose a preset that has")
        part = self.resolutions[resolution]
        update = {name: value for name, value in part if value is not None or name == "reference"}
        return self.model_copy(update=update | {"standins": {}})

    @model_validator(mode="after")
    def _is_cut_into_jobs_that_can_be_listed(self):
        parts = [self, *self.resolutions.values()]
        steps = max((step for part in parts for step in (part.milestones or {}).values()), default=0)
        cuts = (("segment_steps", self.segment_steps, steps), ("shard_samples", self.shard_samples, max(self.samples.values(), default=0)))
        for key, length, whole in cuts:
            if length and whole > MOST_JOBS * length:
                raise ValueError(f"{key} {length} cuts {whole} into more than {MOST_JOBS} jobs; raise it")
        return self

    @model_validator(mode="after")
    def _every_class_has_a_name_or_none(self):
        if self.class_names is not None and len(self.class_names) != self.classes:
            raise ValueError(f"class_names has {len(self.class_names)} and there are {self.classes} classes; name each, or leave it out")
        return self

    @model_validator(mode="after")
    def _seeds_once(self):
        if self.seeds is not None and (not self.seeds or len(set(self.seeds)) < len(self.seeds)):
            raise ValueError(f"seeds {self.seeds}: name at least one, and each once")
        return self

    @model_validator(mode="after")
    def _captions_are_scored_where_there_are_some(self):
        wrong = sorted(set(self.secondary) & set(OF_CAPTIONS) - ({"cmmd"} if self.cmmd_model else set()))
        if wrong:
            remedy = "name its CLIP as cmmd_model" if wrong[0] == "cmmd" else "move it to text_to_image"
            raise ValueError(f"secondary has {wrong[0]}, which images of classes do not give; {remedy}")
        return self

    @model_validator(mode="after")
    def _a_second_distance_has_features_of_its_own(self):
        if "fd_selfsup" in (*self.secondary, *(self.text_to_image.secondary if self.text_to_image else ())) and self.second_extractor is None:
            raise ValueError("secondary has fd_selfsup; name the network that it asks as second_extractor, or leave fd_selfsup out")
        return self


@dataclass(frozen=True)
class Carrier:
    """Carries what a method names in the paper's model over to a preset's model, encoders and batch."""

    paper: Width
    here: Width
    encoders: Mapping[str, str]
    batch: int = 256  # of the paper

    def block(self, block: int) -> int:
        return scaled_block(block, self.paper.depth, self.here.depth)

    def projector_width(self, projector: int) -> int:
        return scaled_projector_width(projector, self.paper.width, self.here.width)

    def group(self, group: int) -> int:
        """Samples that a loss compares with each other: a batch that is smaller is one group."""
        return min(group, self.batch)

    def encoder(self, name: str) -> str:
        """The preset's stand-in, or the name itself for a timm model."""
        if name.startswith("timm/"):
            return name
        if name not in self.encoders:
            raise ValueError(f"{unknown('encoder', name, self.encoders)}, or timm/NAME for any vision transformer of timm")
        return self.encoders[name]


def scaled_block(block: int, paper_depth: int, depth: int) -> int:
    """The block of a `depth`-layer model at the same relative depth, at least 1. Halves round up, so order is kept.

    Blocks count from 1; the last block maps to the last.
    """
    if not 1 <= block <= paper_depth:
        raise ValueError(f"block {block} does not exist in a model of {paper_depth} blocks; give 1 to {paper_depth}")
    return max(1, int(block * depth / paper_depth + 0.5))


def scaled_projector_width(projector: int, paper_width: int, width: int) -> int:
    """REPA's projector in proportion to the model, in multiples of 16; unchanged in the paper's model."""
    if width == paper_width:
        return projector
    return max(16, round(projector * width / paper_width / 16) * 16)


def scaled_decay(decay: float, paper_steps_per_step: float) -> float:
    """The decay that forgets as fast relative to the whole training: one step here stands for many of the paper's."""
    return decay**paper_steps_per_step


def class_here(image_class: int, classes: int) -> int:
    """The class that stands for one of ImageNet's in a data set of so many classes: counted round them, so 33 is 3 of ten."""
    return image_class % classes
