"""Small runs and stores that many tests share, and a checkout of the workflow to run in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sra.spec.registry import Registry
from sra.spec.run import RunSpec

ROOT = Path(__file__).parents[1]

# Without a GPU nothing uses triton, and importing it prints pages of leaked bindings after the test summary.
if shutil.which("nvidia-smi") is None:
    sys.modules["triton"] = None


class Checkout:
    """A copy of what a user edits (configuration, rules, report) in a folder of its own, with no results yet."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("config", "workflow", "report"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("Snakefile", "CITATION.cff", "LICENSE", "README.md", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run Snakemake here with two cores; stdout and stderr are kept together."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run would start, by rule."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        if "Job stats:" not in done.stdout:
            return {}
        rows = done.stdout.split("Job stats:")[1].split("total")[0].splitlines()[3:]
        return {rule: int(count) for rule, count in (row.split() for row in rows if row.strip())}

    def without_claims(self) -> None:
        """For who takes tables away that claims stand on."""
        claims = self.folder / "report/claims.yaml"
        text = claims.read_text(encoding="utf-8")
        claims.write_text(text[: text.index("\nmargins:")] + "\nmargins: {}\nclaims: []\n", encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="session")
def new_checkout():
    """`new_checkout(folder)` makes one."""
    return Checkout


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def tiny_run():
    """`tiny_run("sit_b2_sra", weight=0.0, training={"batch": 4})`: a configured run with a model of seconds, options overridden."""

    def make(run: str, training: dict | None = None, **alignment) -> RunSpec:
        spec = Registry(ROOT, "digits").spec(run)
        model = spec.model.model_copy(update={"width": 16, "heads": 2})
        return spec.model_copy(
            update={
                "model": model,
                "alignment": spec.alignment.model_copy(update=alignment),
                "training": spec.training.model_copy(update={"batch": 8, **(training or {})}),
            }
        )

    return make


@pytest.fixture
def tiny_stores(tmp_path):
    """Latents (20 images of 4 x 8 x 8 moments) and features (16 tokens of width 12), opened."""
    from sra.data.store import ArrayStore, shard_path, write_manifest, write_shard

    def make(kind: str, rows: np.ndarray) -> ArrayStore:
        folder = tmp_path / kind
        labels = np.arange(len(rows)) % 10
        shards = [shard_path(folder, kind, number, 2) for number in range(2)]
        half = len(rows) // 2
        for shard, part in zip(shards, (range(half), range(half, len(rows))), strict=True):
            write_shard(shard, kind, part, [rows[part.start : part.stop]], {})
        write_manifest(folder / "store.json", kind, shards, labels, {}, scaling_factor=1.0)
        return ArrayStore.open(folder / "store.json", kind)

    random = np.random.default_rng(0)
    moments = random.standard_normal((20, 8, 8, 8)).astype(np.float32)
    moments[:, 4:] = 0.1
    return make("latents", moments), make("features", random.standard_normal((20, 16, 12)).astype(np.float32))
