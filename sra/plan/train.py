"""What the rules between a run's configuration and its weights ask."""

from pathlib import Path

from sra.content.required import point_before, point_named
from sra.forecast.job_flops import Works
from sra.plan import assets, needs
from sra.plan.context import Context
from sra.spec.layout import Results, Shared
from sra.spec.registry import CheckpointSource
from sra.spec.scale import ROLLING_STATES


def fingerprint(context: Context, wildcards) -> str:
    return context.spec(wildcards).fingerprint


def latents(context: Context, wildcards) -> str:
    """The store that the run trains on."""
    spec = context.spec(wildcards)
    return Shared(spec.dataset).latents(spec.vae)


def targets(context: Context, wildcards) -> dict[str, str | list[str]]:
    """What an encoder's targets are made from: stored features, or the images and the encoder; empty lists for methods without one.

    A method that reads more than tokens, such as attention, has the encoder in each step whatever the preset stores.
    """
    spec = context.spec(wildcards)
    online = spec.encodes_at(context.preset_of(wildcards))
    needed = {"features": [], "pixels": [], "encoder": []}
    if spec.encoder and online:
        needed |= {"pixels": Shared(spec.dataset).pixels, "encoder": assets.inputs(context, wildcards, "encoder")}
    elif spec.encoder:
        needed["features"] = Shared(spec.dataset).features(spec.encoder)
    return needed


def captions(context: Context, wildcards) -> dict[str, str | list[str]]:
    """What captions are read from: stored text, or the index and the text encoder; empty lists for models of classes."""
    spec, part = context.spec(wildcards), context.preset_of(wildcards).text_to_image
    needed = {"text": [], "captions": [], "text_encoder": []}
    if spec.text_encoder and part.text_features == "online":
        needed |= {"captions": Shared(spec.dataset).index, "text_encoder": assets.inputs(context, wildcards, "clip")}
    elif spec.text_encoder:
        needed["text"] = Shared(spec.dataset).text(spec.text_encoder)
    return needed


def options(context: Context, wildcards) -> list[str]:
    """Targets and captions for the command line."""
    read = {**targets(context, wildcards), **captions(context, wildcards)}
    given = {name: files for name, files in read.items() if files and name not in ("encoder", "text_encoder")}
    if read["pixels"]:
        given["encoder"] = assets.source(context, wildcards, "encoder")
    if read["captions"]:
        given["text-encoder"] = assets.source(context, wildcards, "clip")
    return [word for name, value in given.items() for word in (f"--{name}", value)]


# Segments


def step(context: Context, wildcards) -> int:
    """The step that the segment ends at."""
    return point_named(context.catalogue(wildcards.preset), wildcards.run, wildcards.point).step


def previous_state(context: Context, wildcards) -> list[str]:
    """The state that the segment continues from; none for the first."""
    before = point_before(context.catalogue(wildcards.preset), wildcards.run, wildcards.point)
    return [Results(wildcards.preset).state(wildcards.run, before.name)] if before else []


def start(context: Context, wildcards) -> list[str]:
    """The weights that the run trains on, which every segment names; nothing for a run that starts from its seed."""
    return [Results(wildcards.preset).start(wildcards.run)] if context.catalogue(wildcards.preset).start(wildcards.run) else []


def rolling_minutes(context: Context, wildcards) -> float:
    """Between two states that are kept in case the job is stopped."""
    return context.catalogue(wildcards.preset).preset.rolling_minutes


def runtime(context: Context, wildcards, attempt: int) -> int:
    """Minutes of the segment."""
    catalogue, preset, run = context.catalogue(wildcards.preset), wildcards.preset, wildcards.run
    before = point_before(catalogue, run, wildcards.point)
    work = Works(catalogue).training(catalogue.spec(run), before.step if before else 0, step(context, wildcards))
    seconds = needs.predicted_seconds(context, preset, "train", (work,), context.user.world)
    return needs.runtime(context, wildcards, attempt, "train", seconds)


def disk_mb(context: Context, wildcards) -> int:
    """The segment's own state and the rolling ones."""
    return needs.megabytes((ROLLING_STATES + 1) * Works(context.catalogue(wildcards.preset)).state_bytes(context.spec(wildcards)))


# Released weights


def released_file(context: Context, wildcards) -> list[str]:
    """The checkpoint, when it is where the user keeps them; the stage says what to fetch when it is not."""
    path = Path(released_path(context, wildcards))
    return [str(path)] if path.exists() else []


def released_path(context: Context, wildcards) -> str:
    """In the folder of what the user fetched, which defaults to `downloads`."""
    checkpoint = _released(context, wildcards)
    folder = "" if checkpoint.entry is None else context.user.paths.downloads
    return str(Path(folder) / checkpoint.file)


def released_options(context: Context, wildcards) -> list[str]:
    """Whose file it is, and the step it was trained to where it is sampled as it is."""
    checkpoint = _released(context, wildcards)
    name = ["--name", checkpoint.entry.name] if checkpoint.entry else []
    trained = [] if checkpoint.step is None else ["--step", str(checkpoint.step)]
    return ["--from", checkpoint.family, *trained, *name, *(["--weights", checkpoint.take] if checkpoint.take != "ema" else [])]


def _released(context: Context, wildcards) -> CheckpointSource:
    catalogue = context.catalogue(wildcards.preset)
    return catalogue.checkpoint(wildcards.run) or catalogue.start(wildcards.run)
