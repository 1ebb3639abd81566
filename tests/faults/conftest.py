"""Trainings that a test starts through the command line, stops or kills, starts again, and compares byte for byte."""

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from forks import ONE_THREAD, Fork, Forks
from safetensors import SafetensorError, safe_open
from stopping import PATIENCE, state_of

from sra.content.catalogue import Catalogue
from sra.core.errors import InputError
from sra.core.files import sha256_of_file
from sra.core.receipts import verify_contents
from sra.data.store import shard_path, write_manifest, write_shard
from sra.spec.run import RunSpec, write_run

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the campaigns' modules import each other by name, as they do when one of them is run as a script
ROOT = HERE.parents[1]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(name): one trial of a fault, counted by damage_campaign.py")


@dataclass(frozen=True)
class Finished:
    """An ended command. code: exit code, -n when signal n killed it.  text: what it printed."""

    code: int
    text: str

    @property
    def began(self) -> int:
        """The step at which training began."""
        return int(re.search(r": (\d+)/\d+ steps, starting", self.text)[1])

    @property
    def continued(self) -> int | None:
        """The step of the rolling state that it says it continued from."""
        found = re.search(r"^continuing from \S+ \(step (\d+)\)$", self.text, re.MULTILINE)
        return found and int(found[1])

    @property
    def stopped(self) -> int:
        """The step at which it says that it was stopped."""
        return int(re.search(r"^stopped at step (\d+); the state is kept and the same command continues from there$", self.text, re.MULTILINE)[1])

    @property
    def complaint(self) -> str:
        """All that it printed besides the progress of training."""
        return "\n".join(line for line in self.text.splitlines() if not re.match(r"train \S+: \d+/\d+ steps|continuing from ", line))


class Started:
    """A running command."""

    def __init__(self, fork: Fork, text: Path):
        self.fork, self.pid, self.path = fork, fork.pid, text

    def wait_for(self, condition: Callable[[], object], every: float = 0.005) -> None:
        """Until the condition holds or the command has ended. every: seconds, so many that the core is left to what is waited for."""
        end = time.monotonic() + PATIENCE
        while not condition() and not self.ended():
            assert time.monotonic() < end, f"gave up after {PATIENCE} s; the command printed:\n{self.path.read_text()}"
            time.sleep(every)

    def wait_for_moment(self, condition: Callable[[], object]) -> None:
        """For what lasts milliseconds."""
        self.wait_for(condition, every=0.0003)

    def ended(self) -> bool:
        """Whether it is only there to be waited for."""
        return state_of(Path(f"/proc/{self.pid}/stat")) == "Z"

    def wait_for_training(self) -> None:
        self.wait_for(lambda: "steps, starting" in self.path.read_text())

    def wait_for_write(self, folder: Path, count: int) -> None:
        """Return in the middle of the count-th write into `folder` from now on."""
        left_before = being_written(folder)
        for write in range(count):
            if write:
                self.wait_for_moment(lambda: not being_written(folder) - left_before)
            self.wait_for_moment(lambda: being_written(folder) - left_before)

    def notify(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def send(self, number: signal.Signals) -> Finished:
        self.notify(number)
        return self.finish()

    def finish(self) -> Finished:
        end = time.monotonic() + PATIENCE
        while not self.ended() and time.monotonic() < end:
            time.sleep(0.005)
        if hangs := not self.ended():
            self.notify(signal.SIGKILL)
        done = Finished(self.fork.wait(), self.path.read_text())
        assert not hangs, f"it did not end within {PATIENCE} s and printed:\n{done.text}"
        return done


class Launcher:
    """Starts `sra` in forks that are numbered, each with a file for what it prints."""

    def __init__(self, folder: Path, forks: Forks):
        self.folder, self.forks, self.count = folder, forks, 0

    def start(self, arguments: list[str], environment: dict[str, str] | None = None, most_bytes: int | None = None) -> Started:
        self.count += 1
        text = self.folder / f"{self.count:03d}.txt"
        with text.open("ab") as output:
            variables = {**os.environ, **ONE_THREAD, **(environment or {})}
            return Started(self.forks.start("sra", arguments, Path.cwd(), variables, output, most_bytes), text)


class Run:
    """One run in a folder of its own: its config, the commands that train it, and what they leave."""

    def __init__(self, folder: Path, spec: RunSpec, stores: Path, launcher: Launcher):
        self.folder, self.stores, self.launcher = folder, stores, launcher
        self.configure(spec)

    def configure(self, spec: RunSpec) -> None:
        self.spec, self.config = spec, self.folder / "config.json"
        write_run(self.config, spec)

    def command(self, until: int, *options: str, point: str = "end", minutes: float = 60, previous: str | None = None) -> list[str]:
        """`sra train` to step `until`, which it calls `point`; `previous` is the point to go on from."""
        command = ["train", str(self.config), "--latents", str(self.stores / "latents" / "store.json"), "--until", str(until)]
        command += ["--state", str(self.state(point)), "--curve", str(self.curve(point)), "--rolling-minutes", str(minutes), "--device", "cpu"]
        if self.spec.encoder:
            command += ["--features", str(self.stores / "features" / "store.json")]
        if previous:
            command += ["--previous", str(self.state(previous))]
        return [*command, *options]

    def start(self, *arguments, most_bytes: int | None = None, environment: dict[str, str] | None = None, **options) -> Started:
        return self.launcher.start(self.command(*arguments, **options), environment, most_bytes)

    def train(self, *arguments, **options) -> Finished:
        return self.start(*arguments, **options).finish()

    def together(self, processes: int, *arguments, port: int, **options) -> list[Started]:
        """Processes as torchrun starts them, without its own second and their imports."""
        place = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        ranks = [{**place, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
        return [self.start(*arguments, environment=rank, **options) for rank in ranks]

    def state(self, point: str = "end") -> Path:
        return self.folder / "state" / f"{point}.safetensors"

    def curve(self, point: str = "end") -> Path:
        return self.folder / "curve" / f"{point}.jsonl"

    def result(self, point: str = "end") -> dict[str, str]:
        """SHA-256 of the state, the curve and the exported EMA weights."""
        weights = self.folder / "weights" / f"{point}.safetensors"
        done = self.launcher.start(["export", str(self.config), "--state", str(self.state(point)), "--output", str(weights)]).finish()
        assert done.code == 0, done.text
        return {"state": sha256_of_file(self.state(point)), "curve": sha256_of_file(self.curve(point)), "weights": sha256_of_file(weights)}

    @property
    def scratch(self) -> Path:
        """The folder of the rolling states."""
        return self.folder / "scratch" / self.spec.fingerprint[:12]

    def rolling(self, step: int) -> Path:
        return self.scratch / f"{step:07d}.safetensors"

    def newest(self) -> int:
        """The step of the newest rolling state, quickly: the receipt comes last."""
        return max((int(path.name[:7]) for path in self.scratch.glob("[0-9]*.receipt.json")), default=0)

    def saved(self) -> list[int]:
        """Steps of the rolling states that are whole, the newest last."""
        return sorted(int(path.stem) for path in self.scratch.glob("[0-9]*.safetensors") if is_whole(path))

    def logged(self) -> int:
        """The last step in the curve that is written as training goes; it is on disk before the step's state."""
        curve = self.scratch / "curve.jsonl"
        lines = curve.read_text().splitlines() if curve.exists() else []
        return json.loads(lines[-1])["step"] if lines else 0

    def left_half_written(self) -> set[Path]:
        return set(self.folder.rglob(".*"))

    def torn(self) -> list[Path]:
        """States and receipts that bear their final name and cannot be read."""
        return [path for path in self.folder.rglob("[!.]*.*") if path.is_file() and not path.parent.name.startswith(".") and not is_readable(path)]

    def files(self) -> set[str]:
        """Every file of the run, as paths in its folder."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


def being_written(folder: Path) -> set[Path]:
    """Files with some bytes that are not whole yet, or that a kill left so: their names, or their folders', begin with a dot."""
    found = set()
    for where, _, names in os.walk(folder):
        inside = Path(where).relative_to(folder).parts
        for path in (Path(where, name) for name in names if any(part.startswith(".") for part in (*inside, name))):
            with suppress(FileNotFoundError):
                if path.stat().st_size:
                    found.add(path)
    return found


def is_whole(state: Path) -> bool:
    try:
        verify_contents(state, "training state")
    except InputError:
        return False
    return True


def is_readable(path: Path) -> bool:
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            safe_open(path, framework="np")
    except (ValueError, SafetensorError):
        return False
    return True


@pytest.fixture(scope="session")
def launcher(tmp_path_factory, forks) -> Launcher:
    if not Path("/proc/self/stat").exists():
        pytest.skip("watches processes through /proc, which Linux has")
    return Launcher(tmp_path_factory.mktemp("printed"), forks)


@pytest.fixture
def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def new_stores(tmp_path_factory) -> Callable[..., Path]:
    """`new_stores(rows=48, poisoned=None)`: a folder with the stores of random latents and features; row `poisoned` overflows in a step."""

    def make(rows: int = 48, poisoned: int | None = None) -> Path:
        folder, random = tmp_path_factory.mktemp("stores"), np.random.default_rng(0)
        moments = random.standard_normal((rows, 8, 8, 8)).astype(np.float32)
        moments[:, 4:] = 0.1
        if poisoned is not None:
            moments[poisoned] = np.finfo(np.float32).max  # finite, so that it can be stored
        for kind, values in {"latents": moments, "features": random.standard_normal((rows, 16, 12)).astype(np.float32)}.items():
            shard = shard_path(folder / kind, kind, 0, 1)
            write_shard(shard, kind, range(rows), [values], {})
            write_manifest(folder / kind / "store.json", kind, [shard], np.arange(rows) % 10, {}, scaling_factor=1.0)
        return folder

    return make


@pytest.fixture(scope="session")
def stores(new_stores) -> Path:
    return new_stores()


@pytest.fixture(scope="session")
def new_spec() -> Callable[..., RunSpec]:
    """`new_spec("sit_b2_sra", width=16, batch=8, **training)`: a run of the digits preset with a narrow model."""

    def make(run: str = "sit_b2_sra", width: int = 16, batch: int = 8, **training) -> RunSpec:
        spec = Catalogue(ROOT, "digits").spec(run)
        model = spec.model.model_copy(update={"width": width, "heads": 2})
        return spec.model_copy(update={"model": model, "training": spec.training.model_copy(update={"batch": batch, **training})})

    return make


@pytest.fixture(scope="session")
def new_run(tmp_path_factory, launcher, stores, new_spec) -> Callable[..., Run]:
    """`new_run("sit_b2_sra", width=..., stores=..., folder=...)`: a run to train, in a folder of its own."""

    def make(run: str = "sit_b2_sra", stores: Path = stores, folder: Path | None = None, **spec) -> Run:
        return Run(folder or tmp_path_factory.mktemp(run), new_spec(run, **spec), stores, launcher)

    return make


@pytest.fixture(scope="session")
def undisturbed(new_run) -> Callable[..., dict[str, str]]:
    """`undisturbed(until, *options, **spec)`: the result of a run that nothing interrupted; each is trained once."""
    known: dict[tuple, dict[str, str]] = {}

    def result(until: int, *options: str, **spec) -> dict[str, str]:
        key = (until, options, tuple(sorted(spec.items())))
        if key not in known:
            run = new_run(**spec)
            done = run.train(until, *options)
            assert done.code == 0, done.text
            known[key] = run.result()
        return known[key]

    return result


@pytest.fixture(scope="session")
def house(tmp_path_factory, new_stores, new_spec) -> Path:
    """A folder with one good file of each kind that a command reads, and latents that overflow in a step as `poisoned`."""
    from faults.input_house import build_house  # torch and more

    folder = tmp_path_factory.mktemp("house")
    (folder / "poisoned").symlink_to(new_stores(poisoned=0) / "latents")
    runs = {"sit_b2": "sit_b2", "repa": "sit_xl2_repa_dinov2b", "mmdit": "mmdit"}
    return build_house(folder, new_stores(), {name: new_spec(run) for name, run in runs.items()})


@pytest.fixture(scope="session")
def chain_folder(tmp_path_factory, new_spec) -> Path:
    """The folder of a small chain from images to a table; see damage.py."""
    from faults.damage import build_chain  # torch and more

    folder = tmp_path_factory.mktemp("chain")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build_chain(folder, new_spec)
    return folder


@pytest.fixture
def chain(chain_folder, monkeypatch) -> Path:
    """The same, as the working folder."""
    monkeypatch.chdir(chain_folder)
    return chain_folder
