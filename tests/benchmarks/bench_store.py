"""256 random latents from the store, beside one .npy file a sample, as the released code keeps them, on the same disk; and the same of pixels.

    sra bench store --quick           4,000 latents; under a minute
    sra bench store --folder DISK     20,000, on the disk to measure

Once with all of it in the kernel's cache, once cold: what is cached of these files is dropped, and every row is then read once.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from harness import Row, ceiling_candidates, ceilings_of, options_of, publish, take_turns
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from sra.data.store import ArrayStore, shard_path, shard_rows, write_manifest, write_shard

BATCH = 256
WARM, COLD, PIXELS = "store", "cold store", "store of pixels"
WARM_FILES, COLD_FILES, PNG_FILES = ".npy files", "cold .npy files", ".png files"
BATCHES = {WARM: 20, COLD: 2, PIXELS: 2}  # in a turn
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
    parser = options_of(__doc__, turns=7, rows=20_000, images=500, shards=4)
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float32")
    parser.add_argument("--folder", type=Path, help="by default that of temporary files")
    parser.add_argument("--quick", action="store_true", help="4,000 latents, 256 images, three turns")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.images, options.turns = 4000, 256, 3
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        moments = random.standard_normal((options.rows, 8, 32, 32), dtype=np.float32).astype(options.dtype)
        latents = Layouts.write(Path(name) / "latents", moments, "latents", options.shards, np.load, np.save, ".npy")
        images = random.integers(0, 256, (options.images, 256, 256, 3), dtype=np.uint8)
        pixels = Layouts.write(Path(name) / "pixels", images, "pixels", options.shards, _read_png, _write_png, ".png")
        times = take_turns(latents.cold(COLD, COLD_FILES, BATCHES[COLD]), options.turns)
        times |= take_turns(pixels.warm(PIXELS, PNG_FILES, BATCHES[PIXELS]), options.turns)
        times |= take_turns(latents.warm(WARM, WARM_FILES, BATCHES[WARM]) | ceiling_candidates()[0], options.turns)
    ceilings = ceilings_of(times)
    # Read from the cache and written where the batch lies.
    moved = 2 * BATCHES[WARM] * BATCH * moments[0].nbytes
    share = moved / times[WARM].median / ceilings["copy"]
    rows = [
        Row(f"{BATCHES[WARM]} batches of {BATCH} latents, in the page cache", times[WARM], "a .npy file each", times[WARM_FILES], share),
        Row(f"{BATCHES[COLD]} batches of {BATCH} latents, not in it", times[COLD], "a .npy file each", times[COLD_FILES]),
        Row(f"{BATCHES[PIXELS]} batches of {BATCH} images of 256 px, in the page cache", times[PIXELS], "a .png file each", times[PNG_FILES]),
    ]
    publish(f"{BATCH} random rows", rows, options, ceilings, latents=options.rows, shards=options.shards, dtype=options.dtype)


def _write_png(file: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(file, compress_level=0)  # the released preprocessing does not compress them


def _read_png(file: str) -> np.ndarray:
    return np.array(Image.open(file))


if __name__ == "__main__":
    main()
