"""Where models and reference files come from: made by a rule of ours, fetched by the user, or a hub's."""

from dataclasses import dataclass
from pathlib import Path

from sra.content.catalogue import Catalogue
from sra.spec.layout import Shared

FILES = {"vae": "diffusion_pytorch_model.safetensors"}  # of a saved model; `model.safetensors` unless it says otherwise
TIMM = "timm/"


@dataclass(frozen=True)
class Assets:
    """Answers for the models of one registry. downloads: the folder of what the user fetched, relative to `root` or absolute."""

    root: Path
    registry: Catalogue
    downloads: str

    def source(self, name: str, kind: str) -> str:
        """What a stage loads: our folder, a file of the user's, a folder of the user's, or a hub's name, in this order."""
        if name.startswith(TIMM):
            return self._fetched(name) or name
        entry = self.registry.weights_of(name, kind)
        if entry.source == "trained":
            return Shared(entry.place).model(kind, name)
        if entry.source == "file":
            return str(Path(self.downloads) / entry.place)
        return self._fetched(entry.place) or entry.place

    def inputs(self, name: str, kind: str) -> list[str]:
        """The file that a rule waits for. Empty for a hub's model, and for a file not fetched yet: its stage says what to fetch."""
        source = self.source(name, kind)
        trained = not name.startswith(TIMM) and self.registry.weights_of(name, kind).source == "trained"
        if trained or (self.root / source).is_dir():
            return [f"{source}/{FILES.get(kind, 'model.safetensors')}"]
        return [source] if (self.root / source).is_file() else []

    def held(self, name: str, kind: str) -> list[str]:
        """The option by which a stage holds a fetched file against its row of weights.tsv."""
        is_file = not name.startswith(TIMM) and self.registry.weights_of(name, kind).source == "file"
        return [f"--{kind}-name", name] if is_file else []

    def _fetched(self, hub_name: str) -> str | None:
        """The folder among the downloads that has the last part of a hub's name, as `huggingface-cli download --local-dir` makes one."""
        folder = Path(self.downloads) / hub_name.rpartition("/")[2]
        return str(folder) if (self.root / folder).is_dir() else None
