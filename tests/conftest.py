"""Small runs and stores that many tests share, and a checkout of the workflow to run in."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from checkout import Checkout
from forks import Forks

from sra.content.catalogue import Catalogue
from sra.spec.run import RunSpec

ROOT = Path(__file__).parents[1]

# Without a GPU nothing uses triton, and importing it prints pages of leaked bindings after the test summary.
if shutil.which("nvidia-smi") is None:
    sys.modules["triton"] = None


def pytest_terminal_summary(terminalreporter):
    """Among thousands of dots nobody sees whether the tests on a real Slurm cluster were skipped."""
    outcomes = ("passed", "failed", "error", "skipped")
    counts = {outcome: sum("test_slurm.py" in report.nodeid for report in terminalreporter.stats.get(outcome, [])) for outcome in outcomes}
    if any(counts.values()):
        terminalreporter.write_line("on a real Slurm cluster: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))


@pytest.fixture(autouse=True)
def what_later_processes_inherit():
    """A command that a test ran in this process may have left signals ignored and variables set: what a later test starts must not inherit them."""
    for number, default in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, default)
    variables = dict(os.environ)
    yield
    if os.environ != variables:
        os.environ.clear()
        os.environ.update(variables)


@pytest.fixture(scope="session")
def forks(tmp_path_factory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def new_checkout(forks) -> Callable[[Path], Checkout]:
    """`new_checkout(folder)` makes one, whose Snakemake starts without its imports where that can be."""
    return partial(Checkout, forks=forks if hasattr(os, "pidfd_open") else None)


@pytest.fixture
def checkout(tmp_path, new_checkout) -> Checkout:
    return new_checkout(tmp_path / "checkout")


@pytest.fixture
def tiny_run():
    """`tiny_run("sit_b2_sra", weight=0.0, training={"batch": 4})`: a configured run with a model of seconds, options overridden."""

    def make(run: str, training: dict | None = None, **alignment) -> RunSpec:
        spec = Catalogue(ROOT, "digits").spec(run)
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
