"""What the rules between samples and scores ask: the reference, the extractor, and what else is measured."""

import re

from sra.content.required import RequiredScore
from sra.core.errors import InputError
from sra.plan import assets, data
from sra.plan.context import Context
from sra.spec.layout import Shared
from sra.spec.scale import Preset

MADE = re.compile(r"(train|val)_\d+(_pytorch)?")  # names of references made here: split, images kept, resize of pytorch-fid


def refuse_impossible(context: Context, wanted: list[RequiredScore]) -> None:
    """Raise InputError for scores that mean nothing, and for those of captioned runs that sampling or scoring would refuse after the training."""
    catalogue = context.catalogue()
    second = catalogue.preset.second_extractor
    if second and catalogue.weights_of(second, "extractor").task is None:
        raise InputError(
            f"preset {context.preset}: second_extractor {second} is no second opinion: it has no task in config/weights.tsv, so labels taught it; "
            "name one that has, or leave second_extractor and fd_selfsup out"
        )
    for item in wanted:
        if catalogue.sampler(item.score.sampler).classes:
            raise InputError(
                f"sampler {item.score.sampler}: draws some classes alone, scores compare with images of all; name another for run {item.run}"
            )
        if not catalogue.is_text_to_image(item.run):
            continue
        preset, sampler, count = catalogue.preset_of(item.run), catalogue.sampler(item.score.sampler), catalogue.sample_count(item.score.samples)
        dataset, subset = data.entry(context, preset.dataset), context.user.paths.expected_coco
        validation = subset.val if subset and not dataset.made_by else dataset.validation
        if sampler.captions == "in_order" and count > validation:
            raise InputError(
                f"sampler {item.score.sampler}: {count} samples take a caption of as many validation images in order, {preset.dataset} has "
                f"{validation}; lower samples {item.score.samples} in the preset, or draw captions at random"
            )
        if sampler.official_seeding:
            raise InputError(f"sampler {item.score.sampler}: official_seeding draws classes, run {item.run} is told captions; leave it out")
        if "fid_pytorch" in preset.secondary and catalogue.weights_of(preset.extractor, "extractor").source == "trained":
            raise InputError(f"preset {context.preset}: extractor {preset.extractor} takes images as they are; leave fid_pytorch out of secondary")


# References. Rules of a data set name one by a wildcard, those of a run have the one of its preset.


def reference(context: Context, wildcards) -> str:
    """ADM's file or another that the user fetched, else the one made here."""
    return _made_reference(context, wildcards) or assets.source(context, wildcards, "reference")


def reference_input(context: Context, wildcards) -> list[str]:
    """The reference as a rule's input: a file not fetched yet is none, so that its stage can say what to fetch."""
    made = _made_reference(context, wildcards)
    return [made] if made else assets.inputs(context, wildcards, "reference")


def reference_features(context: Context, wildcards) -> str:
    preset = context.preset_of(wildcards)
    return Shared(preset.dataset).reference_features(preset.extractor, preset.reference or _name_of_made(context, preset))


def pytorch_reference(context: Context, wildcards) -> list[str]:
    """Statistics of the same images under pytorch-fid's resize, where they are compared with."""
    preset = context.preset_of(wildcards)
    if "fid_pytorch" not in preset.secondary:
        return []
    return [Shared(preset.dataset).reference(preset.extractor, f"{_split(context, preset)}_0_pytorch")]  # no image of it is read


def second_inputs(context: Context, wildcards) -> list[str]:
    """The network of the second distance and the statistics of the same images in its features, where that is scored."""
    preset = context.preset_of(wildcards)
    if "fd_selfsup" not in preset.secondary:
        return []
    weights = assets.inputs_named(context, context.catalogue(wildcards.preset), preset.second_extractor, "extractor")
    return [*weights, _second_reference(context, preset)]


def _second_reference(context: Context, preset: Preset) -> str:
    return Shared(preset.dataset).reference(preset.second_extractor, f"{_split(context, preset)}_0")  # no image of it is read


def check_options(context: Context, wildcards) -> list[str]:
    """Options that have the extractor and the reference checked against weights.tsv, where the user fetched them."""
    of_reference = [] if _made_reference(context, wildcards) else assets.check_options(context, wildcards, "reference")
    return assets.check_options(context, wildcards, "extractor") + of_reference


def _made_reference(context: Context, wildcards) -> str | None:
    """The reference that a rule makes; None where the user fetches one."""
    named = getattr(wildcards, "reference", None)
    if named:
        return Shared(wildcards.dataset).reference(wildcards.extractor, named) if MADE.fullmatch(named) else None
    preset = context.preset_of(wildcards)
    return None if preset.reference else Shared(preset.dataset).reference(preset.extractor, _name_of_made(context, preset))


def _name_of_made(context: Context, preset: Preset) -> str:
    """Images of ImageNet are compared with what was trained on, those of captions with the validation images."""
    return f"{_split(context, preset)}_{preset.reference_images}"


def _split(context: Context, preset: Preset) -> str:
    return "val" if data.entry(context, preset.dataset).captioned else "train"


# Scores


def judges(context: Context, wildcards) -> list[str]:
    """Files of the models that compare images with captions, or with real images."""
    catalogue = context.catalogue(wildcards.preset)
    return [file for name in judge_names(context, wildcards).values() for file in assets.inputs_named(context, catalogue, name, "clip")]


def options(context: Context, wildcards) -> list[str]:
    """What is measured besides, by what, and what is let pass."""
    preset, catalogue = context.preset_of(wildcards), context.catalogue(wildcards.preset)
    given = [("--secondary", metric) for metric in preset.secondary]
    given += [("--pytorch-reference", file) for file in pytorch_reference(context, wildcards)]
    if "fd_selfsup" in preset.secondary:
        given.append(("--second-extractor", assets.source_named(context, catalogue, preset.second_extractor, "extractor")))
        given.append(("--second-reference", _second_reference(context, preset)))
    given += [
        (f"--{score.partition('_')[0]}-model", assets.source_named(context, catalogue, name, "clip"))
        for score, name in judge_names(context, wildcards).items()
    ]
    return [word for option in (*given, ("--max-duplicates", str(preset.duplicates))) for word in option]


def judge_names(context: Context, wildcards) -> dict[str, str]:
    """Names of the models by the score they give, of those that are asked for."""
    preset = context.preset_of(wildcards)
    part = preset.text_to_image if context.catalogue(wildcards.preset).is_text_to_image(wildcards.run) else None
    named = dict(part.judges) if part else {"cmmd": preset.cmmd_model}
    return {score: name for score, name in named.items() if score in preset.secondary}
