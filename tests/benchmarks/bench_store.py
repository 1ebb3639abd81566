"""256 random latents from the store against one .npy file a sample, as the released code keeps them, on the same disk; and the same of pixels.

Once with all of it in the kernel's cache, once cold: what is cached of these files is dropped, and every row is then read once. Options: --rows,
--shards, --dtype, --images, --turns and --folder, which is on the disk to measure.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from harness import report, take_turns
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from sra.data.store import ArrayStore, shard_path, shard_rows, write_manifest, write_shard

BATCH = 256
BATCHES = {"latents": 20, "cold latents": 2, "pixels": 2}  # in a turn
IN_A_FOLDER = 1000  # of the released preprocessing


@dataclass(frozen=True)
class Layouts:
    """The same rows twice."""

    store: ArrayStore
    labels: np.ndarray
    files: list[str]
    read: Callable[[str], np.ndarray]

    @classmethod
    def write(cls, folder: Path, rows: np.ndarray, kind: str, shards: int, read: Callable, write: Callable, suffix: str) -> "Layouts":
        parts = [shard_path(folder, kind, number, shards) for number in range(shards)]
        for number, part in enumerate(parts):
            mine = shard_rows(len(rows), number, shards)
            write_shard(part, kind, mine, [rows[mine.start : mine.stop]], {}, rows.dtype)
        write_manifest(folder / "store.json", kind, parts, np.zeros(len(rows), np.int64), {})
        files = [folder / f"{number // IN_A_FOLDER:05d}" / f"{number:08d}{suffix}" for number in range(len(rows))]
        for file, row in zip(files, rows, strict=True):
            file.parent.mkdir(exist_ok=True)
            write(file, row)
        return cls(ArrayStore.open(folder / "store.json", kind), np.zeros(len(rows), np.int64), [str(file) for file in files], read)

    def from_store(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.store.rows(indices)), torch.from_numpy(self.labels[indices])

    def from_files(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """As the released code does it: a pair of tensors for each file, which torch's DataLoader then stacks."""
        pairs = [(torch.from_numpy(self.read(self.files[index])), torch.tensor(self.labels[index])) for index in indices]
        return tuple(default_collate(pairs))

    def forget(self) -> None:
        """Only what is on the disk can leave the cache."""
        os.sync()
        for file in [*self.files, *(self.store.manifest.parent / shard.file for shard in self.store.shards)]:
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def warm(self, name: str, files: str, count: int) -> dict[str, Callable[[], None]]:
        """Everything is read before it counts."""
        every = np.arange(len(self.store))
        for rows in np.array_split(every, -(-len(every) // BATCH)):
            if not all(torch.equal(ours.float(), theirs.float()) for ours, theirs in zip(self.from_store(rows), self.from_files(rows), strict=True)):
                sys.exit("the store and the files hold different rows")
        random = np.random.default_rng(0)
        draws = [random.integers(0, len(self.store), BATCH) for _ in range(count)]
        return {name: lambda: _read(self.from_store, iter(draws)), files: lambda: _read(self.from_files, iter(draws))}

    def cold(self, name: str, files: str, count: int) -> dict[str, Callable[[], None]]:
        """Each row once: a second time it would come from the cache."""
        self.forget()
        order = np.random.default_rng(1).permutation(len(self.store))
        batches = np.array_split(order, len(order) // BATCH)
        first, second = iter(batches), iter(batches)
        return {
            name: lambda: _read(self.from_store, _some(first, count)),
            files: lambda: _read(self.from_files, _some(second, count)),
        }


def _read(read: Callable[[np.ndarray], object], batches: Iterator[np.ndarray]) -> None:
    for indices in batches:
        read(indices)


def _some(batches: Iterator[np.ndarray], count: int) -> Iterator[np.ndarray]:
    return (next(batches) for _ in range(count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--rows", type=int, default=20_000, help="latents on the disk, twice")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float32")
    parser.add_argument("--images", type=int, default=500, help="images of 256 x 256 on the disk, twice")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="by default that of temporary files")
    options, sys.argv[1:] = parser.parse_known_args()  # the harness reads the rest
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        moments = random.standard_normal((options.rows, 8, 32, 32), dtype=np.float32).astype(options.dtype)
        latents = Layouts.write(Path(name) / "latents", moments, "latents", options.shards, np.load, np.save, ".npy")
        images = random.integers(0, 256, (options.images, 256, 256, 3), dtype=np.uint8)
        pixels = Layouts.write(Path(name) / "pixels", images, "pixels", options.shards, _read_png, _write_png, ".png")
        timings = take_turns(latents.cold("cold store", "cold .npy files", BATCHES["cold latents"]), options.turns)
        timings |= take_turns(pixels.warm("pixels store", ".png files", BATCHES["pixels"]), options.turns)
        timings |= take_turns(latents.warm("store", ".npy files", BATCHES["latents"]), options.turns)
    for ours, theirs in (("cold store", "cold .npy files"), ("pixels store", ".png files")):
        print(f"{ours}: {timings[theirs].median / timings[ours].median:.1f} x as fast as {theirs}")
    facts = {"rows": options.rows, "shards": options.shards, "dtype": options.dtype, "batches in a turn": BATCHES}
    report(f"{BATCH} random rows", timings, ours="store", **facts)


def _write_png(file: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(file, compress_level=0)  # the released preprocessing does not compress them


def _read_png(file: str) -> np.ndarray:
    return np.array(Image.open(file))


if __name__ == "__main__":
    main()
