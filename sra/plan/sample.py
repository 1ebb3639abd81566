"""What the rules between weights and packs of samples ask."""

import math
from dataclasses import replace

from sra.content.required import RequiredScore
from sra.forecast.disk import pack_bytes
from sra.forecast.job_flops import Works
from sra.plan import assets, needs
from sra.plan.context import Context
from sra.spec.layout import Results, Shared
from sra.spec.metric import ScoreOf


def sampler(context: Context, wildcards) -> str:
    """The resolved sampler as JSON: a changed sampler is a changed parameter, so its samples are drawn again."""
    catalogue = context.catalogue(wildcards.preset)
    catalogue.refuse_unfit(wildcards.sampler, wildcards.run)
    return catalogue.sampler(wildcards.sampler).model_dump_json()


def count(context: Context, wildcards) -> int:
    """How many images the preset draws for so many of the paper's."""
    return context.catalogue(wildcards.preset).sample_count(int(wildcards.paper_count))


def prompts(context: Context, wildcards) -> dict[str, str | list[str]]:
    """What captions are drawn from and encoded by; empty lists for models of classes."""
    spec = context.spec(wildcards)
    if spec.text_encoder is None:
        return {"captions": [], "text_encoder": []}
    return {"captions": Shared(spec.dataset).index, "text_encoder": assets.inputs(context, wildcards, "clip")}


def latent_mean(context: Context, wildcards) -> list[str]:
    """The mean of the latents that the run trains on, for a sampler of a corrected velocity; else nothing."""
    spec = context.spec(wildcards)
    corrected = context.catalogue(wildcards.preset).sampler(wildcards.sampler).velocity == "corrected"
    return [Shared(spec.dataset).latent_mean(spec.vae)] if corrected else []


def options(context: Context, wildcards) -> list[str]:
    """Batch and precision, which change no image but for rounding, the prompts and the mean latent."""
    preset, captions = context.preset_of(wildcards), prompts(context, wildcards)["captions"]
    asked = ["--captions", captions, "--text-encoder", assets.source(context, wildcards, "clip")] if captions else []
    given = [word for file in latent_mean(context, wildcards) for word in ("--latent-mean", file)]
    return ["--batch", str(preset.sampling_batch), "--precision", preset.sampling_precision, *asked, *given]


def shards(context: Context, wildcards) -> list[str]:
    """The parts that a pack is made from."""
    catalogue = context.catalogue(wildcards.preset)
    seeding, images = catalogue.sampler(wildcards.sampler).official_seeding, count(context, wildcards)
    parts = seeding.processes if seeding else math.ceil(images / catalogue.preset.shard_samples)
    return [
        Results(wildcards.preset).sample_shard(wildcards.run, wildcards.milestone, wildcards.sampler, int(wildcards.paper_count), shard, parts)
        for shard in range(parts)
    ]


def runtime(context: Context, wildcards, attempt: int) -> int:
    """Minutes of one shard."""
    score = ScoreOf(milestone=wildcards.milestone, sampler=wildcards.sampler, samples=int(wildcards.paper_count))
    whole = Works(context.catalogue(wildcards.preset)).sampling(RequiredScore(wildcards.run, score))
    works = tuple(replace(work, amount=work.amount / int(wildcards.shards)) for work in whole)
    seconds = needs.predicted_seconds(context, wildcards.preset, "sample", works)
    return needs.runtime(context, wildcards, attempt, "sample", seconds)


def disk_mb(context: Context, wildcards) -> int:
    """The images of one shard."""
    images = math.ceil(count(context, wildcards) / int(wildcards.shards))
    return needs.megabytes(pack_bytes(images, context.spec(wildcards).image_size))
