"""A disk that is full, or becomes full, at every stage that writes: one line, nothing half-written, and with room the same command succeeds."""

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from faults.damage import SHARD, STEPS, STORE, Step, answer_without_looking, errors_of
from faults.disks import mounted, remount
from faults.input_house import Answer, call

from sra.core.errors import StageError
from sra.core.files import check_room, sha256_of_file, write_json
from sra.core.npz import Blocks, write_npz
from sra.core.receipts import receipt_path
from sra.data.digits import write_digits
from sra.encoders.vae import VaeTraining, train_vae
from sra.encoders.vision_training import EncoderTraining, train_encoder

PAGE = 4096  # the least that a tmpfs gives
FILLER = "filler"


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A file system of one page; `resize` gives it more."""
    with mounted(tmp_path / "disk", f"size={PAGE}") as folder:
        yield folder


def resize(disk: Path, size: int) -> None:
    remount(disk, f"size={size}")


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / FILLER).open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * PAGE)


def left(disk: Path) -> list[str]:
    return sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file() and path.name != FILLER)


def output_on(disk: Path, step: Step) -> Path:
    """Where the step writes on the disk; what it joins is there already."""
    if step.output != STORE:
        return disk / "new" / Path(step.output).name
    resize(disk, 1 << 22)
    for file in (Path(SHARD), receipt_path(SHARD)):
        (disk / file.name).write_bytes(file.read_bytes())
    return disk / Path(step.output).name


def run_on(disk: Path, step: Step, output: Path) -> Answer:
    """The step, which writes to the disk. Tables have one place, so that is the disk."""
    if step.output == STORE:
        return call(step.arguments.replace("latents/", f"{disk}/"))
    return step.run(output)


def no_room_line(answer: Answer) -> str:
    """The only line of its error."""
    assert (answer.code, answer.crash) == (1, ""), answer
    [line] = errors_of(answer)
    assert ": no room to write it (" in line
    return line


MOVABLE = [step.name for step in STEPS.values() if step.movable or step.output == STORE]


@pytest.mark.fault("disk full at a stage")
@pytest.mark.parametrize("name", MOVABLE)
def test_a_full_disk_is_said_in_a_line_and_nothing_is_left(name, chain, disk):
    step = STEPS[name]
    output = output_on(disk, step)
    fill(disk)
    before = left(disk)
    answer = run_on(disk, step, output)
    assert no_room_line(answer).startswith(f"error: {disk}/")
    assert left(disk) == before
    (disk / FILLER).unlink()
    resize(disk, 1 << 26)
    assert run_on(disk, step, output).code == 0
    assert output.exists()


LARGE = ["latents", "pixels", "train", "export", "sample", "pack", "reference", "reference features"]  # more than a page or two


def half_of(step: Step) -> int:
    """Bytes, in whole pages."""
    return max(PAGE, Path(step.output).stat().st_size // 2 // PAGE * PAGE)


@pytest.mark.fault("disk with room for half of the output")
@pytest.mark.parametrize("name", LARGE)
def test_a_disk_with_room_for_half_of_it(name, chain, disk):
    """The size is known before, and the line says what is needed."""
    step, output = STEPS[name], disk / "new" / Path(STEPS[name].output).name
    resize(disk, half_of(step))
    answer = step.run(output)
    assert " needed, " in no_room_line(answer)
    assert left(disk) == []


FIXED = [step.name for step in STEPS.values() if not step.movable and step.output != STORE]


@pytest.mark.fault("disk full at a table, a figure, the claims or the page")
@pytest.mark.parametrize("name", FIXED)
def test_what_is_shown_on_a_full_disk(name, chain, disk):
    """Its place is fixed, so a disk with a copy of the results is mounted there. What was shown before stays."""
    step, results = STEPS[name], Path("results").absolute()
    resize(disk, 1 << 25)
    shutil.copytree(results, disk, dirs_exist_ok=True)
    fill(disk)
    subprocess.run(["mount", "--bind", str(disk), str(results)], check=True)
    try:
        before = {path: sha256_of_file(path) for path in results.rglob("*") if path.is_file()}
        line = no_room_line(step.run())
        assert line.startswith(f"error: {Path(step.output).absolute().with_suffix('')}.")
        assert {path: sha256_of_file(path) for path in results.rglob("*") if path.is_file()} == before
        (disk / FILLER).unlink()
        Path(step.output).unlink()
        assert step.run().code == 0
        assert sha256_of_file(step.output) == before[results.parent / step.output]
    finally:
        subprocess.run(["umount", str(results)], check=True)


IMAGES = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
MAKERS = {
    "autoencoder": lambda folder: train_vae(torch.from_numpy(IMAGES), folder, 0, VaeTraining(steps=1)),
    "encoder": lambda folder: train_encoder(torch.from_numpy(IMAGES), torch.arange(20) % 4, folder, 0, EncoderTraining(epochs=1, batch=4)),
    "digits": lambda folder: write_digits(folder / "images.zip"),
    "json": lambda folder: write_json(folder / "a.json", list(range(1000))),
}


@pytest.mark.fault("disk full at a trained stand-in or an archive")
@pytest.mark.parametrize("name", MAKERS)
def test_no_room_for_a_trained_network_or_an_archive(name, disk):
    fill(disk)
    with pytest.raises(StageError, match=rf"{disk}/.*: no room to write it \("):
        MAKERS[name](disk / "made")
    assert left(disk) == []


@pytest.fixture(scope="module")
def fresh():
    """Makes forks of a process that has imported everything and computed nothing: autograd refuses the fork of one whose threads it has started."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["faults.damage"])
    return processes


@pytest.mark.fault("disk that others fill meanwhile")
@pytest.mark.parametrize("name", LARGE)
def test_a_disk_that_others_fill_after_it_was_looked_at(name, chain, disk, fresh):
    """In a process of its own: one that writes to a memory map which the disk has no room for is killed without a word."""
    step = STEPS[name]
    resize(disk, half_of(step))
    here, there = fresh.Pipe(duplex=False)
    process = fresh.Process(target=answer_without_looking, args=(step.name, chain, disk / "new" / Path(step.output).name, there))
    process.start()
    there.close()
    no_room_line(here.recv())
    process.join()
    assert process.exitcode == 0
    assert left(disk) == []


@pytest.mark.fault("disk with room for half of the output")
def test_what_cannot_fit_is_refused_before_the_work(disk):
    """No block is asked for: it could have taken hours."""

    def blocks():
        raise AssertionError("worked in vain")
        yield

    with pytest.raises(StageError, match=r"a\.npz: no room to write it \(0\.80 MB needed, 0\.00 MB free on its disk\)"):
        write_npz(disk / "a.npz", {"a": Blocks((100_000,), np.dtype(np.float64), blocks())})
    assert os.listdir(disk) == []
    check_room(disk / "b" / "c" / "d.npz", 0)
