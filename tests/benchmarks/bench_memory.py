"""Peak memory of scoring an uncompressed npz of 256² images; the reference has a fifth as many.

    sra bench memory                                   4,000 images; a minute on two cores
    sra bench memory --count 50000 --folder FOLDER     the paper's, a file of 9.8 GB; the folder needs room for 12

Files are written in a stream, and the scoring runs in a process of its own, which reports its peak. The extractor is a cheap stand-in
whose features are as wide as Inception's (2,048 pooled, 2,023 spatial, 1,008 logits): the network's own memory is not part of this.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from harness import options_of, publish, take_turns

from sra.core.npz import Blocks, write_npz
from sra.metrics.extractors import Features
from sra.metrics.frechet_infinity import SMALLEST
from sra.metrics.reference import read_reference
from sra.metrics.samples import read_samples
from sra.metrics.suite import Settings, score

SIZE = 256
BLOCK = 250  # images made at a time
PATCHES = 8  # along each side of an image
POOLED, SPATIAL, LOGITS = 2048, 2023, 1008


class PatchProjection:
    """Random projections of the mean colours of an image's patches, and noise that the image itself seeds."""

    name = "patch projection"
    image_size = SIZE

    def __init__(self):
        self.projection = torch.randn(PATCHES**2 * 3, POOLED + SPATIAL + LOGITS, generator=torch.Generator().manual_seed(0)) / PATCHES

    def features(self, images: np.ndarray) -> Features:
        side = SIZE // PATCHES
        corners = torch.from_numpy(images[:, ::side, ::side].reshape(len(images), -1).astype(np.float32)) / 255
        # Without noise the covariance would have the rank of the patches.
        generator = torch.Generator().manual_seed(int(images[0, 0, 0, 0]) + 256 * int(images[0, 0, 1, 0]))
        values = (corners @ self.projection + 0.3 * torch.randn(len(images), self.projection.shape[1], generator=generator)).relu_()
        return Features(*(part.clone() for part in values.split([POOLED, SPATIAL, LOGITS], dim=1)), predicted=None)


def images(seed: int, count: int) -> Blocks:
    def blocks() -> Iterator[np.ndarray]:
        random = np.random.default_rng(seed)
        for start in range(0, count, BLOCK):
            yield random.integers(0, 256, (min(BLOCK, count - start), SIZE, SIZE, 3), dtype=np.uint8)

    return Blocks((count, SIZE, SIZE, 3), np.dtype(np.uint8), blocks())


def write_files(folder: Path, count: int) -> tuple[Path, Path]:
    """A sample file of `count` images and a reference with a fifth as many."""
    samples, reference = folder / "samples.npz", folder / "reference.npz"
    write_npz(samples, {"arr_0": images(1, count)})
    statistics = {"mu": np.zeros(POOLED), "sigma": np.eye(POOLED), "mu_s": np.zeros(SPATIAL), "sigma_s": np.eye(SPATIAL)}
    write_npz(reference, statistics | {"arr_0": images(2, count // 5)})
    return samples, reference


def score_and_print_peak(samples: Path, reference: Path, settings: Settings) -> None:
    """In the child process: peak resident memory in MiB, the libraries' own included."""
    scores = score(read_samples(samples), read_reference(reference), PatchProjection(), settings)
    if not np.isfinite(list(scores.metrics().values())).all():
        sys.exit(f"not finite: {scores}")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    parser = options_of(__doc__, turns=1, count=4000)
    parser.add_argument("--folder", type=Path, help="by default that of temporary files")
    parser.add_argument("--secondary", action="store_true", help="KID too, and from 10,000 samples on FID at infinity")
    parser.add_argument("--mode", choices=["fp32", "adm_fp16"], default="fp32", help="of precision and recall")
    parser.add_argument("--measure", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        secondary = (("kid",) + (("fid_infinity",) if options.count >= 2 * SMALLEST else ())) if options.secondary else ()
        score_and_print_peak(*options.measure, Settings(options.count, few=True, precision_recall=options.mode, secondary=secondary))
        return
    peaks: list[int] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        files = write_files(Path(name), options.count)
        size = sum(file.stat().st_size for file in files) >> 20
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", *map(str, files)]

        def run() -> None:
            peaks.append(int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))

        times = take_turns({"score": run}, options.turns, warm_up=0)
    facts = {"images": options.count, "mode": options.mode, "MiB_of_files": size, "peak_MiB": max(peaks), "seconds": round(times["score"].median, 1)}
    publish("memory that scoring takes, libraries included; features by a stand-in", [], options, **facts)


if __name__ == "__main__":
    main()
