"""`sra <stage> ...`: one subcommand for each stage of the workflow. The rules call nothing else, and nothing here computes."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from sra import cli_score
from sra.cli_stage import device_type as _device
from sra.cli_stage import stage as _stage
from sra.core.errors import InputError, Interrupted, StageError, unknown

app = typer.Typer(
    help="Stages of the SRA reproduction. Snakemake calls them in order; each can be run alone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Output = Annotated[Path, typer.Option(help="file to write")]
OutputFolder = Annotated[Path, typer.Option(help="folder to write")]
Index = Annotated[Path, typer.Option(help="index.json of the images")]
Device = Annotated[str, typer.Option(envvar="SRA_DEVICE", help="auto, cpu or cuda")]
Config = Annotated[Path, typer.Argument(help="the run's config.json")]
Preset = Annotated[str, typer.Option(help="a file in config/presets")]
Weights = Annotated[str, typer.Option(help="trained, or released: only runs from released checkpoints are shown")]
Encoder = Annotated[str, typer.Option(help="folder, ARCHITECTURE.TAG.safetensors or timm name of the encoder")]
Extractor = Annotated[Path, typer.Option(help="folder of the feature extractor")]
Released = Annotated[Path, typer.Argument(help="released checkpoint, .pt or .safetensors")]
ReleasedBy = Annotated[str, typer.Option("--from", help="whose file it is: dit, sit, repa or sra")]
ReleasedWeights = Annotated[str, typer.Option("--weights", help="ema or model, where a training checkpoint holds both")]
ReleasedName = Annotated[str | None, typer.Option("--name", help="its name in config/weights.tsv; its hash is then held from first use on")]


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the work failed, 2 the input is unusable, 128 + n stopped by signal n."""
    try:
        app()
    except (InputError, StageError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except Interrupted as stop:
        if str(stop):  # of several processes one speaks
            print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
    except KeyboardInterrupt:
        print("stopped; nothing half-written was kept, and the same command starts this stage again", file=sys.stderr)
        sys.exit(130)


@app.command()
def make_digits(output: Output) -> None:
    """Write scikit-learn's handwritten digits as an archive of class folders.

    Example: sra make-digits --output results/shared/digits/images.zip
    """
    _stage("make_digits", "make_digits")(output)


@app.command()
def index(
    images: Annotated[str, typer.Option(help="folder of class folders, tar (of one tar a class) or zip")],
    image_size: Annotated[int, typer.Option()],
    output: Output,
    expected_images: Annotated[int | None, typer.Option(min=1, help="images of all splits; by default any number")] = None,
    expected_classes: Annotated[int | None, typer.Option(min=1, help="by default any number; needs --expected-images")] = None,
    workers: Annotated[int, typer.Option(min=1, help="threads that decode")] = 1,
) -> None:
    """Decode every image once and list them with class, split, size and hash. Nothing is unpacked to disk.

    Example: sra index --images ILSVRC2012_img_train.tar --image-size 256 --expected-images 1281167 --expected-classes 1000 --output index.json
    """
    if not images:
        raise InputError("paths.imagenet: is not set; download ILSVRC2012 from image-net.org and put its path into config/config.yaml")
    if expected_classes is not None and expected_images is None:
        raise InputError("sra index: --expected-classes needs --expected-images; give both")
    _stage("index_images", "index_images")(Path(images), image_size, output, expected_images, expected_classes, workers)


@app.command()
def train_vae(index: Index, output: OutputFolder, seed: int = 0) -> None:
    """Train the small autoencoder that stands for the SD-VAE."""
    _stage("train_vae", "train_vae")(index, output, seed)


@app.command()
def train_encoder(index: Index, output: OutputFolder, seed: int = 0) -> None:
    """Train the small vision transformer that stands for an external encoder."""
    _stage("train_encoder", "train_encoder")(index, output, seed)


@app.command()
def train_extractor(index: Index, output: OutputFolder, seed: int = 0) -> None:
    """Train the small classifier that stands for the FID Inception network."""
    _stage("train_extractor", "train_extractor")(index, output, seed)


@app.command()
def extract_latents(
    index: Index,
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder")],
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option()],
    output: Output,
    dtype: Annotated[str, typer.Option(help="what moments are stored as: fp32 or fp16")] = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="images that are encoded at a time")] = 64,
    device: Device = "auto",
) -> None:
    """Encode one shard of the training images to posterior moments.

    Example: sra extract-latents --index index.json --vae stabilityai/sd-vae-ft-ema --shard 0 --shards 64 --workers 8 --output ...
    """
    if dtype not in ("fp32", "fp16"):
        raise unknown("dtype", dtype, ("fp32", "fp16"))
    _stage("extract_latents", "extract_latents")(index, vae, shard, shards, output, dtype, workers, batch, _device(device))


@app.command()
def finish_latents(index: Index, vae: Annotated[str, typer.Option()], output: Output, shards: list[Path]) -> None:
    """Join latent shards under one manifest with labels and checksums."""
    _stage("extract_latents", "finish_latents")(shards, index, vae, output)


@app.command()
def pack_images(
    index: Index,
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option()],
    output: Output,
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
) -> None:
    """Decode and crop one shard of the training images to bytes, for encoders that run while a model trains."""
    _stage("pack_images", "pack_images")(index, shard, shards, output, workers)


@app.command()
def finish_pixels(index: Index, output: Output, shards: list[Path]) -> None:
    """Join shards of packed images under one manifest with labels and checksums."""
    _stage("pack_images", "finish_pixels")(shards, index, output)


@app.command()
def extract_features(
    index: Index,
    encoder: Encoder,
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option()],
    output: Output,
    grid: Annotated[int | None, typer.Option(min=1, help="tokens on a side; by default the encoder's own")] = None,
    dtype: Annotated[str, typer.Option(help="what tokens are stored as: fp32 or fp16")] = "fp32",
    workers: Annotated[int, typer.Option(min=1, help="threads that decode images")] = 1,
    device: Device = "auto",
) -> None:
    """Patch tokens of one shard of the training images by an external encoder.

    Example: sra extract-features --index index.json --encoder timm/vit_base_patch14_dinov2.lvd142m --grid 16 --shard 0 --shards 8 --output ...
    """
    if dtype not in ("fp32", "fp16"):
        raise unknown("dtype", dtype, ("fp32", "fp16"))
    _stage("extract_features", "extract_features")(index, encoder, shard, shards, output, grid, dtype, workers, _device(device))


@app.command()
def finish_features(index: Index, encoder: Encoder, output: Output, shards: list[Path]) -> None:
    """Join feature shards under one manifest with labels and checksums."""
    _stage("extract_features", "finish_features")(shards, index, encoder, output)


@app.command()
def convert_encoder(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint as downloaded")],
    family: Annotated[str, typer.Option("--from", help="mocov3 or ijepa")],
    output: Annotated[Path, typer.Option("--out", help="ARCHITECTURE.TAG.safetensors to write")],
) -> None:
    """Write an encoder that timm does not have as a file for --encoder. Nothing in the checkpoint is executed.

    Example: sra convert-encoder vit-b-300ep.pth.tar --from mocov3 --out vit_base_patch16_224.mocov3.safetensors
    """
    _stage("convert_encoder", "convert_encoder")(checkpoint, family, output)


@app.command()
def resolve(run: str, preset: Preset, output: Output, expect: Annotated[str | None, typer.Option(help="fingerprint")] = None) -> None:
    """Write one run's config.json: everything its training depends on.

    Example: sra resolve sit_b2_sra --preset digits --output config.json
    """
    _stage("resolve", "resolve_run")(Path.cwd(), preset, run, output, expect)


@app.command()
def train(
    config: Config,
    latents: Annotated[Path | None, typer.Option(help="store.json of the latents")] = None,
    until: Annotated[int | None, typer.Option(help="step to train to")] = None,
    state: Annotated[Path | None, typer.Option(help="state to write")] = None,
    curve: Annotated[Path | None, typer.Option(help="jsonl curve to write")] = None,
    features: Annotated[Path | None, typer.Option(help="store.json of encoder features, for REPA")] = None,
    pixels: Annotated[Path | None, typer.Option(help="store.json of the images, for REPA with the encoder in the loop")] = None,
    encoder: Annotated[str | None, typer.Option(help="folder, file or timm name of that encoder; with --pixels")] = None,
    previous: Annotated[Path | None, typer.Option(help="state to continue from")] = None,
    rolling_minutes: Annotated[float, typer.Option(help="time between rolling states")] = 10.0,
    device: Device = "auto",
    processes: Annotated[int, typer.Option(envvar="SRA_PROCESSES", help="processes that share each batch, one a GPU")] = 1,
    micro_batch: Annotated[int | None, typer.Option(envvar="SRA_MICRO_BATCH", help="images at a time in one process")] = None,
    compile: Annotated[bool, typer.Option("--compile/--no-compile", envvar="SRA_COMPILE", help="torch.compile of the blocks")] = False,
    activation_checkpointing: Annotated[
        bool, typer.Option("--activation-checkpointing/--no-activation-checkpointing", envvar="SRA_ACTIVATION_CHECKPOINTING")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would take, and stop")] = False,
) -> None:
    """Train one run to a step. Interrupted by Ctrl-C or SIGTERM it keeps its state; the same command continues.

    Example: sra train results/digits/runs/sit_b2_sra/config.json --dry-run
    """
    from sra.spec.load import checked
    from sra.spec.machine import Machine

    given = {"device": device, "processes": processes, "micro_batch": micro_batch, "compile": compile}
    machine = checked({**given, "activation_checkpointing": activation_checkpointing}, Machine, "sra train")
    if dry_run:
        _stage("describe_training", "describe_training")(config, Path.cwd(), machine, latents, encoder)
        return
    for name, value in {"latents": latents, "until": until, "state": state, "curve": curve}.items():
        if value is None:
            raise InputError(f"sra train: --{name} is missing; only --dry-run needs nothing but the config")
    _stage("train", "train")(config, latents, until, state, curve, features, previous, rolling_minutes, machine, pixels, encoder)
    # All is written: a stop in the last moments would only make Snakemake delete it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


@app.command()
def export(config: Config, state: Annotated[Path, typer.Option(help="training state")], output: Output) -> None:
    """Write the averaged weights of a training state: what is sampled, evaluated and shared."""
    _stage("export", "export_ema")(config, state, output)


@app.command()
def convert(
    file: Released,
    family: ReleasedBy,
    output: Annotated[Path, typer.Option("--out", help="weights file to write, .safetensors")],
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
) -> None:
    """Write a released checkpoint in the layout used here and say what was taken, dropped and rewritten. Nothing in it is executed.

    Example: sra convert DiT-XL-2-256x256.pt --from dit --name dit_xl2_256 --out dit_xl2.safetensors
    """
    _stage("convert", "convert")(file, family, output, weights, name, Path.cwd())


@app.command()
def import_weights(
    config: Config,
    file: Released,
    family: ReleasedBy,
    step: Annotated[int, typer.Option(min=1, help="training steps behind the checkpoint, as its paper counts them")],
    output: Output,
    weights: ReleasedWeights = "ema",
    name: ReleasedName = None,
) -> None:
    """Write a released checkpoint as the weights of a run, to be sampled like weights trained here."""
    _stage("convert", "import_weights")(config, file, family, name, output, step, weights, Path.cwd())


@app.command()
def sample(
    config: Config,
    weights: Annotated[Path, typer.Option(help="averaged weights")],
    vae: Annotated[str, typer.Option(help="folder or hub name of the autoencoder")],
    sampler: Annotated[str, typer.Option(help="resolved sampler as JSON")],
    count: Annotated[int, typer.Option(help="images of the whole set")],
    shard: Annotated[int, typer.Option(help="from 0")],
    shards: Annotated[int, typer.Option()],
    batch: Annotated[int, typer.Option()],
    output: Output,
    precision: Annotated[str, typer.Option(help="of the network's products: fp32, tf32, bf16 or fp16")] = "fp32",
    device: Device = "auto",
) -> None:
    """Draw and decode one shard of a sample set."""
    import json

    from sra.spec.load import checked
    from sra.spec.method import Sampler
    from sra.spec.scale import PRECISIONS

    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    resolved = checked(json.loads(sampler), Sampler, "--sampler")
    _stage("sample", "sample_shard")(config, weights, vae, resolved, count, shard, shards, batch, output, device, precision)


@app.command()
def pack(
    count: Annotated[int, typer.Option()],
    milestone: Annotated[str, typer.Option()],
    sampler_name: Annotated[str, typer.Option()],
    paper_count: Annotated[int, typer.Option()],
    output: Output,
    shards: list[Path],
) -> None:
    """Join sample shards in index order to one npz that the ADM evaluator reads."""
    _stage("pack", "pack_samples")(shards, count, milestone, sampler_name, paper_count, output)


app.add_typer(cli_score.commands)


@app.command()
def table(table: str, preset: Preset, weights: Weights = "trained") -> None:
    """Render one table from the scores that exist: JSON, CSV, HTML, TeX and Markdown.

    Example: sra table table_1 --preset digits
    """
    _stage("render", "render_table")(_registry(preset, weights), table)


@app.command()
def figure(figure: str, preset: Preset, weights: Weights = "trained") -> None:
    """Draw one figure from the scores and samples that exist: SVG, PNG and its data."""
    _stage("render", "render_figure")(_registry(preset, weights), figure)


@app.command()
def report(preset: Preset, weights: Weights = "trained") -> None:
    """Render the self-contained page from the tables and figures that exist."""
    _stage("render", "render_report")(_registry(preset, weights))


@app.command()
def refresh(preset: Preset, weights: Weights = "trained") -> None:
    """Render every table, figure and the report from the scores that exist; nothing is trained or sampled."""
    _stage("render", "refresh")(_registry(preset, weights))


def _registry(preset: str, weights: str):
    from sra.spec.registry import Registry

    if weights not in ("trained", "released"):
        raise unknown("weights", weights, ("trained", "released"))
    return Registry(Path.cwd(), preset, released=weights == "released")
