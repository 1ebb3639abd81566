"""`sra make-reference`, `reference-features`, `score`, `conformance`: the commands around the metrics."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import device_type, stage
from sra.cli.options import Device, Output, writable
from sra.core.errors import InputError, unknown

commands = typer.Typer()

Batch = Annotated[int, typer.Option(min=1, help="images at a time")]
Reference = Annotated[
    Path, typer.Option(help="npz of real images and their statistics, ADM's or one made here; or real images alone, as npz, .npy or folder")
]
ReferenceKey = Annotated[str | None, typer.Option(help="array of the reference's images; by default arr_0, or the only one that can be")]
AllowJpeg = Annotated[bool, typer.Option("--allow-jpeg", help="take JPEG and lossy WebP files in a folder")]
Recursive = Annotated[
    bool | None, typer.Option("--recursive/--no-recursive", help="of sub-folders with images: read all as one set, or leave those out")
]
FoundExtractor = Annotated[
    Path | None, typer.Option(help="folder or file of the feature extractor; by default the FID Inception file in ./downloads or torch's hub cache")
]
ExtractorName = Annotated[str | None, typer.Option(help="its row in config/weights.tsv, whose size and hash it must have")]
ReferenceName = Annotated[str | None, typer.Option(help="the reference's row in config/weights.tsv")]


@commands.command()
def make_reference(
    index: Annotated[Path, typer.Option(help="index.json of the images")],
    extractor: Annotated[Path, typer.Option(help="folder or file of the feature extractor")],
    images: Annotated[int, typer.Option(min=0, help="kept images; 0 where only the statistics are read")],
    output: Output,
    extractor_name: ExtractorName = None,
    split: Annotated[str, typer.Option(help="train or val: whose images")] = "train",
    resize: Annotated[str, typer.Option(help="tensorflow: the FID graph's and ADM's; pytorch: pytorch-fid's, for sra score --pytorch-reference")] = (
        "tensorflow"
    ),
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
    device: Device = "auto",
) -> None:
    """Statistics of a split's images, and some of the images, in the layout of ADM's reference batches.

    Example: sra make-reference --index index.json --extractor INCEPTION.pth --images 10000 --split val --resize pytorch --output reference.npz
    """
    for option, asked, known in (("split", split, ("train", "val")), ("resize", resize, ("tensorflow", "pytorch"))):
        if asked not in known:
            raise unknown(option, asked, known)
    run = stage("make_reference", "make_reference")
    options = {"extractor_name": extractor_name, "split": split, "resize": resize, "workers": workers}
    run(index, extractor, images, output, device=device_type(device), **options)


@commands.command()
def reference_features(
    reference: Reference,
    output: Output,
    extractor: FoundExtractor = None,
    extractor_name: ExtractorName = None,
    reference_name: ReferenceName = None,
    reference_key: ReferenceKey = None,
    allow_jpeg: AllowJpeg = False,
    recursive: Recursive = None,
    batch: Batch = 256,
    device: Device = "auto",
) -> None:
    """Features of a reference's images, once for all the scores that compare with it.

    Example: sra reference-features --reference VIRTUAL_imagenet256_labeled.npz --output features.npz
    """
    run = stage("reference_features", "reference_features")
    read_as = stage("real_images", "ReadAs")(reference_key, allow_jpeg, recursive)
    run(reference, extractor, output, extractor_name, reference_name, batch, device_type(device), read_as)


@commands.command()
def score(
    samples: Annotated[list[Path], typer.Argument(help="npz, .npy or folder of PNGs; several are sets drawn with several seeds")],
    reference: Reference,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, callback=writable, help="JSON to write; by default SAMPLES.score.json"),
    ] = None,
    extractor: FoundExtractor = None,
    extractor_name: ExtractorName = None,
    reference_name: ReferenceName = None,
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
        typer.Option(help="beside the five: kid, fid_infinity, fd_dinov2, fid_pytorch, cmmd, clip_score, pick_score or caption_accuracy"),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="of fd_dinov2: timm name or folder")] = None,
    pytorch_reference: Annotated[Path | None, typer.Option(help="of fid_pytorch: what sra make-reference --resize pytorch wrote")] = None,
    clip_model: Annotated[str | None, typer.Option(help="of clip_score: folder, or owner/name of the hub")] = None,
    pick_model: Annotated[str | None, typer.Option(help="of pick_score: the same")] = None,
    cmmd_model: Annotated[str | None, typer.Option(help="of cmmd: the same")] = None,
    captions: Annotated[
        Path | None, typer.Option(help="text file of what each image was drawn from, one a line; for samples without their own")
    ] = None,
    key: Annotated[str | None, typer.Option(help="array of the images in an npz; by default arr_0, or the only one that can be")] = None,
    labels_key: Annotated[str | None, typer.Option(help="array of the labels in an npz; by default labels, label, y or arr_1, if it fits")] = None,
    reference_key: ReferenceKey = None,
    recursive: Recursive = None,
    replace: Annotated[bool, typer.Option("--replace", help="write over the score of other samples")] = False,
    allow_jpeg: AllowJpeg = False,
    batch: Batch = 256,
    device: Device = "auto",
) -> None:
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
    from sra.spec.load import checked
    from sra.spec.score import ScoreOptions

    asked = {
        "extractor": extractor,
        "extractor_name": extractor_name,
        "reference_name": reference_name,
        "reference_features": reference_features,
        "count": count,
        "allow_count": allow_count,
        "allow_jpeg": allow_jpeg,
        "labels": labels,
        "classes": classes,
        "uint8": uint8,
        "max_duplicates": max_duplicates,
        "skip": tuple(skip or ()),
        "precision_recall": precision_recall,
        "secondary": tuple(secondary or ()),
        "pytorch_reference": pytorch_reference,
        "clip_model": clip_model,
        "pick_model": pick_model,
        "cmmd_model": cmmd_model,
        "captions": captions,
        "batch": batch,
        "key": key,
        "labels_key": labels_key,
        "reference_key": reference_key,
        "recursive": recursive,
        "replace": replace,
        **({"encoder": encoder} if encoder else {}),
    }
    checked(asked, ScoreOptions, "sra score")  # before torch is imported
    options = checked({**asked, "device": device_type(device)}, ScoreOptions, "sra score")
    stage("score_samples", "score_samples")(samples, reference, output or writable(_beside(samples, key)), options)


def _beside(samples: list[Path], key: str | None) -> Path:
    """SAMPLES.score.json by the whole name, so that a.npz, the folder a and another array of a.npz, or cfg-1.5 and cfg-1.8, have one each."""
    first = samples[0].resolve()
    array = "" if key is None else f".{re.sub(r'[^A-Za-z0-9_.-]', '_', key)}"
    more = f".and-{len(samples) - 1}-more" if len(samples) > 1 else ""
    return first.with_name(f"{first.name}{array}{more}.score.json")


@commands.command()
def conformance(
    samples: Annotated[Path, typer.Option(help="folder of the sample batches that the ADM authors publish")],
    reference: Annotated[Path, typer.Option(help="folder of their reference batches")],
    output: Annotated[Path, typer.Option(dir_okay=False, callback=writable, help="JSON to write")] = Path("conformance.json"),
    extractor: FoundExtractor = None,
    batch: Batch = 256,
    device: Device = "auto",
) -> None:
    """Score the public sample batches against the public references and compare every number with the published one.

    Files that are not there are named with their address and skipped. Exit code 1 when a number disagrees.

    Example: sra conformance --samples downloads --reference downloads
    """
    for folder in (samples, reference):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder that the npz files were downloaded to")
    stage("conformance", "conformance")(samples, reference, Path.cwd() / "report" / "published", output, extractor, batch, device_type(device))
