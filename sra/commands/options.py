"""Arguments and options that several commands take, each written once."""

from pathlib import Path
from typing import Annotated

import typer

from sra.core.errors import unknown
from sra.core.files import check_writable


def writable(path: Path | None) -> Path | None:
    """Of what a command writes: refused before the work starts where it could not be written in the end."""
    if path:
        check_writable(path)
    return path


def _known_dtype(dtype: str) -> str:
    if dtype not in ("fp32", "fp16"):
        raise unknown("dtype", dtype, ("fp32", "fp16"))
    return dtype


Output = Annotated[Path, typer.Option(dir_okay=False, callback=writable, help="file to write")]
OutputFolder = Annotated[Path, typer.Option(file_okay=False, callback=writable, help="folder to write")]
Device = Annotated[str, typer.Option(envvar="SRA_DEVICE", help="auto, cpu or cuda")]
Config = Annotated[Path, typer.Argument(help="the run's config.json")]

# Images and what is made of them, in shards.
Index = Annotated[Path, typer.Option(help="index.json of the images")]
ImageSize = Annotated[int, typer.Option(min=1, max=4096)]
Autoencoder = Annotated[str, typer.Option(help="folder or hub name of the autoencoder")]
Encoder = Annotated[str, typer.Option(help="folder, ARCHITECTURE.TAG.safetensors or timm name of the encoder")]
TextEncoder = Annotated[str, typer.Option(help="folder or hub name of a CLIP or of its text tower")]
Captioned = Annotated[str, typer.Option(help="whose captions")]
Shard = Annotated[int, typer.Option(help="from 0")]
Shards = Annotated[int, typer.Option(min=1)]
StoredAs = Annotated[str, typer.Option(callback=_known_dtype, help="what is stored: fp32, or fp16, which takes half the disk")]
Decoders = Annotated[int, typer.Option(min=1, help="threads that decode")]
ImageDecoders = Annotated[int, typer.Option(min=1, help="threads that decode images")]

# How a small network is trained; by default as suits the digits, or scenes of them.
Width = Annotated[int | None, typer.Option(min=1, help="of the network; what it counts is said where the network is defined")]
TrainingSteps = Annotated[int | None, typer.Option(min=1, help="of training")]
TrainingBatch = Annotated[int | None, typer.Option(min=1, help="images a step")]
LearningRate = Annotated[float | None, typer.Option(min=1e-9, max=1, help="the largest; it rises and falls on the way")]

# What training reads, and where it runs.
Features = Annotated[Path | None, typer.Option(help="store.json of encoder features, for REPA")]
Pixels = Annotated[Path | None, typer.Option(help="store.json of the images, for REPA with the encoder in the loop")]
OnlineEncoder = Annotated[str | None, typer.Option(help="folder, file or timm name of that encoder; with --pixels")]
StoredText = Annotated[Path | None, typer.Option(help="store.json of the encoded captions, for text to image")]
Captions = Annotated[Path | None, typer.Option(help="index.json of the captioned images, with the text encoder in the loop")]
OnlineTextEncoder = Annotated[str | None, typer.Option(help="folder or hub name of that text encoder; with --captions")]
Processes = Annotated[int, typer.Option(envvar="SRA_PROCESSES", help="processes on a machine that share each batch, one a GPU")]
Nodes = Annotated[int, typer.Option(envvar="SRA_NODES", help="machines that train together, such as those of a Slurm job")]
MicroBatch = Annotated[int | None, typer.Option(envvar="SRA_MICRO_BATCH", help="images at a time in one process")]
Compile = Annotated[bool, typer.Option("--compile/--no-compile", envvar="SRA_COMPILE", help="torch.compile of the blocks")]
Checkpointing = Annotated[bool, typer.Option("--activation-checkpointing/--no-activation-checkpointing", envvar="SRA_ACTIVATION_CHECKPOINTING")]
CudaGraphs = Annotated[bool, typer.Option("--cuda-graphs/--no-cuda-graphs", envvar="SRA_CUDA_GRAPHS", help="a whole step as one CUDA graph")]

# A released checkpoint.
Released = Annotated[Path, typer.Argument(help="released checkpoint, .pt or .safetensors")]
ReleasedBy = Annotated[str, typer.Option("--from", help="whose file it is: dit, sit, repa or sra")]
ReleasedWeights = Annotated[str, typer.Option(help="ema or model, where a training checkpoint holds both")]
ReleasedName = Annotated[str | None, typer.Option("--name", help="its name in config/weights.tsv; its hash is then held from first use on")]
TimeOfData = Annotated[int | None, typer.Option(min=0, max=1, help="time of clean data, 0 or 1, where the file does not tell whose it is")]

# What a score is made with.
Reference = Annotated[
    Path, typer.Option(help="npz of real images and their statistics, ADM's or one made here; or real images alone, as npz, .npy or folder")
]
ReferenceKey = Annotated[str | None, typer.Option(help="array of the reference's images; by default arr_0, or the only one that can be")]
ReferenceName = Annotated[str | None, typer.Option(help="the reference's row in config/weights.tsv")]
FoundExtractor = Annotated[
    Path | None, typer.Option(help="folder or file of the feature extractor; by default the FID Inception file in ./downloads or torch's hub cache")
]
ExtractorName = Annotated[str | None, typer.Option(help="its row in config/weights.tsv, whose size and hash it must have")]
AllowJpeg = Annotated[bool, typer.Option("--allow-jpeg", help="take JPEG and lossy WebP files in a folder")]
Recursive = Annotated[
    bool | None, typer.Option("--recursive/--no-recursive", help="of sub-folders with images: read all as one set, or leave those out")
]
ImagesAtATime = Annotated[int, typer.Option(min=1, help="images at a time")]

# What is looked at inside a model.
TrainedWeights = Annotated[Path, typer.Option(help="averaged weights")]
TrainedLatents = Annotated[Path, typer.Option(help="store.json of the latents that the run trains on")]
Milestone = Annotated[str, typer.Option(help="the paper's name of the step, for the record")]
Blocks = Annotated[list[int], typer.Option("--block", min=1, help="of this run's model, from 1; again for each")]
SHARE_OF_TIME = "share of the time range, from 0 (data) to below 1 (noise): 0.1 is t = 0.1 of SiT and step 100 of DiT"

# What is shown.
Preset = Annotated[str, typer.Option(help="a file in config/presets")]
ShownWeights = Annotated[str, typer.Option(help="trained, or released: only runs from released checkpoints are shown")]
SeedList = Annotated[str | None, typer.Option(help="of several trainings, such as 0,1,2; default: each run's own")]
SamplingSeedList = Annotated[str | None, typer.Option(help="of several sample sets of each training, such as 0,1; default: each sampler's own")]
