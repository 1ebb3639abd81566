"""Where models and reference files come from: made by a rule of ours, fetched by the user, or a hub's.

Rules of a data set name a model by a wildcard; for those of a run its configuration does.
"""

from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.plan.context import Context
from sra.spec.layout import Shared

FILES = {"vae": "diffusion_pytorch_model.safetensors"}  # of a saved model; `model.safetensors` unless it says otherwise
TIMM = "timm/"


def inputs(context: Context, wildcards, kind: str) -> list[str]:
    """The files of a model, or a reference, that a rule waits for."""
    return inputs_named(context, *_named(context, wildcards, kind), kind)


def source(context: Context, wildcards, kind: str) -> str:
    """What a stage loads it from."""
    return source_named(context, *_named(context, wildcards, kind), kind)


def check_options(context: Context, wildcards, kind: str) -> list[str]:
    """The option by which a stage holds a fetched file against its row of weights.tsv."""
    catalogue, name = _named(context, wildcards, kind)
    is_file = not name.startswith(TIMM) and catalogue.weights_of(name, kind).source == "file"
    return [f"--{kind}-name", name] if is_file else []


def source_named(context: Context, catalogue: Catalogue, name: str, kind: str) -> str:
    """Our folder, a file of the user's, a folder of the user's, or a hub's name, in this order."""
    if name.startswith(TIMM):
        return _fetched(context, name) or name
    entry = catalogue.weights_of(name, kind)
    if entry.source == "trained":
        return Shared(entry.place).model(kind, name)
    if entry.source == "file":
        return str(Path(context.user.paths.downloads) / entry.place)
    return _fetched(context, entry.place) or entry.place


def inputs_named(context: Context, catalogue: Catalogue, name: str, kind: str) -> list[str]:
    """One file. None for a hub's model, and for a file not fetched yet: its stage says what to fetch."""
    place = source_named(context, catalogue, name, kind)
    trained = not name.startswith(TIMM) and catalogue.weights_of(name, kind).source == "trained"
    if trained or (context.root / place).is_dir():
        return [f"{place}/{FILES.get(kind, 'model.safetensors')}"]
    return [place] if (context.root / place).is_file() else []


def _fetched(context: Context, hub_name: str) -> str | None:
    """The folder among the downloads that has the last part of a hub's name, as `huggingface-cli download --local-dir` makes one."""
    folder = Path(context.user.paths.downloads) / hub_name.rpartition("/")[2]
    return str(folder) if (context.root / folder).is_dir() else None


def _named(context: Context, wildcards, kind: str) -> tuple[Catalogue, str]:
    """Its name, and the catalogue that knows it."""
    catalogue = context.catalogue(getattr(wildcards, "preset", None))
    if name := getattr(wildcards, kind, None):
        return catalogue, name
    if kind in ("encoder", "clip"):
        spec = context.spec(wildcards)
        return catalogue, spec.encoder if kind == "encoder" else spec.text_encoder
    return catalogue, getattr(context.preset_of(wildcards), kind)
