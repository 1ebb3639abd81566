"""Where every result lies. The rules' output patterns in `workflow/rules` agree with these paths (a test resolves both)."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from sra.spec.metric import ScoreOf

RESULTS = PurePosixPath("results")


@dataclass(frozen=True)
class Shared:
    """Results that every preset on one data set uses."""

    dataset: str

    @property
    def folder(self) -> PurePosixPath:
        return RESULTS / "shared" / self.dataset

    @property
    def index(self) -> str:
        return str(self.folder / "index.json")

    @property
    def images(self) -> str:
        return str(self.folder / "images.zip")

    @property
    def coco(self) -> str:
        """Folder of a captioned data set that the workflow makes, in the layout of MS-COCO 2014."""
        return str(self.folder / "coco")

    def model(self, kind: str, name: str) -> str:
        """Folder of a model of kind vae, encoder, clip or extractor."""
        return str(self.folder / kind / name)

    def latents(self, vae: str) -> str:
        return str(self.folder / "latents" / vae / "store.json")

    def latent_mean(self, vae: str) -> str:
        return str(self.folder / "latents" / vae / "mean.npz")

    def features(self, encoder: str) -> str:
        return str(self.folder / "features" / encoder / "store.json")

    def text(self, encoder: str) -> str:
        return str(self.folder / "text" / encoder / "store.json")

    @property
    def pixels(self) -> str:
        return str(self.folder / "pixels" / "store.json")

    def reference(self, extractor: str, name: str) -> str:
        """A reference made here; `name` says of which split and with how many images: train_10000."""
        return str(self.folder / "reference" / extractor / f"{name}.npz")

    def reference_features(self, extractor: str, reference: str) -> str:
        return str(self.folder / "reference" / extractor / f"{reference}.features.npz")


@dataclass(frozen=True)
class Results:
    """Results of one preset. base: the folder of all results, another one for those that a checkout has (`results/reference`)."""

    preset: str
    base: PurePosixPath = RESULTS

    @property
    def folder(self) -> PurePosixPath:
        return self.base / self.preset

    def config(self, run: str) -> str:
        return str(self.folder / "runs" / run / "config.json")

    def state(self, run: str, point: str) -> str:
        return str(self.folder / "runs" / run / "state" / f"{point}.safetensors")

    def curve(self, run: str, point: str) -> str:
        """Losses of the segment to that point."""
        return str(self.folder / "runs" / run / "curve" / f"{point}.jsonl")

    def weights(self, run: str, milestone: str) -> str:
        return str(self.folder / "runs" / run / "weights" / f"{milestone}.safetensors")

    def start(self, run: str) -> str:
        """The weights that a run trains on, where they are not its seed's."""
        return str(self.folder / "runs" / run / "start.safetensors")

    def samples(self, run: str, score: ScoreOf) -> str:
        return str(self.folder / "samples" / run / score.milestone / score.sampler / f"n{score.samples}" / "samples.npz")

    def sample_shard(self, run: str, milestone: str, sampler: str, count: int, shard: int, shards: int) -> str:
        name = f"shard_{shard:03d}_of_{shards:03d}.npz"
        return str(self.folder / "samples" / run / milestone / sampler / f"n{count}" / name)

    def score(self, run: str, score: ScoreOf) -> str:
        return str(self.folder / "scores" / run / score.milestone / score.sampler / f"n{score.samples}.json")

    def probe(self, run: str, milestone: str, time: float) -> str:
        """Accuracies of probes at one time, a share of the time range that the name gives in thousandths."""
        return str(self.folder / "probes" / run / milestone / f"t{round(1000 * time):03d}.json")

    def pca(self, run: str, milestone: str) -> str:
        return str(self.folder / "pca" / run / f"{milestone}.npz")

    def cost(self, run: str) -> str:
        """The cost receipt of a run."""
        return str(self.folder / "costs" / f"{run}.json")

    def diverged(self, run: str) -> str:
        """Where a training writes down that its loss was not finite, and when."""
        return str(self.folder / "runs" / run / "diverged.json")

    def study(self, study: str, kind: str = "json") -> str:
        """What a study found."""
        return str(self.folder / "studies" / f"{study}.{kind}")

    def study_choices(self, study: str) -> str:
        """What the trials of a study decided."""
        return str(self.folder / "studies" / study / "choices.json")

    def study_steps(self, study: str) -> str:
        """Seconds a step of a study's runs, measured in turns."""
        return str(self.folder / "studies" / study / "steps.json")

    def table(self, table: str, kind: str = "json") -> str:
        return str(self.folder / "tables" / f"{table}.{kind}")

    def figure(self, figure: str, kind: str = "json") -> str:
        return str(self.folder / "figures" / f"{figure}.{kind}")

    def claims(self, kind: str = "json") -> str:
        return str(self.folder / f"claims.{kind}")

    @property
    def report(self) -> str:
        return str(self.folder / "report.html")

    @property
    def report_pdf(self) -> str:
        return str(self.folder / "report.pdf")

    @property
    def registry(self) -> str:
        return str(self.folder / "registry.tsv")

    @property
    def appendix(self) -> str:
        return str(self.folder / "appendix.md")

    def archive(self, label: str) -> str:
        """The zip to deposit; `label` is the commit or the version."""
        return str(self.folder / f"sra-repro-{self.preset}-{label}.zip")
