"""FID, sFID, inception score, precision and recall of sample sets by the ADM definitions: a table here, everything else in one JSON.

\b
Examples:
  sra score samples.npz --reference VIRTUAL_imagenet256_labeled.npz
  sra score pngs/ --reference REF.npz --labels random --uint8 floor
  sra score pngs/ --reference real_pngs/ --recursive
  sra score both.npz --key fake --reference both.npz --reference-key real
  sra score seed0.npz seed1.npz seed2.npz --reference REF.npz --output s.json
  sra score few.npz --reference REF.npz --allow-count --secondary kid
  sra score t2i.npz --reference REF.npz --secondary clip_score --clip-model openai/clip-vit-large-patch14 --captions captions.txt
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sra.commands import options
from sra.core.errors import InputError
from sra.core.files import write_checked_json
from sra.metrics.real_images import ReadAs
from sra.metrics.replaced import check_replaced
from sra.metrics.score_inputs import (
    OpenedExtractor,
    OpenedReference,
    OpenedSecond,
    open_extractor,
    open_pytorch_reference,
    open_reference,
    open_second,
    read_real_features,
    refuse_without_classes,
    with_statistics,
)
from sra.metrics.score_judges import judges_of, open_models
from sra.metrics.score_record import record_of, score_table, with_spread
from sra.metrics.scored_samples import open_samples, refuse_unlike, settings_of
from sra.metrics.suite import RealFeatures, Settings, check_request, check_size, real_features
from sra.metrics.suite import score as scores_of
from sra.models.device import choose_device
from sra.spec.load import checked_options
from sra.spec.score import ForeignScore, ScoreOptions, ScoreRecord, SeedScores


def score(
    samples: Annotated[list[Path], typer.Argument(help="npz, .npy or folder of PNGs; several are sets drawn with several seeds")],
    reference: options.Reference,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, callback=options.writable, help="JSON to write; by default SAMPLES.score.json"),
    ] = None,
    extractor: options.FoundExtractor = None,
    extractor_name: options.ExtractorName = None,
    reference_name: options.ReferenceName = None,
    reference_features: Annotated[Path | None, typer.Option(help="what sra reference-features wrote; by default computed again")] = None,
    count: Annotated[int | None, typer.Option(help="declared number of samples; by default the receipt's, else 50000")] = None,
    allow_count: Annotated[bool, typer.Option("--allow-count", help="score any number; names then say it, as FID@1000 always does")] = False,
    labels: Annotated[str | None, typer.Option(help="random or balanced: how the classes were chosen; checked and recorded")] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="of the data set, where no receipt and no extractor says: 1000 of ImageNet")] = None,
    uint8: Annotated[str | None, typer.Option(help="floor or round: how the sampler made bytes; recorded")] = None,
    max_duplicates: Annotated[float, typer.Option(help="largest share of byte-equal or blank samples, 0 to 1")] = 0.0,
    skip: Annotated[list[str] | None, typer.Option(help="sfid or precision_recall, for a reference without mu_s or arr_0")] = None,
    precision_recall: Annotated[str, typer.Option(help="fp32, or adm_fp16: rounded as the original suite does")] = "fp32",
    secondary: Annotated[
        list[str] | None,
        typer.Option(help="beside the five: kid, fid_infinity, fd_dinov2, fd_selfsup, fid_pytorch, cmmd, clip_score, pick_score or caption_accuracy"),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="of fd_dinov2: timm name or folder")] = None,
    pytorch_reference: Annotated[Path | None, typer.Option(help="of fid_pytorch: what sra make-reference --resize pytorch wrote")] = None,
    second_extractor: Annotated[
        Path | None, typer.Option(help="of fd_selfsup: folder of a network trained without labels, by sra train-extractor --task rotation")
    ] = None,
    second_reference: Annotated[Path | None, typer.Option(help="of fd_selfsup: what sra make-reference wrote with that network")] = None,
    clip_model: Annotated[str | None, typer.Option(help="of clip_score: folder, or owner/name of the hub")] = None,
    pick_model: Annotated[str | None, typer.Option(help="of pick_score: the same")] = None,
    cmmd_model: Annotated[str | None, typer.Option(help="of cmmd: the same")] = None,
    captions: Annotated[
        Path | None, typer.Option(help="text file of what each image was drawn from, one a line; for samples without their own")
    ] = None,
    key: Annotated[str | None, typer.Option(help="array of the images in an npz; by default arr_0, or the only one that can be")] = None,
    labels_key: Annotated[str | None, typer.Option(help="array of the labels in an npz; by default labels, label, y or arr_1, if it fits")] = None,
    reference_key: options.ReferenceKey = None,
    recursive: options.Recursive = None,
    replace: Annotated[bool, typer.Option("--replace", help="write over the score of other samples")] = False,
    allow_jpeg: options.AllowJpeg = False,
    batch: options.ImagesAtATime = 256,
    device: options.Device = "auto",
) -> ScoreRecord | ForeignScore | SeedScores:
    """Write and return the score of one sample set, or of several and their spread; the same inputs give the same bytes."""
    asked = checked_options(locals(), ScoreOptions, "sra score").model_copy(update={"device": choose_device(device).type})
    output = output or options.writable(_beside(samples, key))

    extractor = open_extractor(asked.extractor, asked.device, asked.extractor_name)
    refuse_without_classes(extractor)
    read_as = ReadAs(asked.reference_key, asked.allow_jpeg, asked.recursive)
    real = open_reference(reference, extractor, asked.skip, asked.reference_name, read_as=read_as)
    pytorch = open_pytorch_reference(asked.pytorch_reference, extractor, real) if "fid_pytorch" in asked.secondary else None
    second = _second(asked, extractor, real)
    sets = [open_samples(path, asked) for path in samples]
    refuse_unlike(sets)
    check_replaced(output, [(one.sha256, one.samples.key) for one in sets], asked.replace)
    settings = [settings_of(one, asked, reference, extractor) for one in sets]
    counts = sorted({wanted.count for wanted in settings})
    if len(counts) > 1:
        raise InputError(f"samples: sets of {' and '.join(map(str, counts))} images have no spread together; give sets of one count")
    for one, wanted in zip(sets, settings, strict=True):
        with _named(one.path):
            check_request(one.samples, real.reference, extractor.extractor, wanted)
            if second:
                check_size(one.samples.images[:1], second.extractor.extractor, "samples")
    models = open_models(asked)

    real = with_statistics(real, extractor, asked.batch, asked.device)
    features = _real_features(real, extractor, settings[0], asked)
    judges = judges_of(models, real.reference.images, pytorch and pytorch.reference, second, asked.batch)
    records = []
    for one, wanted in zip(sets, settings, strict=True):
        with _named(one.path):
            scores = scores_of(one.samples, real.reference, extractor.extractor, wanted, features, judges)
        for warning in scores.warnings:
            print(f"WARNING: {one.path}: {warning}", file=sys.stderr, flush=True)
        records.append(record_of(one, scores, wanted, extractor, real, pytorch, asked))
    result = records[0] if len(records) == 1 else with_spread(records)
    write_checked_json(output, result.as_json())
    print(score_table(samples, reference, records, result, output))
    return result


def _beside(samples: list[Path], key: str | None) -> Path:
    """SAMPLES.score.json by the whole name, so that a.npz, the folder a and another array of a.npz, or cfg-1.5 and cfg-1.8, have one each."""
    first = samples[0].resolve()
    array = "" if key is None else f".{re.sub(r'[^A-Za-z0-9_.-]', '_', key)}"
    more = f".and-{len(samples) - 1}-more" if len(samples) > 1 else ""
    return first.with_name(f"{first.name}{array}{more}.score.json")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is refused inside is refused under the name of its file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _second(asked: ScoreOptions, extractor: OpenedExtractor, real: OpenedReference) -> OpenedSecond | None:
    if "fd_selfsup" not in asked.secondary:
        return None
    return open_second(asked.second_extractor, asked.second_reference, extractor, real, asked.device)


def _real_features(real: OpenedReference, extractor: OpenedExtractor, settings: Settings, asked: ScoreOptions) -> RealFeatures | None:
    """Once for all sets."""
    if asked.reference_features:
        return read_real_features(asked.reference_features, real, extractor)
    if real.features:
        return real.features
    if real.reference.images is None or not settings.needs_real_features:
        return None
    return real_features(real.reference.images, extractor.extractor, asked.batch)
