"""The commands that make images, stand-ins and stores ready for training."""

from pathlib import Path
from typing import Annotated

import typer

from sra.cli.launch import device_type, stage
from sra.cli.options import Device, Output, writable
from sra.core.errors import InputError, unknown


def _known_dtype(dtype: str) -> str:
    if dtype not in ("fp32", "fp16"):
        raise unknown("dtype", dtype, ("fp32", "fp16"))
    return dtype


commands = typer.Typer()

OutputFolder = Annotated[Path, typer.Option(file_okay=False, callback=writable, help="folder to write")]
Index = Annotated[Path, typer.Option(help="index.json of the images")]
Encoder = Annotated[str, typer.Option(help="folder, ARCHITECTURE.TAG.safetensors or timm name of the encoder")]
# How a small network is trained; by default as suits the digits, or scenes of them.
Width = Annotated[int | None, typer.Option(min=1, help="of the network; what it counts is said where the network is defined")]
TrainingSteps = Annotated[int | None, typer.Option("--steps", min=1, help="of training")]
TrainingBatch = Annotated[int | None, typer.Option("--batch", min=1, help="images a step")]
LearningRate = Annotated[float | None, typer.Option(min=1e-9, max=1, help="the largest; it rises and falls on the way")]
TextEncoder = Annotated[str, typer.Option(help="folder or hub name of a CLIP or of its text tower")]
StoredAs = Annotated[str, typer.Option("--dtype", callback=_known_dtype, help="what is stored: fp32, or fp16, which takes half the disk")]


@commands.command()
def make_digits(output: Output, image_size: Annotated[int, typer.Option(min=8, max=1024, help="pixels on a side")] = 32) -> None:
    """Write scikit-learn's handwritten digits as an archive of class folders.

    Example: sra make-digits --image-size 32 --output results/shared/digits/images.zip
    """
    stage("make_digits", "make_digits")(output, image_size)


@commands.command()
def make_fashion(
    output: Output,
    images: Annotated[int, typer.Option(min=70, help="of both splits, six of seven to train on")] = 70_000,
    source: Annotated[
        Path | None, typer.Option(help="folder with the four files of Fashion-MNIST, .gz or unpacked, or the root of torchvision's FashionMNIST")
    ] = None,
    downloads: Annotated[Path, typer.Option(help="where torchvision keeps what it downloads without --source")] = Path("downloads/fashion_mnist"),
) -> None:
    """Write Fashion-MNIST at 32 x 32 pixels as an archive of class folders.

    Example: sra make-fashion --source /usr/share/datasets/fashion-mnist --output results/shared/fashion/images.zip
    """
    stage("make_fashion", "make_fashion")(output, images, source, downloads)


@commands.command()
def make_images(
    name: Annotated[str, typer.Argument(help="data set of config/datasets.tsv that the column made_by has a file of sra/data for")],
    output: Output,
    image_size: Annotated[int, typer.Option(min=8, max=1024, help="pixels on a side")],
    source: Annotated[Path | None, typer.Option(help="folder of the files that its images are made from, where it asks for some")] = None,
    downloads: Annotated[Path, typer.Option(help="folder for such files that are fetched without --source")] = Path("downloads"),
) -> None:
    """Write a data set that is made here as an archive of class folders.

    Example: sra make-images digits --image-size 32 --output results/shared/digits/images.zip
    """
    stage("make_images", "make_images")(name, output, image_size, source, downloads)


@commands.command()
def index(
    images: Annotated[
        str, typer.Option(help="folder of class folders, or one above it; tar (of one tar a class) or zip; images of REPA's preprocessing")
    ],
    image_size: Annotated[int, typer.Option(min=1, max=4096)],
    output: Output,
    expected_images: Annotated[int | None, typer.Option(min=1, help="images of all splits; by default any number")] = None,
    expected_classes: Annotated[int | None, typer.Option(min=1, help="by default any number")] = None,
    workers: Annotated[int, typer.Option(min=1, help="threads that decode")] = 1,
    least_images: Annotated[int, typer.Option(min=0, help="images that are needed, of a data set of any number")] = 0,
) -> None:
    """Decode every image once and list them with class, split, size and hash. Nothing is unpacked to disk.

    Example: sra index --images ILSVRC2012_img_train.tar --image-size 256 --expected-images 1281167 --expected-classes 1000 --output index.json
    """
    if images in ("", "paths.imagenet"):
        yours = "for the preset own set paths.own to your folder of class folders"
        raise InputError(f"paths.imagenet: is not set; download ILSVRC2012 from image-net.org and put its path into config/config.yaml; {yours}")
    if images.startswith("paths."):  # what the workflow gives where nothing is set
        raise InputError(f"{images}: is not set; set it to your folder of class folders, in config/config.yaml or by --config")
    stage("index_images", "index_images")(Path(images), image_size, output, expected_images, expected_classes, workers, least_images)


@commands.command()
def make_scenes(output: OutputFolder, seed: int = 0) -> None:
    """Write captioned scenes of two handwritten digits as MS-COCO is downloaded: images in zips, captions as JSON.

    Example: sra make-scenes --output results/shared/scenes
    """
    stage("make_scenes", "make_scenes")(output, seed)


@commands.command()
def index_captions(
    root: Annotated[Path, typer.Option(help="folder with annotations, and train2014 and val2014 (folders or zips) there or in images")],
    image_size: Annotated[int, typer.Option(min=1, max=4096)],
    output: Output,
    expected_train: Annotated[int | None, typer.Option(min=1, help="images of train2014; by default COCO's 82783")] = None,
    expected_val: Annotated[int | None, typer.Option(min=1, help="images of val2014; by default COCO's 40504")] = None,
    workers: Annotated[int, typer.Option(min=1, help="threads that decode")] = 1,
) -> None:
    """Check captions and images of MS-COCO 2014, or of a data set in its format, and list them. Nothing is unpacked to disk.

    Example: sra index-captions --root COCO --image-size 256 --workers 8 --output index.json
    """
    expected = {split: images for split, images in (("train", expected_train), ("val", expected_val)) if images is not None}
    stage("index_captions", "index_captions")(root, image_size, output, expected, workers)


def _trains(kind: str, does: str) -> None:
    """Add the command that trains one kind of small network; all of them are trained by the same few settings."""

    def train(
        index: Index,
        output: OutputFolder,
        seed: int = 0,
        width: Width = None,
        steps: TrainingSteps = None,
        batch: TrainingBatch = None,
        learning_rate: LearningRate = None,
        device: Device = "auto",
    ) -> None:
        settings = {"width": width, "steps": steps, "batch": batch, "learning_rate": learning_rate}
        stage(f"train_{kind}", f"train_{kind}")(index, output, seed, device_type(device), **settings)

    commands.command(f"train-{kind}", help=does)(train)


_trains("vae", "Train the small autoencoder that stands for the SD-VAE.")
_trains("encoder", "Train the small vision transformer that stands for an external encoder.")
_trains("extractor", "Train the small classifier that stands for the FID Inception network.")


@commands.command()
def train_clip(index: Index, output: OutputFolder, seed: int = 0) -> None:
    """Train the small CLIP that stands for the text encoder and for PickScore, on captioned images."""
    stage("train_clip", "train_clip")(index, output, seed)


@commands.command()
def extract_latents(
    index: Index,
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder")],
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    output: Output,
    dtype: StoredAs = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="images that are encoded at a time")] = 64,
    device: Device = "auto",
) -> None:
    """Encode one shard of the training images to posterior moments.

    Example: sra extract-latents --index index.json --vae stabilityai/sd-vae-ft-ema --shard 0 --shards 64 --workers 8 --output ...
    """
    stage("extract_latents", "extract_latents")(index, vae, shard, shards, output, dtype, workers, batch, device_type(device))


@commands.command()
def take_latents(
    index: Index,
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder that made the moments")],
    moments: Annotated[Path, typer.Option(help="folder vae-sd of REPA's or SRA's preprocessing")],
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    output: Output,
    dtype: StoredAs = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that read files")] = 1,
    device: Device = "auto",
) -> None:
    """Take over one shard of moments that REPA's or SRA's preprocessing computed; some are computed again and compared.

    Example: sra take-latents --index index.json --vae stabilityai/sd-vae-ft-ema --moments repa/vae-sd --shard 0 --shards 64 --output ...
    """
    stage("take_latents", "take_latents")(index, vae, moments, shard, shards, output, dtype, workers, device_type(device))


@commands.command()
def finish_latents(index: Index, vae: Annotated[str, typer.Option()], output: Output, shards: list[Path]) -> None:
    """Join latent shards under one manifest with labels and checksums."""
    stage("extract_latents", "finish_latents")(shards, index, vae, output)


@commands.command()
def pack_images(
    index: Index,
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    output: Output,
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
) -> None:
    """Decode and crop one shard of the training images to bytes, for encoders that run while a model trains."""
    stage("pack_images", "pack_images")(index, shard, shards, output, workers)


@commands.command()
def finish_pixels(index: Index, output: Output, shards: list[Path]) -> None:
    """Join shards of packed images under one manifest with labels and checksums."""
    stage("pack_images", "finish_pixels")(shards, index, output)


@commands.command()
def extract_features(
    index: Index,
    encoder: Encoder,
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    output: Output,
    grid: Annotated[int | None, typer.Option(min=1, help="tokens on a side; by default the encoder's own")] = None,
    dtype: StoredAs = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
    device: Device = "auto",
) -> None:
    """Patch tokens of one shard of the training images by an external encoder.

    Example: sra extract-features --index index.json --encoder timm/vit_base_patch14_dinov2.lvd142m --grid 16 --shard 0 --shards 8 --output ...
    """
    stage("extract_features", "extract_features")(index, encoder, shard, shards, output, grid, dtype, workers, device_type(device))


@commands.command()
def finish_features(index: Index, encoder: Encoder, output: Output, shards: list[Path]) -> None:
    """Join feature shards under one manifest with labels and checksums."""
    stage("extract_features", "finish_features")(shards, index, encoder, output)


@commands.command()
def extract_text(
    index: Index,
    encoder: TextEncoder,
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option(min=1)],
    output: Output,
    split: Annotated[str, typer.Option(help="whose captions")] = "train",
    dtype: StoredAs = "fp32",
    device: Device = "auto",
) -> None:
    """Features of one shard of the captions, and of the empty caption after them, by a text encoder.

    Example: sra extract-text --index index.json --encoder openai/clip-vit-large-patch14 --dtype fp16 --shard 0 --shards 64 --output ...
    """
    stage("extract_text", "extract_text")(index, encoder, shard, shards, output, split, dtype, device_type(device))


@commands.command()
def finish_text(
    index: Index, encoder: TextEncoder, output: Output, shards: list[Path], split: Annotated[str, typer.Option(help="whose captions")] = "train"
) -> None:
    """Join text shards under one manifest with the image of each caption and checksums."""
    stage("extract_text", "finish_text")(shards, index, encoder, output, split)


@commands.command()
def convert_encoder(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint as downloaded")],
    family: Annotated[str, typer.Option("--from", help="mocov3 or ijepa")],
    output: Annotated[Path, typer.Option("--out", callback=writable, help="ARCHITECTURE.TAG.safetensors to write")],
) -> None:
    """Write an encoder that timm does not have as a file for --encoder. Nothing in the checkpoint is executed.

    Example: sra convert-encoder vit-b-300ep.pth.tar --from mocov3 --out vit_base_patch16_224.mocov3.safetensors
    """
    stage("convert_encoder", "convert_encoder")(checkpoint, family, output)
